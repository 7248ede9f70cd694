// The control endpoint, as documented for programs; the browser's cookie is the token.

export const context = { id: undefined };

async function call(path, options = {}) {
  const url = new URL(`api/${path}`, document.baseURI);
  if (context.id !== undefined) url.searchParams.set('context', context.id);
  const answer = await fetch(url, { credentials: 'same-origin', cache: 'no-store', ...options });
  const body = await answer.json().catch(() => ({ message: `HTTP ${answer.status}` }));
  if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status });
  return body;
}

export const get = (path) => call(path);

export const post = (path, body) =>
  call(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
