// Which moment the page shows: now, or one of those that were recorded.

import { $, moment, text } from './dom.js';

// Now is shown a little late, so that what flies between two members has arrived from both of them.
const DELAY_MS = 200;

export class Clock {
  constructor(history) {
    this.history = history;
    this.at = null; // null: now
    this.isRunning = true;
    this.speed = 1;
    this.last = Date.now();
    this.isHeld = false;
    $('#pause').addEventListener('click', () => this.pause());
    $('#now').addEventListener('click', () => this.toNow());
    $('#speed').addEventListener('change', (event) => {
      this.speed = Number(event.target.value);
      // Slower than life means to fall behind it.
      if (this.speed !== 1 && this.at === null) this.at = this.now;
    });
    const slider = $('#moment');
    slider.addEventListener('input', () => this.scrub(slider.valueAsNumber / 1000));
    slider.addEventListener('pointerdown', () => { this.isHeld = true; });
    addEventListener('pointerup', () => { this.isHeld = false; });
  }

  get now() { return Date.now() - DELAY_MS; }
  get time() { return this.at ?? this.now; }
  get isNow() { return this.at === null; }

  pause() {
    if (this.isRunning) {
      this.at = this.time;
      this.isRunning = false;
    } else {
      this.isRunning = true;
    }
  }

  toNow() {
    this.at = null;
    this.isRunning = true;
    this.speed = 1;
    $('#speed').value = '1';
  }

  scrub(part) {
    const { start } = this.history;
    if (part >= 1) return this.toNow();
    this.at = start + (this.now - start) * part;
  }

  // Once in each frame.
  tick() {
    const wall = Date.now();
    const passed = wall - this.last;
    this.last = wall;
    if (this.at !== null && this.isRunning && !this.isHeld) {
      this.at += passed * this.speed;
      if (this.at >= this.now && this.speed >= 1) this.toNow();
    }
    const { start } = this.history;
    this.at = this.at === null ? null : Math.max(this.at, start);
    if (!this.isHeld) $('#moment').value = this.isNow ? 1000 : Math.round(1000 * (this.at - start) / Math.max(1, this.now - start));
    text($('#pause'), this.isRunning ? 'Pause' : 'Play');
    $('#now').disabled = this.isNow;
    document.body.classList.toggle('then', !this.isNow);
    text($('#shown'), this.isNow ? 'Showing now' : `Showing ${moment(this.at)}, ${((this.now - this.at) / 1000).toFixed(1)} s ago`);
    $('#moment').setAttribute('aria-valuetext', $('#shown').textContent);
  }
}
