// A table that is sorted, filtered, walked with the keyboard, and updated without losing its place.

import { el } from './dom.js';

const PAGE = 300;

/**
 * Columns: `{ name, title, value(row), cell?(row), numeric?, ordered?, wide? }`: `value` sorts and filters, `cell`
 * shows; `numeric` is to the right and sorted as numbers, `ordered` only sorted so.
 * Rows need an `id` that stays theirs.
 */
export class Table {
  #columns; #onSelect; #empty; #rows = []; #elements = new Map(); #sort; #filter = ''; #selected; #limit = PAGE;
  #body; #more; #note; #search;

  constructor({ label, columns, sort, empty, onSelect }) {
    this.#columns = columns;
    this.#onSelect = onSelect;
    this.#empty = empty;
    this.#sort = sort ?? { name: columns[0].name, descending: false };
    this.#search = el('input', {
      type: 'search', placeholder: 'Filter', 'aria-label': `Filter ${label}`, spellcheck: 'false',
      oninput: () => { this.#filter = this.#search.value.toLowerCase(); this.#limit = PAGE; this.#render(); },
    });
    this.#note = el('span', { class: 'count' });
    this.#body = el('tbody', { onkeydown: (event) => this.#onKey(event) });
    this.#more = el('button', {
      type: 'button', text: 'Show more', hidden: true, class: 'more',
      onclick: () => { this.#limit += PAGE; this.#render(); },
    });
    const head = el('tr', {}, ...columns.map((column) => this.#heading(column)));
    this.element = el('div', { class: 'table' },
      el('div', { class: 'tools' }, this.#search, this.#note),
      el('div', { class: 'scroll' },
        el('table', { role: 'grid', 'aria-label': label }, el('thead', {}, head), this.#body), this.#more));
  }

  focusFilter() { this.#search.focus(); }

  get selected() { return this.#selected; }

  update(rows) {
    this.#rows = rows;
    this.#render();
  }

  select(id) {
    this.#elements.get(this.#selected)?.setAttribute('aria-selected', 'false');
    this.#selected = id;
    this.#elements.get(id)?.setAttribute('aria-selected', 'true');
    this.#onSelect?.(this.#rows.find((row) => row.id === id));
  }

  /** Takes the focus back to the selected row, or to the first. */
  focusRow(id = this.#selected) {
    (this.#elements.get(id) ?? this.#body.querySelector('tr[tabindex]'))?.focus();
  }

  #heading(column) {
    const button = el('button', { type: 'button', text: column.title, onclick: () => this.#sortBy(column) });
    const sorted = this.#sort.name === column.name;
    const order = this.#sort.descending ? 'descending' : 'ascending';
    column.heading = el('th', {
      scope: 'col', class: column.numeric ? 'numeric' : '', 'aria-sort': sorted ? order : 'none',
    }, button);
    return column.heading;
  }

  #sortBy(column) {
    const descending = this.#sort.name === column.name ? !this.#sort.descending : false;
    this.#sort = { name: column.name, descending };
    for (const other of this.#columns) other.heading.setAttribute('aria-sort', 'none');
    column.heading.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    this.#render();
  }

  #shown() {
    const matches = (row) => this.#columns.some((c) => String(c.value(row) ?? '').toLowerCase().includes(this.#filter));
    const rows = this.#filter ? this.#rows.filter(matches) : [...this.#rows];
    const { value, numeric, ordered } = this.#columns.find((column) => column.name === this.#sort.name);
    const order = numeric || ordered
      ? (a, b) => Number(value(a) ?? -Infinity) - Number(value(b) ?? -Infinity)
      : (a, b) => String(value(a) ?? '').localeCompare(String(value(b) ?? ''), 'en', { numeric: true });
    rows.sort(this.#sort.descending ? (a, b) => order(b, a) : order);
    return rows;
  }

  #render() {
    const rows = this.#shown();
    const shown = rows.slice(0, this.#limit);
    const focused = this.#body.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    const old = this.#elements;
    this.#elements = new Map();
    const elements = shown.map((row) => {
      const element = old.get(row.id) ?? this.#newRow(row);
      this.#fill(element, row);
      this.#elements.set(row.id, element);
      return element;
    });
    if (elements.length === 0) {
      const text = this.#filter ? 'Nothing matches the filter.' : this.#empty;
      elements.push(el('tr', { class: 'empty' }, el('td', { colspan: this.#columns.length, text })));
    }
    this.#place(elements);
    this.#more.hidden = rows.length <= shown.length;
    const all = this.#rows.length;
    this.#note.textContent = rows.length === all ? `${all}` : `${rows.length} of ${all}`;
    const first = this.#elements.get(focused) ?? this.#elements.get(this.#selected) ?? elements[0];
    for (const element of this.#elements.values()) element.tabIndex = element === first ? 0 : -1;
    if (focused !== undefined && document.activeElement?.dataset?.id !== focused) {
      this.#elements.get(focused)?.focus();
    }
  }

  /** Moves only what is not in its place: what has the focus keeps it. */
  #place(elements) {
    let at = this.#body.firstChild;
    for (const element of elements) {
      if (element === at) at = at.nextSibling;
      else this.#body.insertBefore(element, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  #newRow(row) {
    const cells = this.#columns.map((column) => el('td', {
      class: [column.numeric ? 'numeric' : '', column.wide ? 'wide' : ''].join(' ').trim(),
      'data-label': column.title,
    }, column.wide ? el('div', { class: 'clamp' }) : null));
    const element = el('tr', { 'aria-selected': String(row.id === this.#selected), tabindex: -1 }, ...cells);
    element.dataset.id = row.id;
    element.addEventListener('click', () => this.select(row.id));
    element.addEventListener('focus', () => {
      for (const other of this.#elements.values()) other.tabIndex = other === element ? 0 : -1;
    });
    return element;
  }

  #fill(element, row) {
    this.#columns.forEach((column, at) => {
      const cell = column.wide ? element.children[at].firstChild : element.children[at];
      const text = String(column.value(row) ?? '');
      if (!column.cell) {
        if (cell.textContent !== text) cell.textContent = text;
        if (cell.title !== text) cell.title = text;
        return;
      }
      const shown = column.cell(row);
      const node = shown instanceof Node ? shown : document.createTextNode(shown);
      if (!cell.firstChild?.isEqualNode(node)) cell.replaceChildren(node);
    });
  }

  #onKey(event) {
    const row = event.target.closest('tr[data-id]');
    if (!row) return;
    const rows = [...this.#elements.values()];
    const at = rows.indexOf(row);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.select(row.dataset.id);
    }
  }
}
