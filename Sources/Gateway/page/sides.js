// Members as tokens on a field with two sides: dragged with a mouse or a finger, moved with the arrow keys, or sent across by a click.

import { $, attribute, h, termColour, text } from './dom.js';

// A press that moves less is a click.
const STILL_PX = 8;

export class Sides {
  // `moved` is told the names on side B whenever somebody has moved a token.
  constructor(field, moved) {
    this.field = field;
    this.moved = moved;
    this.tokens = new Map();
    this.held = null;
  }

  // Not `inert`, which takes the focus away: members that nobody hears for a second come back.
  get isOff() { return this.field.getAttribute('aria-disabled') === 'true'; }
  set isOff(value) { attribute(this.field, 'aria-disabled', value); }

  get isHeld() { return this.held !== null; }
  half(side) { return $(`[data-side=${side}]`, this.field); }
  side(name) { return this.tokens.get(name)?.closest('[data-side]')?.dataset.side ?? 'A'; }
  get others() { return [...this.tokens.keys()].filter((name) => this.side(name) === 'B'); }

  // What the cluster is like now: which members there are, which of them are apart, and what each says of itself.
  show(names, others, states) {
    for (const [name, token] of this.tokens) {
      if (names.includes(name)) continue;
      token.remove();
      this.tokens.delete(name);
    }
    for (const name of names) {
      if (!this.tokens.has(name)) this.add(name);
      if (!this.isHeld) this.place(name, others.includes(name) ? 'B' : 'A', names);
      const token = this.tokens.get(name);
      const state = states.get(name);
      const leads = state?.role === 'LEADER';
      text(token, leads ? `★ ${name}` : name);
      token.style.background = state ? termColour(state.term) : '';
      attribute(token, 'class', state ? 'token' : 'token gone');
      attribute(token, 'aria-label', `${name}${leads ? ', the leader' : state ? '' : ', unreachable'}, on side ${this.side(name)}. The arrow keys move it to the other side.`);
    }
  }

  add(name) {
    const token = h('button', { type: 'button', 'data-member': name });
    token.addEventListener('pointerdown', (event) => this.take(event, name, token));
    token.addEventListener('pointermove', (event) => this.drag(event));
    token.addEventListener('pointerup', (event) => this.drop(event));
    token.addEventListener('pointercancel', () => this.release());
    token.addEventListener('keydown', (event) => {
      const side = { ArrowLeft: 'A', ArrowUp: 'A', ArrowRight: 'B', ArrowDown: 'B' }[event.key];
      if (!side) return;
      event.preventDefault();
      this.send(name, side);
    });
    // With the keyboard alone: the pointer's clicks end in `drop`.
    token.addEventListener('click', (event) => { if (event.detail === 0) this.send(name, this.side(name) === 'A' ? 'B' : 'A'); });
    this.tokens.set(name, token);
    this.half('A').lastElementChild.append(token);
  }

  // In the order of the names, so that nothing jumps. Moving an element takes its focus away.
  place(name, side, names = [...this.tokens.keys()]) {
    const token = this.tokens.get(name);
    const list = this.half(side).lastElementChild;
    if (token.parentElement === list) return;
    const hadFocus = document.activeElement === token;
    const next = [...list.children].find((other) => names.indexOf(other.dataset.member) > names.indexOf(name));
    list.insertBefore(token, next ?? null);
    if (hadFocus) token.focus();
  }

  send(name, side) {
    if (this.isOff || this.side(name) === side) return;
    this.place(name, side);
    this.moved(this.others);
  }

  take(event, name, token) {
    if (event.button !== 0 || this.isHeld || this.isOff) return;
    token.setPointerCapture(event.pointerId);
    this.held = { name, token, x: event.clientX, y: event.clientY, isMoving: false };
  }

  drag(event) {
    if (!this.isHeld) return;
    const { held } = this;
    const dx = event.clientX - held.x, dy = event.clientY - held.y;
    if (!held.isMoving && Math.hypot(dx, dy) < STILL_PX) return;
    held.isMoving = true;
    held.token.style.transform = `translate(${dx}px, ${dy}px)`;
    held.token.classList.add('held');
    const under = this.under(event);
    for (const side of ['A', 'B']) this.half(side).classList.toggle('target', side === under);
  }

  // The side under the pointer; null outside of both.
  under({ clientX, clientY }) {
    return ['A', 'B'].find((side) => {
      const box = this.half(side).getBoundingClientRect();
      return clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;
    }) ?? null;
  }

  drop(event) {
    if (!this.isHeld) return;
    const { name, isMoving } = this.held;
    const target = isMoving ? this.under(event) : this.side(name) === 'A' ? 'B' : 'A';
    this.release();
    if (target) this.send(name, target);
  }

  release() {
    if (!this.isHeld) return;
    this.held.token.style.transform = '';
    this.held.token.classList.remove('held');
    for (const side of ['A', 'B']) this.half(side).classList.remove('target');
    this.held = null;
  }
}
