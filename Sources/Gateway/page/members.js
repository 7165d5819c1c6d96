// Who belongs to the cluster: add, remove.

import { $, attribute, h, text } from './dom.js';

export class MembersView {
  constructor(history, api, cluster) {
    Object.assign(this, { history, api, cluster });
    this.drawn = '';
    $('#add-member').addEventListener('submit', (event) => {
      event.preventDefault();
      const { name, address, learner } = event.target.elements;
      this.change('add-server', { name: name.value, address: address.value, ...(learner.checked ? { learner: true } : {}) });
    });
  }

  draw(time) {
    const leader = this.cluster.leader(time);
    const seen = leader ?? this.history.names.map((name) => this.history.state(name, time).state).find(Boolean);
    if (!seen) return;
    const stamp = JSON.stringify([leader?.name, seen.members.map((member) => [
      member.name, member.address, member.voter, member.http_address, leader ? member.connected : null])]);
    if (stamp === this.drawn) return;
    this.drawn = stamp;
    text($('#join'), seen.address);
    $('#configuration tbody').replaceChildren(...seen.members.map((member) => {
      const isOwn = member.name === seen.name;
      const remove = h('button', { class: 'small danger', onclick: () => this.remove(member) }, 'Remove');
      attribute(remove, 'disabled', !leader || seen.members.length < 2);
      return h('tr', {}, h('th', { scope: 'row' }, leader?.name === member.name ? `★ ${member.name}` : member.name), h('td', {}, member.address),
        h('td', {}, member.http_address ? h('a', { href: `http://${member.http_address}/` }, member.http_address) : '–'),
        h('td', {}, member.voter ? 'yes' : 'no, it learns'), h('td', {}, !leader ? '–' : isOwn ? 'itself' : member.connected ? 'yes' : 'no'), h('td', {}, remove));
    }));
  }

  remove(member) {
    if (confirm(`Take ${member.name} out of the cluster? It keeps its data, and takes no further part.`)) {
      this.change('remove-server', { name: member.name, address: member.address });
    }
  }

  async change(path, request) {
    const note = $('#members-note');
    const leader = this.cluster.leader(Date.now());
    note.className = 'quiet';
    note.textContent = 'The leader is asked …';
    try {
      const answer = await this.api.ask(`/v1/cluster/${path}`, request, leader?.name);
      note.className = answer.status === 'OK' ? 'good' : 'bad';
      note.textContent = answer.status === 'OK' ? `Done: ${answer.members.map(({ name }) => name).join(', ')} are the members.` : answer.message || answer.status;
    } catch (error) {
      note.className = 'bad';
      note.textContent = error.message;
    }
  }
}
