// The members' logs as a grid: a column an index, a row a member.

import { $, h, moment, number, termColour } from './dom.js';
import { shown } from './feed.js';

const COLUMNS = 24;
// How often a member whose log has grown is asked for its end.
const EVERY_MS = 400;
// While another view is open.
const SELDOM_MS = 2_000;

export class LogView {
  constructor(history, feed, api, clock) {
    Object.assign(this, { history, feed, api, clock });
    this.asked = new Map();
    this.have = new Map();
    this.drawn = '';
    this.chosen = null;
    this.fetchedAt = 0;
    // Recorded also while another view is open, so that there is something to go back to.
    setInterval(() => this.fetchAll(), EVERY_MS);
  }

  fetchAll() {
    const now = Date.now();
    if (document.hidden || (this.isHidden && now - this.fetchedAt < SELDOM_MS)) return;
    this.fetchedAt = now;
    for (const name of this.feed.reachable) {
      const { state } = this.history.state(name, Date.now());
      if (!state || this.asked.get(name)) continue;
      const stamp = `${state.term} ${state.last_log_index} ${state.durable_index}`;
      if (this.have.get(name) === stamp) continue;
      this.asked.set(name, true);
      const from = Math.max(0, state.last_log_index - COLUMNS + 1);
      this.api.ask(`/v1/cluster/log?from_index=${from}&limit=${COLUMNS + 8}`, undefined, name).then(({ entries }) => {
        this.have.set(name, stamp);
        this.history.addLog(name, entries, Date.now());
      }).catch(() => this.have.delete(name)).finally(() => this.asked.set(name, false));
    }
  }

  get isHidden() { return $('#view-log').hidden; }

  draw(time) {
    const rows = this.history.names.map((name) => {
      const { state } = this.history.state(name, time);
      return { name, state, last: state ?? this.history.lastWords(name, time), entries: this.history.log(name, time) };
    });
    const leader = rows.map(({ state }) => state).filter((state) => state?.role === 'LEADER').sort((a, b) => b.term - a.term)[0];
    const end = Math.max(0, ...rows.flatMap(({ entries }) => entries.map(({ index }) => index)));
    const begin = Math.max(1, end - COLUMNS + 1);
    const stamp = JSON.stringify([begin, end, this.chosen, rows.map(({ name, state, last, entries }) => [
      name, Boolean(state), last?.commit_index, entries.at(-1)?.index, entries.at(-1)?.term, entries[0]?.index]),
      leader?.members.map((member) => [member.match_index, member.next_index])]);
    if (stamp === this.drawn) return;
    this.drawn = stamp;
    const columns = Array.from({ length: end ? end - begin + 2 : 0 }, (_, place) => begin + place);
    const frame = $('#logs').parentElement;
    const isAtEnd = frame.scrollLeft + frame.clientWidth >= frame.scrollWidth - 4 || !this.columns;
    this.columns = columns.length;
    const focused = document.activeElement?.dataset?.entry;
    $('#logs thead').replaceChildren(h('tr', {}, h('td', {}), ...columns.map((index) => h('th', { scope: 'col' }, number(index)))));
    $('#logs tbody').replaceChildren(...rows.map((row) => this.row(row, columns, leader)));
    // Where there is no room for all of them, the newest are what one looks for.
    if (isAtEnd) frame.scrollLeft = frame.scrollWidth;
    if (focused) $(`#logs [data-entry="${focused}"]`)?.focus();
  }

  row({ name, state, last, entries }, columns, leader) {
    const byIndex = new Map(entries.map((entry) => [entry.index, entry]));
    const seen = leader?.name === name ? null : leader?.members.find((member) => member.name === name);
    return h('tr', { class: state ? '' : 'gone' }, h('th', { scope: 'row' }, leader?.name === name ? `★ ${name}` : name), ...columns.map((index) => {
      const entry = byIndex.get(index);
      const marks = `${seen?.match_index === index ? '✓' : ''}${seen?.next_index === index ? '›' : ''}`;
      return h('td', {}, entry ? this.cell(name, entry, last) : null, h('span', { class: 'mark' }, marks));
    }));
  }

  cell(name, entry, last) {
    const isCommitted = entry.index <= (last?.commit_index ?? 0);
    const id = `${name}-${entry.index}`;
    const words = `${name}: entry ${entry.index}, term ${entry.term}, ${isCommitted ? 'committed' : 'not committed'}`;
    const button = h('button', {
      class: isCommitted ? '' : 'open', title: words, 'aria-label': words, 'data-entry': id, 'aria-pressed': this.chosen === id ? 'true' : 'false',
      onclick: () => this.open(id, name, entry, isCommitted),
    }, String(entry.term));
    button.style.background = termColour(entry.term);
    return button;
  }

  open(id, name, entry, isCommitted) {
    this.chosen = id;
    const lines = entry.members ? entry.members.map((member) => `${member.name} at ${member.address}${member.voter ? '' : ', a learner'}`)
      : (entry.operations ?? []).map((one) => {
        const content = one.data ?? one.suffix ?? one.item;
        return `${one.operation} ${one.key === undefined ? '' : shown(one.key)} ${one.list ? JSON.stringify(one.list.map(shown)) : content === undefined ? '' : shown(content)}`
          + (one.size ? ` … (${number(one.size)} bytes)` : '');
      });
    $('#entry').replaceChildren(
      h('h2', {}, `Entry ${number(entry.index)} of ${name}`),
      h('p', {}, `Term ${number(entry.term)}, ${entry.kind.toLowerCase().replaceAll('_', ' ')}${entry.transaction ? ' (a transaction)' : ''}, `
        + `${isCommitted ? 'committed' : 'not committed'}, ${number(entry.size)} bytes, proposed at ${moment(entry.time_ms)}.`),
      ...(lines.length ? [h('pre', {}, lines.join('\n'))] : []));
  }
}
