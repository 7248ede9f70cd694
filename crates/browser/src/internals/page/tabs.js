// The tables, one a tab: their columns, and what the pane beside them says.

import { chip, meter } from './chips.js';
import { facts, header, histogram, json, notes, section, steps, time } from './detail.js';
import { el } from './dom.js';
import { list, moment, number, relative, short, words } from './format.js';

/** What is shown, and the moment of the profile's clock. */
export const model = { now: Date.now(), sources: [], attempts: [], reports: [], limits: [] };

const at = (name, title, key = name) => ({
  name, title, ordered: true,
  value: (row) => row[key],
  cell: (row) => (row[key] === null || row[key] === undefined ? '–'
    : el('span', { class: 'time', title: relative(row[key], model.now), text: moment(row[key]) })),
});
const origin = (name, title, key = name) => ({ name, title, value: (row) => row[key], cell: (row) => short(row[key]) });
const destinations = { name: 'destinations', title: 'Destinations', value: (row) => row.destinations?.join(' '), cell: (row) => list(row.destinations) };
const fraction = (name, title, used, max) => ({
  name, title, ordered: true, value: used, cell: (row) => meter(used(row), max(row)),
});

const triggers = () => model.attempts.filter((row) => row.outcome?.kind === 'trigger');
const registrations = () => model.attempts.filter((row) => row.outcome?.kind === 'source');
const reports = (...kinds) => model.reports.filter((row) => kinds.includes(row.kind));
const osRegistrations = () => model.attempts.flatMap((row) => (row.outcome?.os_registrations ?? []).map((os, index) => ({
  ...row, id: `${row.id}-os-${index}`, os_url: os.url, os_debug: os.debug_reporting,
})));
const hasDetails = (row) => (row.problems ?? []).length + (row.outcome?.problems ?? []).length + (row.diagnoses ?? []).length;

const why = { name: 'sentence', title: 'Why', wide: true, value: (row) => row.outcome?.sentence ?? row.diagnoses?.[0] };

const reportStatus = {
  name: 'status', title: 'Status', value: (row) => [row.status, row.http_status].filter(Boolean).join(' '),
  cell: (row) => {
    const text = row.http_status ? `${row.status} HTTP ${row.http_status}` : row.status;
    if (row.status === 'Pending' && row.failures > 0) return chip('Pending again', text);
    // Any answer is final, but not any is what one wants.
    return chip(row.http_status >= 400 ? 'Error status' : row.status, text);
  },
};
const flags = {
  name: 'flags', title: 'Notes',
  value: (row) => [row.null && 'null report', row.fake && 'made by noise', row.failures > 0 && `${row.failures} failed`].filter(Boolean).join(', '),
};

const TITLES = {
  verbose: 'Verbose debug report', 'aggregatable-debug': 'Aggregatable debug report',
  'event-level-debug-copy': 'Debug copy of an event-level report',
  'aggregatable-debug-copy': 'Debug copy of an aggregatable report',
};

export const TABS = [
  {
    id: 'sources', label: 'Active sources', rows: () => model.sources, detail: source, heading: (row) => `Source ${row.source_event_id}`,
    empty: 'No sources are stored. Pages register them with links, images, scripts and fetch.',
    sort: { name: 'time', descending: true },
    columns: [
      { name: 'status', title: 'Status', value: (row) => row.status, cell: (row) => chip(row.status) },
      { name: 'event', title: 'Source event ID', value: (row) => row.source_event_id },
      { name: 'type', title: 'Type', value: (row) => row.source_type },
      origin('source_origin', 'Source origin'),
      destinations,
      origin('reporting_origin', 'Reporting origin'),
      at('time', 'Registered'),
      at('expiry', 'Expiry'),
      { name: 'priority', title: 'Priority', numeric: true, value: (row) => row.priority },
      fraction('reports', 'Event-level reports', (row) => row.event_level_reports, (row) => row.max_event_level_reports),
      fraction('budget', 'Budget', (row) => row.budget.used, (row) => row.budget.max),
    ],
  },
  {
    id: 'registrations', label: 'Source registrations', rows: registrations, detail: attempt, heading: () => 'Source registration',
    empty: 'No response has tried to register a source.',
    sort: { name: 'time', descending: true },
    columns: [
      at('time', 'Time'), verdict(), why, origin('context_origin', 'Page'), origin('reporting_origin', 'Reporting origin'),
      { name: 'surface', title: 'Surface', value: (row) => words(row.surface) },
    ],
  },
  {
    id: 'triggers', label: 'Triggers', rows: triggers, detail: attempt, heading: () => 'Trigger',
    empty: 'No response has tried to register a trigger.',
    sort: { name: 'time', descending: true },
    columns: [
      at('time', 'Time'), verdict(), why, origin('context_origin', 'Destination'), origin('reporting_origin', 'Reporting origin'),
      { name: 'surface', title: 'Surface', value: (row) => words(row.surface) },
    ],
  },
  {
    id: 'event-level', label: 'Event-level reports', rows: () => reports('event-level'), detail: report,
    heading: () => 'Event-level report',
    empty: 'No event-level report is pending or was sent.',
    sort: { name: 'due', descending: true },
    columns: [
      reportStatus, flags,
      { name: 'trigger_data', title: 'Trigger data', numeric: true, value: (row) => row.trigger_data },
      destinations, origin('reporting_origin', 'Reporting origin'),
      at('trigger_time', 'Trigger'), at('due', 'Due or sent', 'when'),
      { name: 'priority', title: 'Priority', numeric: true, value: (row) => row.priority },
    ],
  },
  {
    id: 'aggregatable', label: 'Aggregatable reports', rows: () => reports('aggregatable'), detail: report,
    heading: (row) => (row.null ? 'Null report' : 'Aggregatable report'),
    empty: 'No aggregatable report is pending or was sent.',
    sort: { name: 'due', descending: true },
    columns: [
      reportStatus, flags,
      { name: 'histogram', title: 'Histogram', wide: true, value: (row) => (row.contributions ?? []).map((c) => `${c.key}: ${c.value}`).join(', ') || '–' },
      destinations, origin('reporting_origin', 'Reporting origin'),
      at('trigger_time', 'Trigger'), at('due', 'Due or sent', 'when'),
    ],
  },
  {
    id: 'debug', label: 'Debug reports', detail: report, heading: (row) => TITLES[row.kind],
    rows: () => reports('verbose', 'aggregatable-debug', 'event-level-debug-copy', 'aggregatable-debug-copy'),
    empty: 'No debug report was sent.',
    sort: { name: 'time', descending: true },
    columns: [
      at('time', 'Time', 'when'), reportStatus,
      { name: 'kind', title: 'Kind', value: (row) => words(row.kind) },
      { name: 'types', title: 'Tells', wide: true, value: (row) => (row.types ?? []).join(', ') || (row.contributions ?? []).map((c) => `${c.key}: ${c.value}`).join(', ') },
      origin('reporting_origin', 'Reporting origin'), flags,
    ],
  },
  {
    id: 'os', label: 'OS registrations', rows: osRegistrations, detail: attempt, heading: () => 'OS registration',
    empty: 'Nothing was handed to the operating system.',
    sort: { name: 'time', descending: true },
    columns: [
      at('time', 'Time'),
      { name: 'kind', title: 'Kind', value: (row) => words(row.outcome.kind) },
      { name: 'os_url', title: 'Registration URL', wide: true, value: (row) => row.os_url },
      { name: 'os_debug', title: 'Debug reporting', value: (row) => (row.os_debug ? 'yes' : 'no') },
      origin('context_origin', 'Page'),
    ],
  },
  {
    id: 'requests', label: 'Requests', rows: () => model.attempts, detail: attempt, heading: () => 'Request',
    empty: 'No response could have registered anything yet.',
    sort: { name: 'time', descending: true },
    columns: [
      at('time', 'Time'), verdict(),
      { name: 'surface', title: 'Surface', value: (row) => words(row.surface) },
      { name: 'url', title: 'URL', wide: true, value: (row) => row.url },
      { name: 'hop', title: 'Hop', numeric: true, value: (row) => row.hop },
      { name: 'eligibility', title: 'Eligible', value: (row) => words(row.eligibility) },
      origin('page_url', 'Page'),
      { name: 'problems', title: 'Problems', numeric: true, value: hasDetails },
    ],
  },
  {
    id: 'limits', label: 'Limits', rows: () => model.limits, detail: limit, heading: () => 'Limit',
    empty: 'No limit is used: nothing is stored.',
    sort: { name: 'share', descending: true },
    columns: [
      fraction('share', 'Used', (row) => row.used, (row) => row.max),
      { name: 'limit', title: 'Limit', value: (row) => row.limit },
      { name: 'scope', title: 'For', wide: true, value: (row) => row.scope.map(([name, value]) => (name === 'source' ? `source ${value}` : short(value))).join(' × ') },
    ],
  },
];
// A limit is sorted by how full it is, not by how much of it is used.
TABS.at(-1).columns[0].value = (row) => row.used / row.max;

function verdict() {
  return { name: 'verdict', title: 'Outcome', value: (row) => row.outcome?.verdict ?? 'ignored', cell: (row) => chip(row.outcome?.verdict ?? 'ignored') };
}

function source(row) {
  const { now } = model;
  const percent = (rate) => `${(rate * 100).toFixed(5)} %`;
  const map = (object) => Object.entries(object).map(([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') : value}`);
  return [
    el('p', { class: 'lead' }, chip(row.status), ' ', row.status_text),
    section('Registration', facts([
      ['Source event ID', row.source_event_id], ['Internal ID', row.id], ['Type', row.source_type],
      ['Source origin', row.source_origin], ['Source site', row.source_site], ['Destinations', row.destinations],
      ['Reporting origin', row.reporting_origin], ['Registered', time(row.time, now)], ['Expiry', time(row.expiry, now)],
      ['Priority', row.priority], ['Destination limit priority', row.destination_limit_priority],
      ['Filter data', map(row.filter_data)], ['Fenced', row.fenced ? 'yes' : null],
    ])),
    section('Event-level reports', facts([
      ['Reports', meter(row.event_level_reports, row.max_event_level_reports)],
      ['Windows', row.event_windows.map(({ start, end }) => `${moment(start)} – ${moment(end)} (ends ${relative(end, now)})`)],
      ['Trigger data', `${row.trigger_data.join(', ') || 'none'} (${row.trigger_data_matching})`],
      ['Epsilon', row.event_level_epsilon ?? '∞'],
      ['Randomized trigger rate', percent(row.randomized_trigger_rate)],
      ['Noise', row.fake_reports === null ? 'not chosen' : `chosen: ${row.fake_reports} fake reports`],
      ['Deduplication keys', row.dedup_keys.join(', ') || 'none'],
    ])),
    section('Aggregatable reports', facts([
      ['Reports', meter(row.aggregatable_reports, row.max_aggregatable_reports)],
      ['Budget', meter(row.budget.used, row.budget.max)],
      ...row.named_budgets.map((budget) => [`Budget “${budget.name}”`, meter(budget.used, budget.max)]),
      ['Window ends', time(row.aggregatable_window_end, now)],
      ['Aggregation keys', map(row.aggregation_keys).length ? map(row.aggregation_keys) : 'none'],
      ['Deduplication keys', row.aggregatable_dedup_keys.join(', ') || 'none'],
    ])),
    section('Scopes and debugging', facts([
      ['Attribution scopes', row.attribution_scopes
        ? `${row.attribution_scopes.values.join(', ')} (limit ${row.attribution_scopes.limit}, ${row.attribution_scopes.max_event_states} event states)`
        : row.attribution_scopes_cleared ? 'taken away by a newer source without' : 'none'],
      ['Debug key', row.debug_key ?? 'none'], ['Debug reporting', row.debug_reporting ? 'on' : 'off'],
      ['Third-party cookies', row.cookie_based_debug_allowed ? 'the reporting origin has access' : 'no access: no debug keys, no verbose reports'],
      ['Debug budget', row.debug_budget.max ? meter(row.debug_budget.used, row.debug_budget.max) : 'none'],
      ['Debug reports', row.debug_budget.max ? meter(row.debug_reports, row.max_debug_reports) : null],
    ])),
    json('The header that registers the same', row.registration),
  ];
}

function attempt(row) {
  const outcome = row.outcome;
  return [
    el('p', { class: 'lead' }, chip(outcome?.verdict ?? 'ignored'), ' ', outcome?.sentence ?? 'Nothing was registered.'),
    notes('Problems of the header', outcome?.problems, 'warn'),
    notes('Diagnosis', row.diagnoses, 'warn'),
    section('Outcome', facts([
      ['Event level', outcome?.event_level], ['Aggregatable', outcome?.aggregatable], ['Source', outcome?.source],
      ['For the operating system', outcome?.os_registrations?.map((os) => os.url + (os.debug_reporting ? ' (debug reporting)' : ''))],
    ])),
    steps(outcome?.steps),
    section('Request', facts([
      ['Time', time(row.time, model.now)], ['Surface', words(row.surface)], ['Page', row.page_url],
      ['Top-level origin', row.context_origin], ['URL', row.url], ['Redirect hop', row.hop],
      ['Eligible', words(row.eligibility)], ['Reporting origin', row.reporting_origin],
    ])),
    ...(row.headers ?? []).map(([name, value]) => header(name, value)),
  ];
}

function report(row) {
  const { now } = model;
  return [
    el('p', { class: 'lead' }, reportStatus.cell(row), ' ', row.detail ?? (row.status === 'Pending' ? `Is sent ${relative(row.due, now) || 'after the next navigation'}.` : '')),
    section('Report', facts([
      ['Report ID', row.report_id], ['Kind', words(row.kind)], ['Notes', flags.value(row)], ['URL', row.url],
      ['Destinations', row.destinations], ['Source', row.source === undefined ? null : `internal ID ${row.source}`],
      ['Trigger data', row.trigger_data], ['Priority', row.priority], ['Triggered', time(row.trigger_time, now)],
      ['Scheduled', time(row.report_time, now)], ['Due', time(row.due, now)], ['Answered', time(row.time, now)],
      ['Failed attempts', row.failures || null],
    ])),
    row.contributions
      ? el('div', { class: 'pair' },
        section('Histogram in clear', el('p', { class: 'hint', text: known(row) }), histogram(row.contributions)),
        section('Sealed payload', sealed(row)))
      : null,
    json(row.status === 'Pending' ? 'What is sent' : 'Body as sent', row.body),
  ];
}

/** Both debug keys put the payload into the report in clear. */
const known = (row) => (String(row.body?.shared_info).includes('"debug_mode":"enabled"')
  ? 'Sent in clear, too: both debug keys are known.' : 'Only this browser knows it.');

function sealed(row) {
  const entry = row.body?.aggregation_service_payloads?.[0];
  if (!entry) {
    return el('p', { class: 'hint', text: 'Sealed when it is sent, to a key of the coordinator.' });
  }
  return facts([
    ['Key ID', entry.key_id], ['Length', `${number(Math.floor(entry.payload.length * 3 / 4))} bytes`],
    ['Payload', el('code', { class: 'payload', text: entry.payload })],
    ['In clear, too', entry.debug_cleartext_payload ? el('code', { class: 'payload', text: entry.debug_cleartext_payload }) : null],
  ]);
}

function limit(row) {
  return [
    el('p', { class: 'lead' }, meter(row.used, row.max), ' ', row.limit),
    section('Counts apart', facts(row.scope)),
    el('p', { class: 'hint', text: row.used >= row.max
      ? 'Full: what comes next is dropped, unless it is already among what is counted.'
      : `Room for ${number(row.max - row.used)} more.` }),
  ];
}
