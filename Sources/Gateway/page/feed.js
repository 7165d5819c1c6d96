// Listens to every member of the cluster at once. The page came from one of them, and goes on without it.

// A member that said nothing for so long is shown as unreachable: states come every 200 ms.
const SILENCE_MS = 800;
const RETRY_MS = 700;
// For an answer. A write may need a new leader first; what is asked again all the time need not be waited for so long.
const PATIENCE_MS = 8_000;
export const LOOK_MS = 1_500;

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

// Where a browser finds what a member has announced: its loopback is ours only under the name by which we came.
function url(announced) {
  const { hostname } = location;
  const found = new URL(`http://${announced}`);
  if (LOOPBACK.includes(found.hostname)) found.hostname = hostname;
  return found.origin;
}

export class Feed {
  constructor(history) {
    this.history = history;
    this.sources = new Map(); // by origin
    this.origins = new Map(); // member's name → origin
    this.heard = new Map(); // member's name → when
    this.open(location.origin);
    setInterval(() => this.look(), 200);
  }

  open(origin) {
    if (this.sources.has(origin)) return;
    const source = new EventSource(`${origin}/v1/events`);
    this.sources.set(origin, source);
    let name = null;
    source.addEventListener('state', (message) => {
      const state = JSON.parse(message.data);
      const now = Date.now();
      name = state.name;
      this.origins.set(name, origin);
      this.heard.set(name, now);
      this.history.addState(name, state, now);
      for (const member of state.members) {
        this.history.track(member.name);
        if (member.http_address && member.name !== name) this.open(url(member.http_address));
      }
    });
    source.addEventListener('message', (message) => {
      if (name) this.history.addEvent(name, JSON.parse(message.data), Date.now());
    });
    source.addEventListener('error', () => {
      source.close();
      setTimeout(() => {
        this.sources.delete(origin);
        this.open(origin);
      }, RETRY_MS);
    });
  }

  look() {
    const now = Date.now();
    for (const [name, heard] of this.heard) if (now - heard > SILENCE_MS) this.history.addSilence(name, now);
  }

  isHeard(name) { return Date.now() - (this.heard.get(name) ?? 0) <= SILENCE_MS; }

  // A member to ask: the one that is wished for, else the one the page came from, else any that is alive.
  origin(wished) {
    if (wished) return this.origins.get(wished) ?? location.origin;
    const alive = [...this.origins].filter(([name]) => this.isHeard(name)).map(([, origin]) => origin);
    return alive.includes(location.origin) ? location.origin : alive[0] ?? location.origin;
  }

  get reachable() { return this.history.names.filter((name) => this.isHeard(name)); }
}

// A refusal, in the server's words.
export class Refused extends Error {
  constructor(status, body) {
    super(body.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? '';
    this.notApplied = body.not_applied ?? true;
  }
}

export class API {
  constructor(feed) { this.feed = feed; }

  async ask(path, body, member, patienceMs = PATIENCE_MS) {
    const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
    let answer;
    try {
      answer = await fetch(this.feed.origin(member) + path, { ...request, signal: AbortSignal.timeout(patienceMs) });
    } catch {
      throw new Refused(0, { message: `${member ?? 'the member'} does not answer`, not_applied: body === undefined });
    }
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, content);
    return content;
  }

  kv(command, body, member) { return this.ask(`/v1/kv/${command}`, body, member); }
}

// Bytes as the API writes them, for people.
export const shown = (bytes) => (typeof bytes === 'string' ? bytes : `base64:${bytes.base64}`);
// And back.
export const typed = (input) => (/^base64:[A-Za-z0-9+/=]*$/.test(input) ? { base64: input.slice(7) } : input);
