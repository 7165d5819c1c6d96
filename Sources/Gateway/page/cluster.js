// The view of the whole: ring, table, what happened, load.

import { $, attribute, h, moment, number, s, termColour, text } from './dom.js';
import { Ring, roleName } from './ring.js';

// What happens all the time is drawn, not written down.
const DAILY = new Set(['sent', 'received', 'appended', 'durable', 'committed', 'other', 'skipped', 'conflict', 'ignored']);
const SHOWN_EVENTS = 60;
const CHART_MS = 60_000;

const milliseconds = (value) => (value ? `${value < 10 ? value.toFixed(2) : Math.round(value)} ms` : '–');
const bytes = (value) => (!value ? 'none yet' : value < 1 << 20 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / (1 << 20)).toFixed(1)} MiB`);

export class ClusterView {
  constructor(history, feed, api, clock) {
    Object.assign(this, { history, feed, api, clock });
    this.ring = new Ring($('#ring'), history);
    this.rows = new Map();
    this.written = '';
    this.charts = [
      ['Writes a second', (rates) => rates.writes], ['Reads a second', (rates) => rates.reads],
      ['Mean time to an answer', (rates) => rates.answer, milliseconds], ['New leaders in a minute', (rates) => rates.leaders],
      ['Entries in the log', (rates) => rates.entries], ['Size of the snapshot', (rates) => rates.snapshot, bytes],
    ].map(([title, value, words = number]) => {
      const line = s('polyline');
      const now = h('b');
      $('#charts').append(h('div', { class: 'chart' }, h('span', { class: 'quiet' }, title, ' '), now,
        s('svg', { viewBox: '0 0 120 40', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, line)));
      return { value, words, line, now };
    });
    this.drawnAt = 0;
  }

  draw(time) {
    this.ring.draw(time);
    // Words and numbers five times a second are enough to read.
    if (Math.abs(time - this.drawnAt) < 200) return;
    this.drawnAt = time;
    for (const name of this.history.names) this.drawRow(name, time);
    for (const [name, { row }] of this.rows) {
      if (this.history.names.includes(name)) continue;
      row.remove();
      this.rows.delete(name);
    }
    this.drawEvents(time);
    this.drawCharts(time);
  }

  row(name) {
    if (!this.rows.has(name)) {
      const cells = ['role', 'term', 'log', 'commit', 'trip', 'word'].map((_, place) => h('td', { class: place ? 'n' : '' }));
      const lead = h('button', { class: 'small plain', onclick: () => this.lead(name) }, 'Make leader');
      const row = h('tr', {}, h('th', { scope: 'row' }, name), ...cells, h('td', {}, lead));
      $('#members tbody').append(row);
      this.rows.set(name, { row, cells, lead });
    }
    return this.rows.get(name);
  }

  drawRow(name, time) {
    const { row, cells, lead } = this.row(name);
    const { state } = this.history.state(name, time);
    const last = state ?? this.history.lastWords(name, time);
    attribute(row, 'class', state ? null : 'gone');
    const leaderName = this.leader(time)?.name;
    const seen = this.leader(time)?.members.find((member) => member.name === name);
    const role = roleName(state);
    text(cells[0], role === 'leader' ? '★ leader' : role);
    cells[0].className = role === 'leader' ? 'role leader' : 'role';
    text(cells[1], last ? number(last.term) : '–');
    cells[1].style.boxShadow = state ? `inset -4px 0 ${termColour(state.term)}` : '';
    text(cells[2], number(last?.last_log_index));
    text(cells[3], number(last?.commit_index));
    text(cells[4], state && seen?.round_trip_us != null ? `${(seen.round_trip_us / 1000).toFixed(1)} ms` : '–');
    text(cells[5], seen?.last_contact_ms != null ? `${number(seen.last_contact_ms)} ms` : '–');
    const can = this.clock.isNow && state && leaderName && name !== leaderName && state.role === 'FOLLOWER';
    attribute(lead, 'disabled', !can);
  }

  leader(time) {
    const leaders = this.history.names.map((name) => this.history.state(name, time).state).filter((state) => state?.role === 'LEADER');
    return leaders.sort((a, b) => b.term - a.term)[0];
  }

  async lead(name) {
    const leader = this.leader(this.clock.time);
    try {
      const answer = await this.api.ask('/v1/cluster/transfer-leadership', { name }, leader.name);
      if (answer.status !== 'OK') this.say(`${leader.name} does not hand over: ${answer.status}`);
    } catch (error) {
      this.say(`${leader.name} does not hand over: ${error.message}`);
    }
  }

  say(words) { $('#summary').textContent = words; this.saidAt = Date.now(); }

  drawEvents(time) {
    const events = this.history.eventsOfAll(time - 600_000, time).filter(({ event }) => !DAILY.has(event.kind)).slice(-SHOWN_EVENTS).reverse();
    const stamp = events.length ? `${events.length} ${events[0].time} ${events[0].name}` : '';
    if (stamp === this.written) return;
    this.written = stamp;
    if (!events.length) return $('#happened').replaceChildren(h('li', { class: 'quiet' }, 'Nothing since this page was opened.'));
    $('#happened').replaceChildren(...events.map(({ time: at, event, name }) =>
      h('li', {}, h('time', {}, moment(at)), h('span', {}, h('b', {}, name), ` ${event.text}`))));
  }

  // Counters of all members, as rates over the last second before `time`.
  rates(time) {
    const rates = { writes: 0, reads: 0, answer: 0, leaders: 0, entries: 0, snapshot: 0 };
    let waited = 0, answered = 0;
    for (const name of this.history.names) {
      const now = this.history.state(name, time).state;
      const before = this.history.state(name, time - 1_000).state;
      if (!now) continue;
      rates.snapshot = Math.max(rates.snapshot, now.snapshot_bytes);
      rates.entries = Math.max(rates.entries, now.last_log_index - now.first_log_index + 1);
      if (before && now.uptime_ms >= before.uptime_ms) {
        rates.writes += now.writes - before.writes;
        rates.reads += now.reads - before.reads;
        waited += now.waited_us - before.waited_us;
        answered += now.answered - before.answered;
      }
      // A page that was opened less than a minute ago counts from when the members first answered it.
      const minute = this.history.state(name, Math.max(time - 60_000, this.history.start + 1_500)).state;
      if (minute && now.uptime_ms >= minute.uptime_ms) rates.leaders = Math.max(rates.leaders, now.leader_changes - minute.leader_changes);
    }
    rates.answer = answered ? waited / answered / 1_000 : 0;
    return rates;
  }

  drawCharts(time) {
    const samples = Array.from({ length: 61 }, (_, place) => this.rates(time - CHART_MS + place * 1_000));
    for (const { value, words, line, now } of this.charts) {
      const values = samples.map(value);
      const most = Math.max(...values) || 1;
      attribute(line, 'points', values.map((one, place) => `${place * 2},${(39 - 38 * one / most).toFixed(1)}`).join(' '));
      text(now, words(values.at(-1)));
    }
  }

  // One line for the head of the page.
  summary(time) {
    const { names } = this.history;
    if (!names.length) return 'Looking for the cluster …';
    const leader = this.leader(time);
    const alive = names.filter((name) => this.history.state(name, time).state).length;
    const those = alive === names.length ? `all ${alive} members answer` : `${alive} of ${names.length} members answer`;
    return leader ? `${leader.name} leads in term ${leader.term}; ${those}` : `Nobody leads; ${those}`;
  }
}
