// The members on a ring: role, term, the time left, votes, and what flies between them.

import { attribute, s, termColour, text } from './dom.js';

const CENTRE = 300, RADIUS = 205, BODY = 52;
// How long a message is seen to fly; in truth it takes well under a millisecond.
const FLIGHT_MS = 450;
const MOST_FLIGHTS = 150;

const calm = matchMedia('(prefers-reduced-motion: reduce)');

const CLASSES = {
  Heartbeat: 'heartbeat', AppendEntries: 'entries', InstallSnapshot: 'entries', AppendEntriesResponse: 'answer',
  ReadIndex: 'heartbeat', ReadIndexResponse: 'answer',
};

function place(number, count) {
  const angle = 2 * Math.PI * number / count - Math.PI / 2;
  return count === 1 ? [CENTRE, CENTRE] : [CENTRE + RADIUS * Math.cos(angle), CENTRE + RADIUS * Math.sin(angle)];
}

const ROLES = { LEADER: 'leader', FOLLOWER: 'follower', CANDIDATE: 'candidate', PRE_CANDIDATE: 'asks around', LEARNER: 'learner' };
export const roleName = (state) => (state ? ROLES[state.role] ?? state.role : 'unreachable');

export class Ring {
  constructor(svg, history) {
    this.svg = svg;
    this.history = history;
    this.names = [];
    this.flights = [];
    this.cuts = []; // pairs of names, from the laboratory
    this.drawnCuts = '';
  }

  draw(time) {
    const { names } = this.history;
    if (names.join() !== this.names.join()) this.build(names);
    for (const [number, name] of names.entries()) this.drawMember(name, number, time);
    this.drawFlights(time);
    this.drawCuts();
  }

  drawCuts() {
    const stamp = JSON.stringify(this.cuts) + this.names;
    if (!this.scars || stamp === this.drawnCuts) return;
    this.drawnCuts = stamp;
    this.scars.replaceChildren(...this.cuts.filter((pair) => pair.every((name) => this.nodes.has(name))).map(([a, b]) => {
      const from = this.nodes.get(a), to = this.nodes.get(b);
      return s('line', { class: 'cutlink', x1: from.x, y1: from.y, x2: to.x, y2: to.y }, s('title', {}, `The link between ${a} and ${b} is cut`));
    }));
  }

  build(names) {
    this.names = names;
    this.nodes = new Map();
    this.sky = s('g');
    this.scars = s('g');
    const group = s('g');
    for (const [number, name] of names.entries()) {
      const [x, y] = place(number, names.length);
      const around = BODY + 12;
      const node = {
        group: s('g', { class: 'member', transform: `translate(${x} ${y})` }), crown: s('circle', { class: 'crown', r: BODY + 24 }),
        arc: s('circle', { class: 'arc', r: around, transform: 'rotate(-90)', pathLength: 100 }), body: s('circle', { class: 'body', r: BODY }),
        name: s('text', { class: 'name', y: -10 }), term: s('text', { class: 'name small', y: 16 }), role: s('text', { class: 'small', y: BODY + 46 }),
        votes: s('g', { class: 'votes' }), ballots: [], around, x, y,
      };
      text(node.name, name);
      for (const [other] of names.entries()) {
        const angle = 2 * Math.PI * other / names.length - Math.PI / 2;
        const ballot = s('circle', { class: 'ballot', r: 7, cx: (BODY - 14) * Math.cos(angle), cy: (BODY - 14) * Math.sin(angle) });
        node.ballots.push(ballot);
        node.votes.append(ballot);
      }
      node.group.append(node.crown, node.arc, node.body, node.votes, node.name, node.term, node.role);
      group.append(node.group);
      this.nodes.set(name, node);
    }
    this.svg.replaceChildren(s('circle', { class: 'orbit', cx: CENTRE, cy: CENTRE, r: names.length > 1 ? RADIUS : 0 }), this.scars, this.sky, group);
  }

  drawMember(name, number, time) {
    const node = this.nodes.get(name);
    const { state, time: since } = this.history.state(name, time);
    const last = state ?? this.history.lastWords(name, time);
    const leads = state?.role === 'LEADER';
    attribute(node.group, 'class', state ? 'member' : 'member gone');
    node.body.style.fill = state ? termColour(state.term) : '';
    attribute(node.crown, 'visibility', leads ? 'visible' : 'hidden');
    text(node.term, last ? `term ${last.term}` : '');
    text(node.role, leads ? '★ leader' : roleName(state));
    this.drawArc(node, name, state, since, time);
    this.drawVotes(node, name, state, time);
  }

  // What is left until it campaigns. A word from the leader winds it up again; by how much, only the next state tells.
  drawArc(node, name, state, since, time) {
    const waits = state && state.role !== 'LEADER' && state.role !== 'LEARNER';
    attribute(node.arc, 'visibility', waits ? 'visible' : 'hidden');
    if (!waits) return;
    const word = this.history.events(name, since, time).findLast(
      ({ event }) => event.kind === 'received' && (event.message === 'Heartbeat' || event.message === 'AppendEntries'));
    const left = Math.max(0, state.timer_ms - (time - (word?.time ?? since)));
    const part = Math.min(100, 100 * left / Math.max(1, state.election_max_ms));
    node.arc.style.strokeDasharray = `${part} ${100 - part}`;
  }

  drawVotes(node, name, state, time) {
    const events = this.history.events(name, time - 3_000, time);
    const began = events.findLastIndex(({ event }) => event.kind === 'campaign' || event.kind === 'pre_campaign');
    const isOpen = state && began >= 0 && (state.role.endsWith('CANDIDATE') || time - events[began].time < 1_200);
    attribute(node.votes, 'visibility', isOpen ? 'visible' : 'hidden');
    if (!isOpen) return;
    const granted = new Set([name]);
    for (const { event } of events.slice(began)) if (event.kind === 'vote_received' && event.granted) granted.add(event.peer);
    for (const [number, other] of this.names.entries()) {
      attribute(node.ballots[number], 'class', granted.has(other) ? 'ballot granted' : 'ballot');
    }
  }

  drawFlights(time) {
    const flying = calm.matches ? [] : this.history.eventsOfAll(time - FLIGHT_MS, time)
      .filter(({ event, name }) => event.kind === 'sent' && this.nodes.has(event.peer) && event.peer !== name).slice(-MOST_FLIGHTS);
    while (this.flights.length < flying.length) {
      const dot = s('circle');
      dot.append(s('title'));
      this.flights.push(dot);
      this.sky.append(dot);
    }
    for (const [number, dot] of this.flights.entries()) {
      const flight = flying[number];
      attribute(dot, 'visibility', flight ? 'visible' : 'hidden');
      if (!flight) continue;
      const { event, name } = flight;
      const part = (time - flight.time) / FLIGHT_MS;
      const from = this.nodes.get(name), to = this.nodes.get(event.peer);
      // Two directions, two lanes.
      const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy) || 1;
      attribute(dot, 'cx', (from.x + dx * part - 9 * dy / length).toFixed(1));
      attribute(dot, 'cy', (from.y + dy * part + 9 * dx / length).toFixed(1));
      attribute(dot, 'r', event.entries ? 9 : event.message === 'Heartbeat' ? 5 : 7);
      attribute(dot, 'class', `flight ${CLASSES[event.message] ?? 'vote'}${event.granted === false ? ' no' : ''}`);
      text(dot.firstChild, `${event.message} from ${name} to ${event.peer}`);
    }
  }
}
