// Commands in a queue: submitted one after the other, or all as one transaction.

import { $, attribute, h, number } from './dom.js';
import { shown, typed } from './feed.js';

const words = (value) => (value === undefined ? '(nil)' : value.list ? JSON.stringify(value.list) : JSON.stringify(shown(value.data)));
const items = (input) => input.split(/\s+/).filter(Boolean);

// What each command needs, how it is asked, and how its answer reads.
const COMMANDS = {
  ping: { help: 'Whether the member answers.', body: () => ({}), read: (answer) => answer.message },
  get: { key: true, help: 'What the key holds.', body: ({ key }) => ({ key }), read: (answer) => words(answer.value) },
  set: { key: true, value: true, help: 'Gives the key a text.', body: ({ key, value }) => ({ key, value: { data: typed(value) } }), read: () => 'OK' },
  'set list': {
    key: true, value: true, api: 'set', help: 'Gives the key a list: words are its items.',
    body: ({ key, value }) => ({ key, value: { list: items(value) } }), read: () => 'OK',
  },
  strln: { key: true, api: 'strlen', help: 'The length in bytes; of a list, its items.', body: ({ key }) => ({ key }), read: (answer) => number(answer.length) },
  del: { key: true, api: 'delete', help: 'Deletes the key, and says what it held.', body: ({ key }) => ({ key }), read: (answer) => words(answer.previous) },
  append: { key: true, value: true, help: 'Text at the end of a text.', body: ({ key, value }) => ({ key, suffix: typed(value) }), read: (answer) => `OK, length ${number(answer.length)}` },
  'append item': {
    key: true, value: true, api: 'append', help: 'One item at the end of a list.', body: ({ key, value }) => ({ key, item: value }),
    read: (answer) => `OK, ${number(answer.length)} items`,
  },
  keys: {
    key: 'Prefix', optional: true, help: 'Keys in order; those that begin with a prefix.', body: ({ key }) => (key === '' ? {} : { prefix: key }),
    read: (answer) => (answer.keys.map(shown).join('\n') || '(none)') + (answer.more ? '\n…' : ''),
  },
  request_log: { alone: true, help: "The member's own log, its last hundred entries.", read: (answer) => `${number(answer.entries.length)} entries, below` },
};

export class ConsoleView {
  constructor(history, feed, api) {
    Object.assign(this, { history, feed, api });
    this.queue = [];
    this.isBusy = false;
    this.form = $('#command');
    const { command } = this.form.elements;
    command.append(...Object.keys(COMMANDS).map((name) => h('option', { value: name }, name)));
    command.addEventListener('change', () => this.fit());
    this.form.addEventListener('submit', (event) => { event.preventDefault(); this.add(); });
    $('#submit').addEventListener('click', () => this.submit());
    $('#transact').addEventListener('click', () => this.transact());
    $('#clear').addEventListener('click', () => { this.queue = []; this.list(); });
    this.fit();
    this.list();
  }

  draw() {
    const { member } = this.form.elements;
    const names = this.history.names.join();
    if (names !== this.names) {
      const before = member.value;
      this.names = names;
      member.replaceChildren(...this.history.names.map((name) => h('option', { value: name }, name)));
      if (this.history.names.includes(before)) member.value = before;
    }
    for (const option of member.options) {
      const label = this.feed.isHeard(option.value) ? option.value : `${option.value} (unreachable)`;
      if (option.textContent !== label) option.textContent = label;
    }
  }

  fit() {
    const { command, key, value } = this.form.elements;
    const { help, key: needsKey, value: needsValue, optional } = COMMANDS[command.value];
    key.disabled = !needsKey;
    key.required = Boolean(needsKey) && !optional;
    value.disabled = !needsValue;
    $('#command-help').textContent = help;
  }

  add() {
    const { member, command, key, value } = this.form.elements;
    const kind = COMMANDS[command.value];
    const given = { key: key.disabled ? '' : typed(key.value), value: value.disabled ? '' : value.value };
    this.queue.push({
      member: member.value, command: command.value, given, state: 'waits', result: '',
      label: [command.value, kind.key ? key.value : '', kind.value ? value.value : ''].filter((part) => part !== '').join(' '),
    });
    this.list();
    (key.disabled ? command : key).focus();
  }

  list() {
    $('#queue').replaceChildren(...this.queue.map((item) => h('li', {},
      h('div', { class: 'line' }, h('span', {}, `${item.label} `, h('span', { class: 'quiet' }, `at ${item.member}`)),
        h('button', { class: 'small plain', 'aria-label': `Remove ${item.label}`, disabled: this.isBusy, onclick: () => this.remove(item) }, 'Remove')),
      item.result === '' ? null : h('pre', { class: item.state }, item.result))));
    const waiting = this.queue.filter(({ state }) => state === 'waits').length;
    $('#queue-note').textContent = waiting ? `${waiting} waiting.` : 'Nothing waits.';
    attribute($('#submit'), 'disabled', this.isBusy || !waiting);
    const inTransaction = this.queue.filter(({ state, command }) => state === 'waits' && !COMMANDS[command].alone).length;
    attribute($('#transact'), 'disabled', this.isBusy || !waiting || inTransaction !== waiting);
    attribute($('#clear'), 'disabled', this.isBusy || !this.queue.length);
  }

  remove(item) {
    this.queue = this.queue.filter((other) => other !== item);
    this.list();
  }

  async busy(total, work) {
    this.isBusy = true;
    const bar = $('#progress');
    bar.hidden = false;
    bar.max = total;
    bar.value = 0;
    this.list();
    try {
      await work(() => { bar.value += 1; this.list(); });
    } finally {
      this.isBusy = false;
      bar.hidden = true;
      this.list();
    }
  }

  submit() {
    const waiting = this.queue.filter(({ state }) => state === 'waits');
    return this.busy(waiting.length, async (done) => {
      for (const item of waiting) {
        const kind = COMMANDS[item.command];
        try {
          const answer = item.command === 'request_log' ? await this.log(item.member)
            : await this.api.kv(kind.api ?? item.command, kind.body(item.given), item.member);
          this.settle(item, 'good', kind.read(answer));
        } catch (error) {
          this.fail(item, error);
        }
        done();
      }
    });
  }

  transact() {
    const waiting = this.queue.filter(({ state }) => state === 'waits');
    return this.busy(1, async (done) => {
      try {
        const operations = waiting.map(({ command, given }) => ({ [COMMANDS[command].api ?? command]: COMMANDS[command].body(given) }));
        const { results } = await this.api.kv('transact', { operations }, waiting[0].member);
        for (const [place, item] of waiting.entries()) this.settle(item, 'good', COMMANDS[item.command].read(Object.values(results[place])[0]));
      } catch (error) {
        for (const item of waiting) this.fail(item, error);
      }
      done();
    });
  }

  settle(item, state, result) { Object.assign(item, { state, result }); }

  fail(item, error) {
    this.settle(item, 'bad', error.notApplied ? error.message : `${error.message} (it may or may not be applied)`);
  }

  async log(member) {
    const { last_log_index: last } = await this.api.ask('/v1/cluster/status', undefined, member);
    const answer = await this.api.ask(`/v1/cluster/log?from_index=${Math.max(0, last - 99)}&limit=100`, undefined, member);
    $('#log-result').hidden = false;
    $('#log-result caption').textContent = `The log of ${member}`;
    $('#log-result tbody').replaceChildren(...answer.entries.map((entry) => h('tr', {}, h('td', { class: 'n' }, number(entry.index)),
      h('td', { class: 'n' }, number(entry.term)), h('td', {}, entry.kind.toLowerCase().replaceAll('_', ' ')), h('td', {}, brief(entry)),
      h('td', {}, entry.committed ? 'yes' : 'not yet'))));
    return answer;
  }
}

function clip(content) {
  const line = JSON.stringify(content);
  return line.length > 40 ? `${line.slice(0, 40)}…` : line;
}

// An entry in a line.
export function brief(entry) {
  if (entry.members) return entry.members.map(({ name }) => name).join(', ');
  const lines = (entry.operations ?? []).map((one) => [
    one.operation, one.key === undefined ? '' : shown(one.key),
    one.data !== undefined ? clip(shown(one.data)) : one.list ? clip(one.list.map(shown)) : one.suffix !== undefined ? clip(shown(one.suffix))
      : one.item !== undefined ? clip(shown(one.item)) : '',
  ].filter(Boolean).join(' '));
  return lines.length > 3 ? `${lines.slice(0, 3).join('; ')}; … (${lines.length})` : lines.join('; ');
}
