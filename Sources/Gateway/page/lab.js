// Faults on purpose, on members that were started for it: partitions, cut links, dropped messages, timers that run out.

import { $, attribute, h, text } from './dom.js';
import { LOOK_MS } from './feed.js';
import { Processes } from './processes.js';
import { Sides } from './sides.js';

const MESSAGES = [
  'Heartbeat', 'AppendEntries', 'AppendEntriesResponse', 'PreVote', 'PreVoteResponse', 'RequestVote', 'RequestVoteResponse', 'TimeoutNow',
  'ReadIndex', 'ReadIndexResponse', 'Propose', 'ProposeResponse', 'InstallSnapshot', 'InstallSnapshotResponse', 'Hello',
];
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export class LabView {
  constructor(history, feed, api, cluster) {
    Object.assign(this, { history, feed, api, cluster });
    this.names = '';
    // Who is cut off from the first member, as far as the members say.
    this.apartNow = [];
    // Counted at an order's begin and at its end: what was asked before either may be of the time before it.
    this.changes = 0;
    this.underWay = 0;
    this.last = Promise.resolve();
    this.sides = new Sides($('#field'), (others) => this.moved(others));
    this.processes = new Processes(feed, api, (work) => this.run(work));
    this.isAsking = false;
    this.isAskedAgain = false;
    $('#one [name=message]').append(...MESSAGES.map((name) => h('option', { value: name }, name)));
    $('#heal').addEventListener('click', () => this.run(() => this.heal()));
    $('#one').addEventListener('submit', (event) => {
      event.preventDefault();
      const { member, message } = event.target.elements;
      this.run(() => (event.submitter.value === 'timer' ? this.order(member.value, 'expire-election-timer', {}) : this.order(member.value, 'drop-next', { message: message.value })));
    });
    this.buildExperiments();
    setInterval(() => this.look(), 700);
  }

  opened() {
    this.processes.isForeign = false;
    this.look(true);
  }

  order(member, name, body) { return this.api.ask(`/v1/fault/${name}`, body, member); }

  // One after the other: each order has connections of its own, and the later of two could come first.
  async run(work) {
    this.failed = null;
    this.changes += 1;
    this.underWay += 1;
    const mine = this.last.then(work);
    this.last = mine.catch(() => {});
    try {
      await mine;
    } catch (error) {
      this.failed = error.message;
    } finally {
      this.changes += 1;
      this.underWay -= 1;
    }
    await this.look(true);
  }

  // At once: the tokens stay where they were put while the members are told.
  moved(others) {
    this.apartNow = others;
    this.run(() => this.tell(others));
  }

  partition(others) {
    this.apartNow = others;
    return this.tell(others);
  }

  // Each member of the one side is told of all on the other. Members that do not answer cannot be told.
  tell(others) {
    const apart = new Set(others);
    return Promise.all(this.feed.reachable.map((name) => {
      const links = this.history.names.filter((peer) => peer !== name).map((peer) => {
        const isCut = apart.has(name) !== apart.has(peer);
        return { peer, drop_to: isCut, drop_from: isCut };
      });
      return links.length ? this.order(name, 'set-links', { links }) : null;
    }));
  }

  heal() { return Promise.all(this.feed.reachable.map((name) => this.order(name, 'heal', {}))); }

  get leader() { return this.cluster.leader(Date.now())?.name; }

  async splitVote() {
    const old = this.leader;
    if (old) await this.partition([old]);
    // Until they have waited as long as a member refuses votes after it heard a leader (dissertation 4.2.3).
    await pause(250);
    await Promise.all(this.feed.reachable.filter((name) => name !== old).map((name) => this.order(name, 'expire-election-timer', {})));
  }

  // What stands: asked of each member, since each knows only its own. What is needed while answers are awaited is asked anew
  // after them: they may be older.
  async look(isNeeded = false) {
    if (this.isAsking) this.isAskedAgain ||= isNeeded;
    if (this.isAsking || document.hidden || (!isNeeded && $('#view-lab').hidden && !this.cluster.ring.cuts.length)) return;
    this.isAsking = true;
    this.isAskedAgain = false;
    try {
      if (!$('#view-lab').hidden) await this.processes.look();
      const { changes } = this;
      const found = await Promise.all(this.feed.reachable.map((name) => this.api.ask('/v1/fault/list', undefined, name, LOOK_MS).then((faults) => [name, faults], (error) => [name, error])));
      const off = found.filter(([, faults]) => faults.status === 501).map(([name]) => name);
      this.show(found.filter(([, faults]) => faults.links), off, changes === this.changes && !this.underWay);
    } finally {
      this.isAsking = false;
    }
    if (this.isAskedAgain) await this.look(true);
  }

  show(found, off, isSettled) {
    const cuts = new Map();
    const lines = [];
    for (const [name, { links, drops }] of found) {
      for (const link of links) {
        if (link.drop_to || link.drop_from) { const pair = [name, link.peer].sort(); cuts.set(pair.join(), pair); }
        if (link.delay_ms) lines.push(`${name} to ${link.peer}: ${link.delay_ms} ms late`);
      }
      for (const drop of drops) lines.push(`${name} drops its next ${drop.count} ${drop.message} to ${drop.peer || 'anybody'}`);
    }
    this.cluster.ring.cuts = [...cuts.values()];
    // As it is, whoever made it so; around an order, as it will be.
    if (isSettled && found.length) this.settle();
    const all = [...[...cuts.values()].map(([a, b]) => `${a} and ${b} do not hear each other`), ...lines];
    const list = all.length ? all : ['All links are whole.'];
    if (list.join() !== this.listed) $('#cuts').replaceChildren(...list.map((line) => h('li', {}, line)));
    this.listed = list.join();
    const note = $('#lab-note');
    note.className = `panel ${this.failed || off.length ? 'bad' : 'good'}`;
    text(note, this.failed ?? (off.length
      ? `${off.join(', ')} ${off.length === 1 ? 'was' : 'were'} started without --enable-faults: start with scripts/up --enable-faults to use this page.`
      : found.length ? 'Faults are allowed here.' : 'No member answers.'));
    const isOff = off.length > 0 || !found.length;
    for (const button of document.querySelectorAll('#view-lab button:not(#processes button, .process, .token)')) attribute(button, 'disabled', isOff);
    for (const button of document.querySelectorAll('#view-lab .process')) attribute(button, 'disabled', this.processes.absence !== null);
    this.sides.isOff = isOff;
  }

  // The first member is on side A, unless somebody has just put it on the other: a cut has no sides of its own.
  settle() {
    const { names } = this.history;
    const apart = new Set(this.cluster.ring.cuts.filter((pair) => pair.includes(names[0])).flat());
    apart.delete(names[0]);
    if (names.some((name) => this.apartNow.includes(name) === apart.has(name))) this.apartNow = [...apart];
  }

  draw() {
    const { names } = this.history;
    this.sides.show(names, this.apartNow, new Map(names.map((name) => [name, this.history.state(name, Date.now()).state])));
    if (names.join() === this.names) return;
    this.names = names.join();
    const { member } = $('#one').elements;
    const before = member.value;
    member.replaceChildren(...names.map((name) => h('option', { value: name }, name)));
    if (names.includes(before)) member.value = before;
  }

  // The leader with as many others as make a majority, or with as few as do not.
  apart(withMajority) {
    const others = this.history.names.filter((name) => name !== this.leader);
    const majority = Math.floor(this.history.names.length / 2) + 1;
    return others.slice((withMajority ? majority : this.history.names.length - majority) - 1);
  }

  buildExperiments() {
    const experiment = (title, watch, ...steps) => h('details', {}, h('summary', {}, title), h('p', {}, watch),
      h('div', { class: 'buttons' }, ...steps.map(([label, work, kind]) => h('button', { class: `plain ${kind ?? ''}`, onclick: () => this.run(work) }, label))));
    const stop = (choose) => () => { const name = choose(); if (!name) throw new Error('there is none to stop'); return this.processes.order('stop', name); };
    const start = ['Start all again', () => this.processes.restartAll(), 'process'];
    $('#experiments').append(h('div', { class: 'panel' }, h('h2', {}, 'Experiments'),
      experiment('Who leads, and can there be two?',
        'Let a follower\'s timer run out. It asks the others for pre-votes, and they refuse, because they hear their leader: the term stays. Then hand leadership over in the Cluster view, and see the term go up by one.',
        ['A follower\'s timer', () => this.order(this.feed.reachable.find((name) => name !== this.leader), 'expire-election-timer', {})]),
      experiment('Stop the leader, write, start it again',
        'Stop the leader, and watch in the Cluster view: the arcs run out, the votes come in, and a new term begins. Write a key in Keys; start the old leader again: the Log view shows it catch up, and it follows.',
        ['Stop the leader', stop(() => this.leader), 'process'], start),
      experiment('Stop a follower, then the leader too',
        'With a majority alive everything works. Of three members with two gone, the Console answers 503 and never OK; a LOCAL read still works. Start them again: what was acknowledged is there.',
        ['Stop a follower', stop(() => this.feed.reachable.find((name) => name !== this.leader)), 'process'], ['Stop the leader', stop(() => this.leader), 'process'], start),
      experiment('Partition, the leader with the majority',
        'The majority goes on writing. The others ask each other for pre-votes and get nowhere: their terms do not run away. After healing they catch up, and the leader stays.',
        ['Partition', () => this.partition(this.apart(true))], ['Heal', () => this.heal()]),
      experiment('Partition, the leader with the minority',
        'The old leader hears from no majority and steps down within two election timeouts. The majority elects another in a higher term. Compare both sides in the Log view; heal, and the old entries that no majority had are replaced.',
        ['Partition', () => this.partition(this.apart(false))], ['Heal', () => this.heal()]),
      experiment('An entry that is not committed when its leader is cut off',
        'Cut the leader off, and at once append something at it in the Console: the outcome is unknown, and the Log view shows the entry dashed. When the partition heals, the new leader\'s entries take its place.',
        ['Cut the leader off', () => this.partition([this.leader])], ['Heal', () => this.heal()]),
      experiment('Force a split vote',
        'The leader is cut off and the timers of all others run out at once: each votes for itself. Watch the ballots; then one timer, drawn at random, is the first to run out, and the vote is won.',
        ['Split the vote', () => this.splitVote()], ['Heal', () => this.heal()])));
  }
}
