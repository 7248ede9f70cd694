// Words in colour: never colour alone.

import { el } from './dom.js';
import { number } from './format.js';

const KINDS = {
  good: ['attributable', 'stored', 'attributed', 'Sent', 'Delegated', 'delegated', 'success'],
  warn: ['noised', 'partly', 'deferred', 'Pending again', 'expired', 'reached-report-limit', 'Network error', 'Error status'],
  bad: ['dropped', 'invalid', 'Failed', 'Assembly failure', 'Undeliverable', 'Dropped'],
};

export function chip(word, shown = word) {
  const kind = Object.keys(KINDS).find((kind) => KINDS[kind].includes(word)) ?? '';
  return el('span', { class: `chip ${kind}`, text: String(shown ?? '').replaceAll('-', ' ') });
}

/** How full something is. */
export function meter(used, max) {
  const share = max > 0 ? Math.min(1, used / max) : 1;
  const kind = share >= 1 ? 'full' : share >= 0.8 ? 'high' : '';
  const fill = el('span', { class: `fill ${kind} ${used > 0 ? '' : 'none'}` });
  fill.style.width = `${(share * 100).toFixed(1)}%`;
  return el('span', { class: 'meter' }, el('span', { class: 'bar', 'aria-hidden': 'true' }, fill),
    el('span', { text: `${number(used)} / ${number(max)}` }));
}
