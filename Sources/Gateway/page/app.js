// Puts the views together, and draws the one that is chosen in each frame.

import { Clock } from './clock.js';
import { ClusterView } from './cluster.js';
import { ConsoleView } from './console.js';
import { $, text } from './dom.js';
import { API, Feed } from './feed.js';
import { History } from './history.js';
import { KeysView } from './keys.js';
import { LabView } from './lab.js';
import { LogView } from './log.js';
import { MembersView } from './members.js';

const history = new History();
const feed = new Feed(history);
const api = new API(feed);
const clock = new Clock(history);
const cluster = new ClusterView(history, feed, api, clock);
const views = {
  cluster, log: new LogView(history, feed, api, clock), keys: new KeysView(api), console: new ConsoleView(history, feed, api),
  lab: new LabView(history, feed, api, cluster), members: new MembersView(history, api, cluster),
};

function chosen() { return location.hash.slice(1) in views ? location.hash.slice(1) : 'cluster'; }

function show() {
  for (const name of Object.keys(views)) {
    $(`#view-${name}`).hidden = name !== chosen();
    const link = $(`nav a[href="#${name}"]`);
    if (name === chosen()) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  document.title = `${$(`nav a[href="#${chosen()}"]`).textContent} · Swiftwater`;
  // A view begins at its top, however far down the one before was.
  scrollTo(0, 0);
  views[chosen()].opened?.();
}

function frame() {
  // First, so that a fault in one frame does not stop the page.
  requestAnimationFrame(frame);
  clock.tick();
  views[chosen()].draw?.(clock.time);
  // What was said to the person who asked stays a moment.
  if (!(Date.now() - cluster.saidAt < 4_000)) text($('#summary'), cluster.summary(clock.time));
}

addEventListener('hashchange', show);
show();
requestAnimationFrame(frame);
