// How the host asks a frame. A function expression of two arguments, evaluated in an isolated world:
//
//     (<this file>)("<secret>", {"images": [url…], "scripts": [url…], "wait": ms})
//
// It returns a promise of the answer (PROTOCOL.md). It has no state, so that it can be evaluated anew for
// every question.
//
// THREAT MODEL. An isolated world has built-ins of its own, which the page cannot reach, and shares the
// DOM with it. Question and answer are events at `window` whose types nobody can guess or list: the page
// neither hears nor forges them. Named elements (`<form name=…>`, `<img id=…>`) can shadow properties of
// `document` and `window`: methods are called from their prototypes, and properties read through their
// getters.
(secret, { images = [], scripts = [], wait = 300 }) => {
  const read = (type, key, object) => Object.getOwnPropertyDescriptor(type.prototype, key).get.call(object);

  const facts = (window) => {
    const { document } = window; // unforgeable
    return {
      url: read(Document, 'URL', document),
      readyState: read(Document, 'readyState', document),
      origin: window.origin,
      secure: window.isSecureContext,
    };
  };

  /** Asks the shim of one window; null when there is none, or none any more. */
  const ask = (window, question) =>
    new Promise((resolve) => {
      const id = '.' + crypto.getRandomValues(new Uint32Array(2)).join('.');
      let isHeard = false;
      const { addEventListener, removeEventListener, dispatchEvent } = EventTarget.prototype;
      const hear = (event) => {
        if (event.detail === null) {
          isHeard = true;
          return;
        }
        removeEventListener.call(window, secret + id, hear);
        clearTimeout(timer);
        resolve(JSON.parse(event.detail));
      };
      const giveUp = () => {
        removeEventListener.call(window, secret + id, hear);
        resolve(null);
      };
      // The document may be replaced while the question waits: no answer would ever come.
      const timer = setTimeout(giveUp, question.wait + 200);
      addEventListener.call(window, secret + id, hear);
      dispatchEvent.call(window, new CustomEvent(secret, { detail: JSON.stringify({ id, ...question }) }));
      if (!isHeard) {
        clearTimeout(timer);
        giveUp();
      }
    });

  /**
   * Child frames that show their first document, written to or not: the browser counts their requests to
   * this frame. After `document.open` the child has its opener's URL.
   */
  const firstDocuments = () => {
    const found = [];
    for (let i = 0; i < window.length && i < 100; i++) {
      try {
        const { url } = facts(window[i]);
        if (url === 'about:blank' || url === facts(window).url) found.push(window[i]);
      } catch {
        // Of another origin.
      }
    }
    return found;
  };

  return (async () => {
    const question = { images, scripts, wait };
    const [own, ...others] = await Promise.all([window, ...firstDocuments()].map((each) => ask(each, question)));
    const none = { images: 'n'.repeat(images.length), scripts: 'n'.repeat(scripts.length) };
    const answer = own ?? none;
    const merge = (a, b) => [...a].map((verdict, i) => (b[i] === 'y' || (verdict === '?' && b[i] === '?') ? b[i] : verdict)).join('');
    for (const other of others) {
      if (!other) continue;
      answer.images = merge(answer.images, other.images);
      answer.scripts = merge(answer.scripts, other.scripts);
    }
    return { shim: own !== null, ...facts(window), ...answer };
  })();
}
