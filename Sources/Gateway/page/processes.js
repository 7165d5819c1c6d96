// The members' processes, where `swiftwater up` started them: it stops, freezes and restarts them for us.

import { $, attribute, h, text } from './dom.js';
import { LOOK_MS } from './feed.js';

export class Processes {
  // `run` does what was asked for, and says on the page when it failed.
  constructor(feed, api, run) {
    Object.assign(this, { feed, api, run });
    this.rows = new Map();
    this.list = [];
    // Why nothing can be done here; null when it can, undefined as long as nobody knows.
    this.absence = undefined;
    this.isForeign = false;
  }

  // By one who can pass it on about `name`: not the member that is to end itself, as long as there is another. One that
  // ended a moment ago still seems reachable: then the next is asked.
  async ask(order, body, name, patienceMs) {
    const others = this.feed.reachable.filter((other) => other !== name);
    let failure;
    for (const messenger of others.length ? others : this.feed.reachable) {
      if (failure && !this.feed.isHeard(messenger)) continue;
      try {
        return await this.api.ask(`/v1/process/${order}`, body, messenger, patienceMs);
      } catch (error) {
        if (error.status) throw error;
        failure = error;
      }
    }
    throw failure ?? new Error('no member answers');
  }

  order(order, name) { return this.ask(order, { name }, name); }

  // All that do not run, at the same time.
  restartAll() { return Promise.all(this.list.filter(({ state }) => state !== 'running').map(({ name }) => this.order('restart', name))); }

  async look() {
    if (!this.feed.reachable.length || this.isForeign) return;
    try {
      this.list = (await this.ask('list', undefined, undefined, LOOK_MS)).processes;
      this.absence = null;
    } catch (error) {
      this.list = [];
      this.absence = error.message;
      // That does not change while they run: asked again when the view is opened again.
      this.isForeign = error.status === 501;
    }
    this.draw();
  }

  draw() {
    text($('#processes-note'), this.absence
      ? `Not from here: ${this.absence}. On its machine, kill -9, kill -STOP and kill -CONT do the same; the Cluster view shows what follows.`
      : 'They were started by swiftwater up, which does what is asked for here. The page needs one member that runs: the last one is not stopped from here.');
    $('#processes').hidden = this.absence !== null;
    const running = this.list.filter(({ state }) => state === 'running').length;
    for (const { name, state, id } of this.list) {
      const { row, cells, buttons } = this.row(name);
      attribute(row, 'class', state === 'running' ? null : 'gone');
      text(cells[0], id ? `${state}, ${id}` : state);
      const isLast = running === 1 && state === 'running';
      attribute(buttons.stop, 'disabled', state === 'stopped' || isLast);
      attribute(buttons.terminate, 'disabled', state !== 'running' || isLast);
      attribute(buttons.freeze, 'disabled', state === 'stopped' || isLast);
      text(buttons.freeze, state === 'frozen' ? 'Resume' : 'Freeze');
      attribute(buttons.restart, 'disabled', isLast);
      text(buttons.restart, state === 'stopped' ? 'Start' : 'Restart');
    }
  }

  row(name) {
    if (!this.rows.has(name)) {
      const cells = [h('td')];
      const button = (label, order, style) => h('button', { type: 'button', class: `small ${style}`, 'aria-label': `${label} ${name}`, onclick: () => this.run(() => this.order(order(), name)) }, label);
      const buttons = {
        stop: button('Stop', () => 'stop', 'danger'), terminate: button('Gently', () => 'terminate', 'plain'),
        freeze: button('Freeze', () => (this.list.find((process) => process.name === name)?.state === 'frozen' ? 'resume' : 'freeze'), 'plain'),
        restart: button('Restart', () => 'restart', 'plain'),
      };
      for (const key of ['freeze', 'restart']) buttons[key].removeAttribute('aria-label');
      const row = h('tr', {}, h('th', { scope: 'row' }, name), ...cells, h('td', {}, h('div', { class: 'buttons tight' }, ...Object.values(buttons))));
      $('#processes tbody').append(row);
      this.rows.set(name, { row, cells, buttons });
    }
    return this.rows.get(name);
  }
}
