// Elements without HTML strings: whatever pages and servers say is text, and nothing but text.

/** Makes an element. `attributes`: `class`, `text`, `on…` handlers, booleans, anything else as it is. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'text') element.textContent = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Says something for a few seconds, to screen readers too. */
export function toast(text, kind = '') {
  const note = el('div', { class: `toast ${kind}`, text });
  byId('toasts').append(note);
  setTimeout(() => note.remove(), kind === 'error' ? 12_000 : 5_000);
}
