// Browse by prefix; read, set, append, delete.

import { $, h, number, text } from './dom.js';
import { shown, typed } from './feed.js';

const PAGE = 200;

export class KeysView {
  constructor(api) {
    this.api = api;
    this.after = null;
    this.form = $('#key-form');
    $('#browse').addEventListener('submit', (event) => { event.preventDefault(); this.browse(); });
    $('#more').addEventListener('click', () => this.browse(this.after));
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.act(event.submitter?.value ?? 'set');
    });
  }

  opened() { this.browse(); }

  async browse(after) {
    const prefix = $('#browse').elements.prefix.value;
    try {
      const page = await this.api.kv('keys', { prefix: typed(prefix), limit: PAGE, ...(after === undefined || after === null ? {} : { start_after: after }) });
      const items = page.keys.map((key) => h('li', {}, h('button', { type: 'button', onclick: (event) => this.choose(key, event.target) }, shown(key))));
      if (after == null) $('#keys').replaceChildren(...items); else $('#keys').append(...items);
      this.after = page.keys.at(-1);
      $('#more').hidden = !page.more;
      const count = $('#keys').children.length;
      text($('#keys-note'), count ? `${number(count)} ${count === 1 ? 'key' : 'keys'}${page.more ? ', and more' : ''}` : 'No such keys yet.');
    } catch (error) {
      text($('#keys-note'), error.message);
    }
  }

  choose(key, button) {
    for (const other of document.querySelectorAll('#keys [aria-current]')) other.removeAttribute('aria-current');
    button.setAttribute('aria-current', 'true');
    this.form.elements.key.value = shown(key);
    this.act('get');
  }

  async act(action) {
    const { key, kind, value } = this.form.elements;
    const name = typed(key.value);
    const lines = value.value === '' ? [] : value.value.split('\n');
    try {
      if (action === 'get') {
        const found = await this.api.kv('get', { key: name });
        if (!found.value) return this.note(`There is no key ${key.value}.`, 'bad');
        kind.value = found.value.list ? 'list' : 'data';
        value.value = found.value.list ? found.value.list.join('\n') : shown(found.value.data);
        return this.note(`Revision ${number(found.revision)}; ${found.value.list ? `${number(found.value.list.length)} items` : 'text'}.`);
      }
      if (action === 'set') {
        const content = kind.value === 'list' ? { list: lines } : { data: typed(value.value) };
        const { revision } = await this.api.kv('set', { key: name, value: content });
        this.note(`Set, in revision ${number(revision)}.`, 'good');
      } else if (action === 'append') {
        if (kind.value === 'list') {
          if (!lines.length) return this.note('Name an item to append.', 'bad');
          await this.api.kv('transact', { operations: lines.map((item) => ({ append: { key: name, item } })) });
        } else {
          await this.api.kv('append', { key: name, suffix: typed(value.value) });
        }
        await this.act('get');
      } else {
        const { previous } = await this.api.kv('delete', { key: name });
        this.note(previous ? 'Deleted. What it held is still in the field.' : `There was no key ${key.value}.`, previous ? 'good' : 'bad');
      }
      await this.browse();
    } catch (error) {
      this.note(error.notApplied ? error.message : `${error.message} (it may or may not be applied)`, 'bad');
    }
  }

  note(words, kind = '') {
    const note = $('#key-note');
    note.className = `quiet ${kind}`;
    note.textContent = words;
  }
}
