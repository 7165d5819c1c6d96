// Small helpers. Nothing that came over the wire is ever parsed as markup: text goes in as text.

export const $ = (selector, root = document) => root.querySelector(selector);

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

export const h = (tag, props = {}, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props = {}, ...children) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);

// Writes only what has changed, so that nothing flickers and no selection is lost.
export function text(node, value) {
  if (node.textContent !== String(value)) node.textContent = value;
}

export function attribute(node, name, value) {
  if (value == null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// A term has one colour everywhere; neighbours differ much. White text can be read on each.
export const termColour = (term) => (term ? `hsl(${(term * 137.5 + 160) % 360} 55% 40%)` : 'hsl(210 10% 50%)');

export const number = (value) => (value == null ? '–' : value.toLocaleString('en'));

export function moment(ms) {
  const date = new Date(ms);
  const two = (part) => String(part).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${Math.floor(date.getMilliseconds() / 100)}`;
}
