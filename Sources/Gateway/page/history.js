// What was recorded of every member, in the order of the page's own clock, so that any moment of it can be shown again.

const KEPT_MS = 10 * 60 * 1000;
const KEPT_STATES = 6_000;
const KEPT_EVENTS = 20_000;

// The place of the last record at or before `time`; -1 when there is none.
function last(records, time) {
  let low = 0, high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (records[middle].time <= time) low = middle + 1; else high = middle;
  }
  return low - 1;
}

class Track {
  constructor() {
    this.states = [];
    this.events = [];
    this.logs = [];
    this.offset = null;
  }

  // The member's clock in ours: the fastest that anything came is taken for no delay.
  ours(wallMs, now) {
    const offset = now - wallMs;
    if (this.offset === null || offset < this.offset) this.offset = offset;
    else this.offset += (offset - this.offset) * 0.0005;
    return Math.min(now, wallMs + this.offset);
  }
}

export class History {
  constructor() {
    this.tracks = new Map();
    this.began = Date.now();
  }

  track(name) {
    if (!this.tracks.has(name)) this.tracks.set(name, new Track());
    return this.tracks.get(name);
  }

  addState(name, state, now) {
    this.keep(this.track(name).states, { time: now, state }, KEPT_STATES);
    // Who belongs to the cluster, its leader knows best; one that was removed is shown no more.
    if (state.role === 'LEADER' || !this.current) this.current = new Set(state.members.map((member) => member.name));
  }

  // The member does not answer.
  addSilence(name, now) {
    const { states } = this.track(name);
    if (states.length && states.at(-1).state) this.keep(states, { time: now, state: null }, KEPT_STATES);
  }

  addEvent(name, event, now) {
    const track = this.track(name);
    const { events } = track;
    const time = Math.max(track.ours(event.time_ms, now), events.at(-1)?.time ?? 0);
    this.keep(events, { time, event, name }, KEPT_EVENTS);
  }

  addLog(name, entries, now) { this.keep(this.track(name).logs, { time: now, entries }, 600); }

  keep(records, record, most) {
    records.push(record);
    if (records.length > most + 500 || records[0].time < record.time - KEPT_MS - 60_000) {
      let drop = Math.max(records.length - most, 0);
      while (drop < records.length && records[drop].time < record.time - KEPT_MS) drop += 1;
      records.splice(0, drop);
    }
  }

  get start() { return Math.max(this.began, Date.now() - KEPT_MS); }
  get names() { return [...this.tracks.keys()].filter((name) => !this.current || this.current.has(name)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })); }

  // { state, time } as of `time`; state is null for a member that was silent.
  state(name, time) {
    const { states } = this.track(name);
    return states[last(states, time)] ?? { time, state: null };
  }

  // The last state in which it spoke, whether it speaks or not.
  lastWords(name, time) {
    const { states } = this.track(name);
    for (let place = last(states, time); place >= 0; place -= 1) if (states[place].state) return states[place].state;
    return null;
  }

  log(name, time) {
    const { logs } = this.track(name);
    return logs[last(logs, time)]?.entries ?? [];
  }

  // Events of a member after `from`, up to `to`.
  events(name, from, to) {
    const { events } = this.track(name);
    return events.slice(last(events, from) + 1, last(events, to) + 1);
  }

  eventsOfAll(from, to) {
    return this.names.flatMap((name) => this.events(name, from, to)).sort((a, b) => a.time - b.time);
  }
}
