// Keeps the counts of the overview fresh while it is looked at. Everything works without.
'use strict';

const tiles = document.querySelector('[data-live]');
const numbers = new Intl.NumberFormat('en-US');

async function refresh() {
  const start = performance.now();
  try {
    const answer = document.hidden ? {} : await fetch(tiles.dataset.live, {credentials: 'same-origin', redirect: 'error'});
    const counts = answer.ok ? await answer.json() : {};
    for (const element of tiles.querySelectorAll('[data-count]')) {
      const count = counts[element.dataset.count];
      if (typeof count !== 'number') continue;
      const text = numbers.format(count);
      if (element.textContent !== text) element.textContent = text;
    }
  } catch {
    // The next time may do better.
  }
  // A store that takes long to count is asked less often.
  setTimeout(refresh, Math.max(10000, 20 * (performance.now() - start)));
}

if (tiles) setTimeout(refresh, 5000);

// On a phone, the name of this page may be out of sight.
document.querySelector('nav a[aria-current=page]')?.scrollIntoView({block: 'nearest', inline: 'center'});

// A job that runs is looked at again.
const running = document.querySelector('[data-reload]');
if (running) setTimeout(() => location.reload(), 1000 * Number(running.dataset.reload));
