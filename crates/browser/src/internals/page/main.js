// The page: asks what there is, shows it, and follows what changes.

import { context, get, post } from './api.js';
import { byId, el, toast } from './dom.js';
import { length, moment, utc } from './format.js';
import { model, TABS } from './tabs.js';
import { Table } from './table.js';

const state = { revision: -1, tab: undefined, asked: 0, readAt: 0, ticking: true };
const panels = new Map();

for (const tab of TABS) {
  const button = el('button', {
    type: 'button', role: 'tab', id: `tab-${tab.id}`, 'aria-controls': `panel-${tab.id}`, 'aria-selected': 'false',
    tabindex: -1, onclick: () => open(tab.id),
  }, tab.label, ' ', el('span', { class: 'badge', text: '0' }));
  const heading = el('h2', { text: 'Detail', tabindex: -1 });
  const content = el('div', { class: 'content' });
  const pane = el('aside', { class: 'detail', hidden: true, 'aria-label': `${tab.label}: detail` },
    el('div', { class: 'head' }, heading,
      el('button', { type: 'button', class: 'close', 'aria-label': 'Close the detail', text: '✕', onclick: () => close(tab.id) })),
    content);
  const table = new Table({
    label: tab.label, columns: tab.columns, sort: tab.sort, empty: tab.empty,
    onSelect: (row) => { showDetail(tab.id, row); if (matchMedia('(max-width: 60rem)').matches) heading.focus(); },
  });
  const panel = el('section', { role: 'tabpanel', id: `panel-${tab.id}`, 'aria-labelledby': button.id, hidden: true },
    table.element, pane);
  pane.addEventListener('keydown', (event) => { if (event.key === 'Escape') close(tab.id); });
  table.element.addEventListener('keydown', (event) => { if (event.key === 'Escape' && !pane.hidden) close(tab.id); });
  byId('tabs').append(button);
  byId('panels').append(panel);
  panels.set(tab.id, { tab, button, panel, pane, heading, content, table, shown: undefined });
}

function open(id) {
  if (!panels.has(id)) id = TABS[0].id;
  state.tab = id;
  for (const [other, { button, panel }] of panels) {
    const selected = other === id;
    button.setAttribute('aria-selected', String(selected));
    button.tabIndex = selected ? 0 : -1;
    panel.hidden = !selected;
  }
  panels.get(id).button.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  history.replaceState(null, '', `#${id}`);
  render(id);
}

byId('tabs').addEventListener('keydown', (event) => {
  const ids = [...panels.keys()];
  const at = ids.indexOf(state.tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
  if (to === undefined) {
    if (event.key === 'ArrowDown') { event.preventDefault(); panels.get(state.tab).table.focusRow(); }
    return;
  }
  event.preventDefault();
  open(ids[(to + ids.length) % ids.length]);
  panels.get(state.tab).button.focus();
});

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, select, textarea, dialog');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    panels.get(state.tab).table.focusFilter();
  }
});

addEventListener('hashchange', () => open(location.hash.slice(1)));

/** Fills the visible table; the others when they are opened. */
function render(id) {
  const { tab, table } = panels.get(id);
  const rows = tab.rows();
  table.update(rows);
  if (table.selected !== undefined) showDetail(id, rows.find((row) => row.id === table.selected));
}

function showDetail(id, row) {
  const view = panels.get(id);
  if (!row) {
    view.pane.classList.toggle('gone', view.shown !== undefined);
    return;
  }
  view.pane.classList.remove('gone');
  view.pane.hidden = false;
  view.panel.classList.add('open');
  const shown = JSON.stringify(row);
  if (shown === view.shown) return;
  view.shown = shown;
  view.heading.textContent = view.tab.heading(row);
  const focused = [...view.content.querySelectorAll('button, pre')].indexOf(document.activeElement);
  const { scrollTop } = view.pane;
  view.content.replaceChildren(...view.tab.detail(row).filter(Boolean));
  view.pane.scrollTop = scrollTop;
  if (focused >= 0) view.content.querySelectorAll('button, pre')[focused]?.focus();
}

function close(id) {
  const view = panels.get(id);
  view.pane.hidden = true;
  view.panel.classList.remove('open');
  view.shown = undefined;
  const { selected } = view.table;
  view.table.select(undefined);
  view.table.focusRow(selected);
}

function show(now, reports, attempts) {
  model.now = now.clock.now;
  model.sources = now.sources.map((row) => ({ ...row, id: String(row.id) }));
  model.limits = now.limits.map((row) => ({ ...row, id: `${row.limit} ${row.scope.join(' ')}` }));
  model.attempts = attempts.attempts;
  model.reports = [...reports.pending, ...reports.sent].map((row) => ({ ...row, when: row.time ?? row.due }));
  state.readAt = performance.now();
  state.ticking = now.clock.runs;
  state.system = now.clock.now - now.clock.ahead;
  showClock();
  showTest(now);
  showContexts(now);
  for (const [id, { tab, button }] of panels) {
    const count = String(tab.rows().length);
    const badge = button.querySelector('.badge');
    if (badge.textContent !== count) badge.textContent = count;
    badge.classList.toggle('none', count === '0');
    if (id === state.tab) render(id);
  }
}

function showClock() {
  const passed = state.ticking ? performance.now() - state.readAt : 0;
  byId('now').textContent = moment(model.now + passed);
  byId('now').title = utc(model.now + passed);
}
setInterval(showClock, 1000);

function showTest({ clock, test }) {
  const ahead = Math.abs(clock.ahead) >= 1000;
  const still = clock.runs ? '' : 'stands still';
  byId('ahead').hidden = !ahead && clock.runs;
  byId('ahead').textContent = ahead ? `${length(clock.ahead)} ${clock.ahead > 0 ? 'ahead' : 'behind'}` : still;
  byId('switches').hidden = !test.available;
  byId('noise').checked = test.noise;
  byId('delay').checked = test.delay;
  const warnings = [
    !test.noise && 'Noise is off: reports tell the truth about this user.',
    !test.delay && 'Delays are off: reports go at once.',
    ahead && `The clock is ${length(clock.ahead)} ${clock.ahead > 0 ? 'ahead of' : 'behind'} the system’s.`,
  ].filter(Boolean);
  const banner = byId('banner');
  const text = warnings.join(' ');
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = warnings.length === 0;
  banner.classList.toggle('loud', !test.noise || !test.delay);
}

function showContexts({ contexts, context: current }) {
  byId('context-field').hidden = contexts.length < 2;
  const select = byId('context');
  const options = contexts.map(({ id, label }) => el('option', { value: id, text: label }));
  if (![...select.options].every((option, at) => option.isEqualNode(options[at])) || select.options.length !== options.length) {
    select.replaceChildren(...options);
  }
  if (document.activeElement !== select) select.value = current;
}

byId('context').addEventListener('change', () => {
  context.id = byId('context').value;
  for (const id of panels.keys()) if (!panels.get(id).pane.hidden) close(id);
  state.revision = -1;
  refresh();
});

async function refresh() {
  state.asked += 1;
  const { asked } = state;
  try {
    const [now, reports, attempts] = await Promise.all([get('state'), get('reports?limit=500'), get('attempts?limit=500')]);
    // Another refresh has begun: it knows more, or is of another context.
    if (asked !== state.asked) return;
    state.revision = Math.min(now.revision, reports.revision, attempts.revision);
    show(now, reports, attempts);
    live('live', true);
  } catch (error) {
    if (error.status === 404 && context.id !== undefined) {
      context.id = undefined;
      toast('That browser context is gone.');
      await refresh();
      return;
    }
    live(error.status === 401 ? 'open the printed address again' : 'not reachable', false);
    throw error;
  }
}

function live(text, good) {
  const element = byId('live');
  if (element.textContent !== text) element.textContent = text;
  element.classList.toggle('good', good);
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Waits for changes and shows them, twice a second at most. */
async function follow() {
  for (let failures = 0; ;) {
    try {
      const { revision } = await get(`changes?since=${state.revision}`);
      if (revision !== state.revision) await refresh();
      failures = 0;
      await pause(500);
    } catch (error) {
      failures += 1;
      live(error.status === 401 ? 'open the printed address again' : 'not reachable', false);
      if (error.status === 404) context.id = undefined;
      await pause(Math.min(30_000, 1000 * 2 ** failures));
      state.revision = -1;
    }
  }
}

/** Does something that takes a while, with its button off. */
async function act(button, work, done) {
  button.disabled = true;
  try {
    toast(done(await work()));
    await refresh();
  } catch (error) {
    toast(error.message, 'error');
  } finally {
    button.disabled = false;
  }
}

const reportsTold = (count) => `${count} ${count === 1 ? 'report was' : 'reports were'} sent.`;

byId('send').addEventListener('click', () =>
  act(byId('send'), () => post('send-pending-reports', {}), ({ sent }) => reportsTold(sent)));

const dialog = (name) => byId(`${name}-dialog`);
for (const name of ['advance', 'clear']) {
  byId(name).addEventListener('click', () => dialog(name).showModal());
  dialog(name).addEventListener('click', (event) => { if (event.target.matches('[data-close]')) dialog(name).close(); });
}

dialog('advance').addEventListener('click', (event) => {
  const { by } = event.target.dataset;
  if (by) { byId('advance-by').value = by; byId('advance-by').focus(); }
});
const advance = () => {
  dialog('advance').close();
  return act(byId('advance'), () => post('advance', { by: byId('advance-by').value.trim() }),
    ({ now, sent }) => `It is ${moment(now)}. ${reportsTold(sent)}`);
};
byId('advance-go').addEventListener('click', advance);
byId('advance-by').addEventListener('keydown', (event) => { if (event.key === 'Enter') advance(); });

byId('clear-go').addEventListener('click', () => {
  dialog('clear').close();
  const body = { rate_limits: byId('clear-limits').checked };
  const origin = byId('clear-origin').value.trim();
  if (origin) body.origin = origin;
  if (byId('clear-range').value) body.from = model.now - Number(byId('clear-range').value);
  return act(byId('clear'), () => post('clear', body), () => 'Cleared.');
});

for (const name of ['noise', 'delay']) {
  byId(name).addEventListener('change', () => act(byId(name),
    () => post('test-switches', { [name]: byId(name).checked }),
    (test) => `${name === 'noise' ? 'Noise is' : 'Delays are'} ${test[name] ? 'on' : 'off'} for what is registered from now on.`));
}

open(location.hash.slice(1));
await refresh().catch(() => {});
follow();
