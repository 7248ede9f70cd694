// Times, lengths of time and numbers, for people.

const pad = (number, width = 2) => String(number).padStart(width, '0');

/** `2026-01-31 23:59:59` in the local time zone; `–` for what is not known. */
export function moment(ms) {
  if (ms === null || ms === undefined) return '–';
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return `${ms} ms`;
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** The same in UTC, for titles and details. */
export function utc(ms) {
  const date = new Date(ms);
  return ms === null || ms === undefined || Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

const UNITS = [[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min'], [1000, 's']];

/** `2 d 3 h`: the two largest units. */
export function length(ms) {
  let rest = Math.abs(ms);
  const parts = [];
  for (const [unit, name] of UNITS) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0 || parts.length > 0) parts.push(count > 0 ? `${count} ${name}` : '');
    if (parts.length === 2) break;
  }
  return parts.filter(Boolean).join(' ') || 'less than 1 s';
}

/** `in 2 d` or `3 h ago`. */
export function relative(ms, now) {
  if (ms === null || ms === undefined) return '';
  const away = ms - now;
  if (Math.abs(away) < 1000) return 'now';
  return away > 0 ? `in ${length(away)}` : `${length(away)} ago`;
}

export const number = (value) => Number(value).toLocaleString('en');

/** Without its scheme, which is almost always the same. */
export const short = (origin) => String(origin ?? '').replace(/^https:\/\//, '');

export const list = (values) => (values ?? []).map(short).join(', ');

/** `not-registered` as `not registered`. */
export const words = (name) => String(name ?? '').replaceAll('-', ' ');
