// The pane beside the tables: everything that is known of the selected row.

import { el, toast } from './dom.js';
import { moment, relative, utc } from './format.js';

/** A button that copies text. */
export function copyButton(text, title = 'Copy') {
  return el('button', {
    type: 'button', class: 'copy', text: title,
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text());
        toast('Copied.');
      } catch (error) {
        toast(`The browser does not allow copying: ${error.message}`, 'error');
      }
    },
  });
}

export const section = (title, ...children) =>
  el('section', {}, el('h3', { text: title }), ...children);

/** Names and values; values are text or nodes, and what is null is left out. */
export function facts(pairs) {
  const list = el('dl');
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === '') continue;
    const shown = el('dd', {});
    shown.append(...(Array.isArray(value) ? value.map((item) => el('div', { text: item })) : [value]));
    list.append(el('dt', { text: name }), shown);
  }
  return list;
}

/** A moment in local time, and as it is away from now; in UTC for those who point at it. */
export function time(ms, now) {
  if (ms === null || ms === undefined) return null;
  return el('span', { title: utc(ms) }, el('span', { text: moment(ms) }), ' ', el('small', { text: relative(ms, now) }));
}

/** A JSON value, indented, with a button that copies it. */
export function json(title, value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return el('section', { class: 'json' },
    el('div', { class: 'head' }, el('h3', { text: title }), copyButton(() => text, 'Copy JSON')),
    el('pre', { tabindex: 0, 'aria-label': title, text }));
}

/** A header's value: indented when it is JSON, as it is otherwise. */
export function header(name, value) {
  let shown = value;
  try {
    // Only objects and lists: a number would lose digits on the way.
    if (/^\s*[[{]/.test(value)) shown = indent(value);
  } catch { /* It is shown as it came. */ }
  return el('section', { class: 'json' },
    el('div', { class: 'head' }, el('h3', { text: name }), copyButton(() => value, 'Copy value')),
    el('pre', { tabindex: 0, 'aria-label': name, text: shown }));
}

/** Line breaks and spaces between the tokens of JSON, without touching any: parsing would lose digits and duplicates. */
function indent(text) {
  JSON.parse(text);
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s"[\]{}:,]+/g)) {
    if (token === '{' || token === '[') {
      depth += 1;
      out += token + line();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      out = /[[{]\s*$/.test(out) ? out.trimEnd() + token : out + line() + token;
    } else if (token === ',') out += token + line();
    else out += token === ':' ? ': ' : token;
  }
  return out;
}

export function histogram(contributions) {
  if (contributions.length === 0) {
    return el('p', { class: 'hint', text: 'No contributions: a null report. Its payload has zeros only.' });
  }
  const rows = contributions.map((c) => el('tr', {},
    el('td', { class: 'code', text: c.key }), el('td', { class: 'numeric', text: c.value }),
    el('td', { class: 'numeric', text: c.filtering_id })));
  const heading = (text, numeric) => el('th', { scope: 'col', class: numeric ? 'numeric' : '', text });
  return el('table', { class: 'small', 'aria-label': 'Histogram in clear' },
    el('thead', {}, el('tr', {}, heading('Bucket'), heading('Value', true), heading('Filtering ID', true))),
    el('tbody', {}, ...rows));
}

/** The checks of a trace, with what they compared. */
export function steps(list) {
  if (!list?.length) return null;
  const signs = { note: '·', passed: '✓', stopped: '✗' };
  return section('Checks, in order', el('ol', { class: 'steps' }, ...list.map((step) =>
    el('li', { class: step.verdict },
      el('span', { class: 'sign', 'aria-label': step.verdict, text: signs[step.verdict] }),
      el('span', {}, el('strong', { text: step.check }), el('span', { text: step.detail }))))));
}

export const notes = (title, texts, kind) => texts?.length
  ? section(title, el('ul', { class: `notes ${kind}` }, ...texts.map((text) => el('li', { text }))))
  : null;
