// The page side of the Attribution Reporting API, for pages, iframes and workers (main world).
//
// A function expression of one argument, which the host evaluates before any script of the page:
//
//     (<this file>)({"secret": "<32 hex digits>", "binding": "<name>", "limit": 30})
//
// `binding` names a function on the global object, made by `Runtime.addBinding`, that reaches the host. It
// is taken away before the page can see it; workers have none.
//
// It gives scripts the surface that the browser lost (`attributionSrc`, `attributionReporting`,
// `setAttributionReporting`, `attributionsrc` in `window.open`), sends background requests, tells the
// host which links were followed, and answers its questions (`probe.js`; messages: PROTOCOL.md).
//
// MARKER: what the host finds in `request.urlFragment` of a request that the shim made eligible.
//
//     fragment    = [ original "#" ] marker            ; "original" is the page's own fragment, perhaps empty
//     marker      = "__ascribe=" secret "." eligibility "." surface [ "." n ]
//     secret      = 32 hex digits, lower case
//     eligibility = "none" / "event-source" / "trigger" / "event-source-or-trigger" / "navigation-source"
//     surface     = "fetch" / "xhr"                    ; the page's own request
//                 / "fetch-keepalive"                  ; such a fetch that may outlive its page
//                 / "img" / "script"                   ; background request of such an element
//                 / "link" / "window"                  ; background request of a followed link, of window.open
//     n           = 1*16 digit                         ; with "link" and "window": which navigation it belongs to
//
// The marker is the end of the fragment; the host takes the last "#", or the fragment's start, before it.
//
// THREAT MODEL. The page is hostile. It runs after this script, yet before most of these functions are
// called, so that it can have replaced every built-in by then, put accessors on Object.prototype and
// Array.prototype, shadowed properties of elements, forged events, and nested elements deeply. Hence:
//   - after the first run only functions captured here are called, through `apply`; nothing is looked up on
//     a prototype (no `for…of`, spread, destructuring of arrays, `await`, `a[a.length] = x`);
//   - objects handed to native code, and descriptors, have no prototype;
//   - state lives in closures and weak maps; the page's objects get no properties;
//   - the secret is in fragments only, which never reach a server, and whatever would show them is masked.
//     A page that knew it could claim a navigation source that no user made.
// Nothing here decides what may register: the host does, from what it sees on the wire.
(config) => {
  'use strict';

  // ---------------------------------------------------------------------------------------------
  // Captured built-ins
  // ---------------------------------------------------------------------------------------------

  const { apply, construct, defineProperty, get, getOwnPropertyDescriptor, getPrototypeOf, ownKeys, setPrototypeOf } = Reflect;
  const scope = globalThis;
  const inDocument = typeof document === 'object';
  const { Array, DOMException, Map, Promise, Proxy, Set, TypeError, URL, WeakMap, WeakRef, WeakSet } = scope;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { hasOwn, prototype: objectPrototype } = Object;

  /** The property `key` of `object` or of its nearest prototype that has it, and that holder. */
  const lookup = (object, key) => {
    for (let holder = object; holder; holder = getPrototypeOf(holder)) {
      const descriptor = getOwnPropertyDescriptor(holder, key);
      if (descriptor) return { holder, descriptor };
    }
    return undefined;
  };
  /** Turns a method into a function whose first argument is `this`. */
  const uncurry = (method) => (self, ...args) => apply(method, self, args);
  const method = (object, key) => uncurry(object[key]);
  const getter = (object, key) => {
    const read = lookup(object, key)?.descriptor.get;
    return read && ((self) => apply(read, self, []));
  };

  const mapGet = method(Map.prototype, 'get');
  const mapSet = method(Map.prototype, 'set');
  const mapHas = method(Map.prototype, 'has');
  const setAdd = method(Set.prototype, 'add');
  const setDelete = method(Set.prototype, 'delete');
  const setForEach = method(Set.prototype, 'forEach');
  const setSize = getter(Set.prototype, 'size');
  const weakGet = method(WeakMap.prototype, 'get');
  const weakSet = method(WeakMap.prototype, 'set');
  const weakHas = method(WeakMap.prototype, 'has');
  const memberAdd = method(WeakSet.prototype, 'add');
  const memberHas = method(WeakSet.prototype, 'has');
  const deref = method(WeakRef.prototype, 'deref');
  const then = method(Promise.prototype, 'then');
  const { reject } = Promise;
  const rejected = (reason) => apply(reject, Promise, [reason]);
  const indexOf = method(String.prototype, 'indexOf');
  const lastIndexOf = method(String.prototype, 'lastIndexOf');
  const slice = method(String.prototype, 'slice');
  const startsWith = method(String.prototype, 'startsWith');
  const charCodeAt = method(String.prototype, 'charCodeAt');
  const toLowerCase = method(String.prototype, 'toLowerCase');
  const toWellFormed = method(String.prototype, 'toWellFormed');
  const exec = method(RegExp.prototype, 'exec');
  const functionText = method(Function.prototype, 'toString');
  const urlHref = getter(URL.prototype, 'href');
  const urlProtocol = getter(URL.prototype, 'protocol');
  const urlUsername = getter(URL.prototype, 'username');
  const urlPassword = getter(URL.prototype, 'password');
  const urlOrigin = getter(URL.prototype, 'origin');

  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
  /** Appends to an own array without asking Array.prototype for setters. */
  const push = (list, value) =>
    defineProperty(list, list.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  /** `then` for promises that the page never sees; an own `constructor` keeps the page's species out. */
  const settle = (promise, kept, broken) => {
    defineProperty(promise, 'constructor', { __proto__: null, value: undefined });
    return then(promise, kept, broken);
  };

  const nativeBinding = scope[config.binding];
  delete scope[config.binding];
  /** Tells the host something: an object without a prototype. */
  const tell = (message) => nativeBinding && apply(nativeBinding, undefined, [stringify(message)]);

  // A worker that has not started yet does not have the attribute, or not the right value: it is read when
  // needed. A worker's script that redefines it deceives nobody else; the host looks at the context itself.
  const readSecure = getter(scope, 'isSecureContext');
  const isSecure = () => (readSecure ? readSecure(scope) : scope.isSecureContext);
  if (inDocument && !isSecure()) return;

  // ---------------------------------------------------------------------------------------------
  // Replacing functions so that they look as before
  // ---------------------------------------------------------------------------------------------

  const addListener = method(EventTarget.prototype, 'addEventListener');
  const removeListener = method(EventTarget.prototype, 'removeEventListener');
  const dispatch = method(EventTarget.prototype, 'dispatchEvent');

  /**
   * Wrapper → the text of the native function. Frames and popups of one origin share the map: a fresh
   * iframe's `Function.prototype.toString` must not show the source of its parent's functions.
   */
  const disguises = (() => {
    if (!inDocument) return new WeakMap();
    for (const other of [scope.parent, scope.opener]) {
      if (!other || other === scope) continue;
      try {
        const box = { __proto__: null, disguises: undefined };
        dispatch(other, new scope.CustomEvent(config.secret, { detail: box }));
        if (box.disguises) return box.disguises;
      } catch {
        // A window of another origin.
      }
    }
    return new WeakMap();
  })();

  const disguise = (wrapper, native) => {
    weakSet(disguises, wrapper, functionText(native));
    if (typeof wrapper.prototype === 'object') return wrapper; // a proxy: name and length are right already
    defineProperty(wrapper, 'length', { __proto__: null, value: native.length });
    defineProperty(wrapper, 'name', { __proto__: null, value: native.name });
    return wrapper;
  };

  /** Replaces the method, or the accessor's `get` or `set`, in place; other attributes are kept. */
  const replace = (object, key, slot, make) => {
    const found = object && lookup(object, key);
    const native = found?.descriptor[slot];
    if (typeof native !== 'function') return;
    found.descriptor[slot] = disguise(make(native), native);
    defineProperty(found.holder, key, found.descriptor);
  };

  // `stack` of an error is an own accessor pair that all errors of a realm share.
  const stackOf = getOwnPropertyDescriptor(new scope.Error(), 'stack') ?? {};

  /** Takes the frames of this script, which are the topmost ones, out of an error's stack. */
  const clean = (error, frames) => {
    if (!isObject(error)) return error;
    const own = getOwnPropertyDescriptor(error, 'stack');
    if (!own || !stackOf.get || own.get !== stackOf.get || own.set !== stackOf.set) return error;
    const stack = apply(stackOf.get, error, []);
    if (typeof stack !== 'string') return error;
    let start = indexOf(stack, '\n    at ');
    const frameAt = (at) => {
      const next = indexOf(stack, '\n    at ', at + 1);
      return slice(stack, at, next < 0 ? stack.length : next);
    };
    if (start < 0) return error;
    // Some native functions have a frame of their own, without a position.
    if (lastIndexOf(frameAt(start), '(<anonymous>)') > 0) start += frameAt(start).length;
    let end = start;
    for (let i = 0; i < frames && end < stack.length; i++) {
      const frame = frameAt(end);
      // A script that a debugger injects has no address. Anything else is a callback of the page.
      if (indexOf(frame, '<anonymous>:') < 0) break;
      end += frame.length;
    }
    if (end > start) apply(stackOf.set, error, [slice(stack, 0, start) + slice(stack, end)]);
    return error;
  };

  /** Calls the native function that a wrapper replaced; what it throws shows no trace of the wrapper. */
  const run = (native, self, args) => {
    try {
      return apply(native, self, args);
    } catch (error) {
      throw clean(error, 2);
    }
  };

  replace(Function.prototype, 'toString', 'value', (native) => ({
    toString(...args) {
      const text = typeof this === 'function' ? weakGet(disguises, this) : undefined;
      return text === undefined ? run(native, this, args) : text;
    },
  }).toString);

  // ---------------------------------------------------------------------------------------------
  // Marker
  // ---------------------------------------------------------------------------------------------

  const PREFIX = '#__ascribe=' + config.secret + '.';

  const marker = (eligibility, surface, n) =>
    PREFIX + eligibility + '.' + surface + (n === undefined ? '' : '.' + n);

  /** The URL as the page wrote it. Without `config.secret` in it, the text stays as it is. */
  const unmarked = (url) => {
    const at = lastIndexOf(url, PREFIX);
    return at < 0 ? url : slice(url, 0, at);
  };

  const baseUrl = inDocument
    ? ((base) => () => base(document))(getter(Node.prototype, 'baseURI'))
    : ((href) => () => href(scope.location))(getter(WorkerLocation.prototype, 'href'));

  /** `text` as a URL record, or undefined. */
  const resolve = (text, base) => {
    try {
      return new URL(text, base);
    } catch {
      return undefined;
    }
  };
  const isHttp = (url) => urlProtocol(url) === 'https:' || urlProtocol(url) === 'http:';

  /** The marked form of a URL of fetch or XHR; undefined where native code shall see the page's text. */
  const mark = (text, base, eligibility, surface) => {
    const url = resolve(text, base);
    // Native code refuses credentials in URLs, and would quote the marker in its message.
    if (!url || !isHttp(url)) return undefined;
    if (surface !== 'xhr' && (urlUsername(url) !== '' || urlPassword(url) !== '')) return undefined;
    return unmarked(urlHref(url)) + marker(eligibility, surface);
  };

  // ---------------------------------------------------------------------------------------------
  // Spec: get an eligibility from AttributionReportingRequestOptions
  // ---------------------------------------------------------------------------------------------

  /** Web IDL conversion of the dictionary (members in order, each read once), then the eligibility. */
  const eligibilityFrom = (options, where) => {
    if (options !== undefined && options !== null && !isObject(options)) {
      throw new TypeError(where + "The provided value is not of type 'AttributionReportingRequestOptions'.");
    }
    const member = (name) => {
      const value = options === undefined || options === null ? undefined : get(options, name);
      if (value === undefined) {
        throw new TypeError(
          where + `Failed to read the '${name}' property from 'AttributionReportingRequestOptions': Required member is undefined.`,
        );
      }
      return !!value;
    };
    const eventSource = member('eventSourceEligible');
    const trigger = member('triggerEligible');
    if (eventSource) return trigger ? 'event-source-or-trigger' : 'event-source';
    return trigger ? 'trigger' : 'none';
  };

  // ---------------------------------------------------------------------------------------------
  // Forbidden header names: natively these two are not forbidden any more
  // ---------------------------------------------------------------------------------------------

  const isForbidden = (name) => {
    const lower = toLowerCase(name);
    return lower === 'attribution-reporting-eligible' || lower === 'attribution-reporting-support';
  };

  const { Headers, Request } = scope;
  const headersHas = method(Headers.prototype, 'has');
  const headersDelete = method(Headers.prototype, 'delete');

  /** A HeadersInit without the forbidden names; the very same value when it has none. */
  const allowedHeaders = (init) => {
    if (!isObject(init)) return init;
    try {
      if (!headersHas(init, 'attribution-reporting-eligible') && !headersHas(init, 'attribution-reporting-support')) return init;
      const copy = new Headers(init);
      headersDelete(copy, 'attribution-reporting-eligible');
      headersDelete(copy, 'attribution-reporting-support');
      return copy;
    } catch {
      // Not a Headers object.
    }
    if (isArray(init)) {
      const kept = [];
      for (let i = 0; i < init.length; i++) {
        const pair = init[i];
        if (!(isArray(pair) && typeof pair[0] === 'string' && isForbidden(pair[0]))) push(kept, pair);
      }
      return kept.length === init.length ? init : kept;
    }
    const keys = ownKeys(init);
    let found = false;
    for (let i = 0; i < keys.length; i++) found ||= typeof keys[i] === 'string' && isForbidden(keys[i]);
    if (!found) return init;
    // The page's getters still run once each, in order, when native code reads this view.
    return new Proxy(init, {
      __proto__: null,
      ownKeys(target) {
        const all = ownKeys(target);
        const kept = [];
        for (let i = 0; i < all.length; i++) if (typeof all[i] !== 'string' || !isForbidden(all[i])) push(kept, all[i]);
        return kept;
      },
    });
  };

  /**
   * A RequestInit without forbidden headers. Usually that is plain to see and `init` itself will do; else a
   * view of it, through which native code reads the members, once each, in its own order.
   */
  const viewOfInit = (init) => {
    if (!isObject(init)) return init;
    const prototype = getPrototypeOf(init);
    const own = getOwnPropertyDescriptor(init, 'headers');
    const isPlain = prototype === null || prototype === objectPrototype;
    if (isPlain && (own === undefined || (hasOwn(own, 'value') && allowedHeaders(own.value) === own.value))) return init;
    return new Proxy(init, initView);
  };
  const initView = {
    __proto__: null,
    get(target, key) {
      if (key === 'attributionReporting') return undefined;
      return key === 'headers' ? allowedHeaders(get(target, key)) : get(target, key);
    },
  };

  const ownedByRequest = new WeakSet();
  replace(Request.prototype, 'headers', 'get', (native) => ({
    get() {
      const headers = run(native, this, []);
      memberAdd(ownedByRequest, headers);
      return headers;
    },
  }).get);
  const guarded = (native) => ({
    method(...args) {
      if (args.length < 2 || !isObject(this) || !memberHas(ownedByRequest, this)) return run(native, this, args);
      if (typeof args[0] !== 'string') args[0] = `${args[0]}`;
      // A name that is still forbidden: native code checks the value, then drops both.
      if (isForbidden(args[0])) args[0] = 'sec-attribution-reporting';
      return run(native, this, args);
    },
  }).method;
  replace(Headers.prototype, 'append', 'value', guarded);
  replace(Headers.prototype, 'set', 'value', guarded);

  // ---------------------------------------------------------------------------------------------
  // Spec: Fetch monkeypatches
  // ---------------------------------------------------------------------------------------------

  const nativeFetch = lookup(scope, 'fetch').descriptor.value;
  const NativeRequest = Request;
  const readOf = (key) => getter(NativeRequest.prototype, key);
  const requestUrl = readOf('url');
  const requestBody = readOf('body');
  const requestBodyUsed = readOf('bodyUsed');
  const requestKeepalive = readOf('keepalive');
  const requestBytes = method(NativeRequest.prototype, 'arrayBuffer');
  const carried = ['method', 'headers', 'mode', 'credentials', 'cache', 'redirect', 'referrer', 'referrerPolicy', 'integrity', 'keepalive', 'signal'];
  const carriers = [];
  for (let i = 0; i < carried.length; i++) push(carriers, readOf(carried[i]));

  /** Requests that have a body and got their eligibility after their URL was fixed. */
  const lateEligibility = new WeakMap();

  const urlOfRequest = (value) => {
    if (!isObject(value)) return undefined;
    try {
      return requestUrl(value);
    } catch {
      return undefined;
    }
  };

  /** What makes a request like `request`, apart from URL and body. */
  const initOf = (request) => {
    const init = { __proto__: null };
    for (let i = 0; i < carried.length; i++) init[carried[i]] = carriers[i](request);
    if (init.mode === 'navigate') init.mode = 'same-origin'; // as native code does for a non-empty init
    return init;
  };

  const KEEPALIVE = 'fetch-keepalive';

  /**
   * The member `keepalive` of a RequestInit: undefined without it. It is not read where the page would
   * notice: what cannot be seen so counts as true, which costs a little time and nothing else.
   */
  const keepaliveOf = (init) => {
    if (!isObject(init)) return undefined;
    const prototype = getPrototypeOf(init);
    if (prototype !== null && prototype !== objectPrototype) return true;
    const member = getOwnPropertyDescriptor(init, 'keepalive');
    if (!member) return prototype !== null && hasOwn(prototype, 'keepalive') ? true : undefined;
    if (!hasOwn(member, 'value')) return true;
    return member.value === undefined ? undefined : !!member.value;
  };

  /** The eligibility in a marked URL of a request that was not to outlive its page; undefined in others. */
  const eligibilityOfPlain = (url) => {
    const at = lastIndexOf(url, PREFIX);
    if (at < 0) return undefined;
    const found = exec(/^([a-z-]+)\.fetch$/, slice(url, at + PREFIX.length));
    return found === null ? undefined : found[1];
  };

  /**
   * The arguments of `fetch` or `new Request`, converted in Web IDL's order, with the eligibility in the URL.
   * `late` is set where that cannot be: a Request whose body is there already would be rebuilt around a
   * stream, which causes a preflight.
   */
  const prepare = (args, where, outlives) => {
    const init = args.length > 1 ? args[1] : undefined;
    let input = args[0];
    const known = urlOfRequest(input);
    if (known === undefined && typeof input !== 'string') input = `${input}`;
    let eligibility;
    if (isObject(init)) {
      const options = get(init, 'attributionReporting');
      if (options !== undefined) {
        eligibility = eligibilityFrom(options, where + "Failed to read the 'attributionReporting' property from 'RequestInit': ");
      }
    }
    const rest = args.length > 1 ? [viewOfInit(init)] : [];
    const ready = (first) => (rest.length > 0 ? [first, rest[0]] : [first]);
    const keepalive = outlives || keepaliveOf(init);
    if (known === undefined) {
      const url = eligibility && mark(input, baseUrl(), eligibility, keepalive ? KEEPALIVE : 'fetch');
      return { args: ready(url ?? input) };
    }
    const late = eligibility ?? weakGet(lateEligibility, input) ?? (keepalive ? eligibilityOfPlain(known) : undefined);
    if (late === undefined || !startsWith(known, 'http')) return { args: ready(input) };
    const url = unmarked(known) + marker(late, keepalive ?? requestKeepalive(input) ? KEEPALIVE : 'fetch');
    if (requestBody(input) === null) return { args: ready(construct(NativeRequest, [url, initOf(input)])) };
    return { args: ready(input), late, url };
  };

  const fetchWith = (native, name) => ({
    method(...args) {
      if (args.length === 0 || !isSecure()) return run(native, this, args);
      const where = `Failed to execute '${name}' on '${inDocument ? 'Window' : 'WorkerGlobalScope'}': `;
      let prepared;
      try {
        prepared = prepare(args, where, name === 'fetchLater');
      } catch (error) {
        if (name === 'fetch') return rejected(clean(error, 4));
        throw clean(error, 4);
      }
      const request = prepared.args[0];
      if (prepared.late === undefined || name !== 'fetch' || requestBodyUsed(request)) return run(native, this, prepared.args);
      // The body is read and sent again as bytes: no stream, no preflight; `bodyUsed` is true at once.
      const init = initOf(request);
      return settle(requestBytes(request), (bytes) => {
        init.body = bytes;
        prepared.args[0] = construct(NativeRequest, [prepared.url, init]);
        return apply(native, this, prepared.args);
      });
    },
  }).method;
  replace(scope, 'fetch', 'value', (native) => fetchWith(native, 'fetch'));
  replace(scope, 'fetchLater', 'value', (native) => fetchWith(native, 'fetchLater'));

  const RequestProxy = new Proxy(NativeRequest, {
    __proto__: null,
    construct(target, args, newTarget) {
      if (args.length === 0 || !isSecure()) {
        try {
          return construct(target, args, newTarget);
        } catch (error) {
          throw clean(error, 1);
        }
      }
      let prepared;
      try {
        prepared = prepare(args, "Failed to construct 'Request': ", false);
      } catch (error) {
        throw clean(error, 4);
      }
      let request;
      try {
        request = construct(target, prepared.args, newTarget);
      } catch (error) {
        throw clean(error, 1);
      }
      if (prepared.late !== undefined) weakSet(lateEligibility, request, prepared.late);
      return request;
    },
  });
  weakSet(disguises, RequestProxy, functionText(NativeRequest));
  for (const [object, key] of [[scope, 'Request'], [NativeRequest.prototype, 'constructor']]) {
    const descriptor = getOwnPropertyDescriptor(object, key);
    descriptor.value = RequestProxy;
    defineProperty(object, key, descriptor);
  }
  replace(NativeRequest.prototype, 'clone', 'value', (native) => ({
    clone(...args) {
      const copy = run(native, this, args);
      const late = weakGet(lateEligibility, this);
      if (late !== undefined) weakSet(lateEligibility, copy, late);
      return copy;
    },
  }).clone);

  // ---------------------------------------------------------------------------------------------
  // Spec: XMLHttpRequest monkeypatches
  // ---------------------------------------------------------------------------------------------

  // The eligibility comes after `open`, which fixes the URL: `setAttributionReporting` opens again, with
  // the marked URL, and sets the headers again. In the state "opened" that fires no event.
  if (scope.XMLHttpRequest) {
    const { prototype } = scope.XMLHttpRequest;
    const readyState = getter(prototype, 'readyState');
    const nativeOpen = prototype.open;
    const nativeHeader = method(prototype, 'setRequestHeader');
    /** request → { args, base, headers, sent }, from `open` on. */
    const opened = new WeakMap();

    replace(prototype, 'open', 'value', (native) => ({
      open(...args) {
        if (args.length >= 2) {
          for (let i = 0; i < 2; i++) if (typeof args[i] !== 'string') args[i] = `${args[i]}`;
          for (let i = 3; i < args.length && i < 5; i++) {
            if (args[i] !== undefined && args[i] !== null && typeof args[i] !== 'string') args[i] = `${args[i]}`;
          }
        }
        const result = run(native, this, args);
        weakSet(opened, this, { args, base: baseUrl(), headers: [], sent: false });
        return result;
      },
    }).open);
    replace(prototype, 'setRequestHeader', 'value', (native) => ({
      setRequestHeader(...args) {
        if (args.length < 2) return run(native, this, args);
        for (let i = 0; i < 2; i++) if (typeof args[i] !== 'string') args[i] = `${args[i]}`;
        const forbidden = isForbidden(args[0]);
        const result = run(native, this, forbidden ? ['sec-attribution-reporting', args[1]] : args);
        const record = weakGet(opened, this);
        if (record && !forbidden) push(record.headers, args);
        return result;
      },
    }).setRequestHeader);
    replace(prototype, 'send', 'value', (native) => ({
      send(...args) {
        const record = isObject(this) ? weakGet(opened, this) : undefined;
        if (record && readyState(this) === 1) record.sent = true;
        return run(native, this, args);
      },
    }).send);
    replace(prototype, 'setAttributionReporting', 'value', (native) => ({
      setAttributionReporting(...args) {
        const where = "Failed to execute 'setAttributionReporting' on 'XMLHttpRequest': ";
        let state;
        try {
          state = readyState(this);
        } catch {
          return run(native, this, args); // throws: illegal invocation
        }
        try {
          if (args.length === 0) throw new TypeError(where + '1 argument required, but only 0 present.');
          const eligibility = eligibilityFrom(args[0], where);
          const record = weakGet(opened, this);
          if (state !== 1 || !record || record.sent) {
            throw new DOMException(where + "The object's state must be OPENED.", 'InvalidStateError');
          }
          const url = mark(record.args[1], record.base, eligibility, 'xhr');
          if (url === undefined) return undefined;
          const again = [];
          for (let i = 0; i < record.args.length; i++) push(again, i === 1 ? url : record.args[i]);
          apply(nativeOpen, this, again);
          for (let i = 0; i < record.headers.length; i++) nativeHeader(this, record.headers[i][0], record.headers[i][1]);
          return undefined;
        } catch (error) {
          throw clean(error, 3);
        }
      },
    }).setAttributionReporting);
  }

  // ---------------------------------------------------------------------------------------------
  // Masks: wherever a marked URL would be seen
  // ---------------------------------------------------------------------------------------------

  replace(NativeRequest.prototype, 'url', 'get', (native) => ({
    get() {
      return unmarked(run(native, this, []));
    },
  }).get);

  if (scope.PerformanceEntry) {
    const { prototype } = scope.PerformanceEntry;
    const entryName = getter(prototype, 'name');
    const entryType = getter(prototype, 'entryType');
    replace(prototype, 'name', 'get', (native) => ({
      get() {
        return unmarked(run(native, this, []));
      },
    }).get);
    for (const kind of ['PerformanceEntry', 'PerformanceResourceTiming', 'PerformanceNavigationTiming']) {
      if (!scope[kind] || !getOwnPropertyDescriptor(scope[kind].prototype, 'toJSON')) continue;
      replace(scope[kind].prototype, 'toJSON', 'value', (native) => ({
        toJSON(...args) {
          const json = run(native, this, args);
          if (typeof json.name === 'string') json.name = unmarked(json.name);
          return json;
        },
      }).toJSON);
    }
    // By name: the page asks for the name that it knows.
    for (const holder of ['Performance', 'PerformanceObserverEntryList']) {
      if (!scope[holder]) continue;
      const all = method(scope[holder].prototype, 'getEntries');
      replace(scope[holder].prototype, 'getEntriesByName', 'value', (native) => ({
        getEntriesByName(...args) {
          if (args.length > 0 && typeof args[0] !== 'string') args[0] = `${args[0]}`;
          if (args.length > 1 && args[1] !== undefined && typeof args[1] !== 'string') args[1] = `${args[1]}`;
          const plain = run(native, this, args);
          const entries = all(this);
          const found = [];
          let marked = false;
          for (let i = 0; i < entries.length; i++) {
            const name = entryName(entries[i]);
            if (unmarked(name) !== args[0]) continue;
            if (args.length > 1 && args[1] !== undefined && entryType(entries[i]) !== args[1]) continue;
            marked ||= name !== args[0];
            push(found, entries[i]);
          }
          return marked ? found : plain;
        },
      }).getEntriesByName);
    }
  }

  if (!inDocument) return;

  // ---------------------------------------------------------------------------------------------
  // The DOM, captured
  // ---------------------------------------------------------------------------------------------

  const property = (type, key) => getter(scope[type].prototype, key);
  const nodeType = property('Node', 'nodeType');
  const parentNode = property('Node', 'parentNode');
  const firstChild = property('Node', 'firstChild');
  const isConnected = property('Node', 'isConnected');
  const ownerDocument = property('Node', 'ownerDocument');
  const nodeBase = property('Node', 'baseURI');
  const contains = method(Node.prototype, 'contains');
  const comparePosition = method(Node.prototype, 'compareDocumentPosition');
  const localName = property('Element', 'localName');
  const namespaceURI = property('Element', 'namespaceURI');
  const shadowRootOf = property('Element', 'shadowRoot');
  const getAttribute = method(Element.prototype, 'getAttribute');
  const hasAttribute = method(Element.prototype, 'hasAttribute');
  const defaultView = property('Document', 'defaultView');
  const documentUrl = property('Document', 'URL');
  const readyStateOf = property('Document', 'readyState');
  const rootMode = property('ShadowRoot', 'mode');
  const rootActive = property('ShadowRoot', 'activeElement');
  const elementAt = method(ShadowRoot.prototype, 'elementFromPoint');
  const attrName = property('Attr', 'name');
  const attrOwner = property('Attr', 'ownerElement');
  const imageSrc = property('HTMLImageElement', 'src');
  const imageCurrentSrc = property('HTMLImageElement', 'currentSrc');
  const imageComplete = property('HTMLImageElement', 'complete');
  const scriptSrc = property('HTMLScriptElement', 'src');
  const textOf = property('HTMLScriptElement', 'text');
  const isEditable = property('HTMLElement', 'isContentEditable');
  const hrefOf = { __proto__: null, a: property('HTMLAnchorElement', 'href'), area: property('HTMLAreaElement', 'href') };
  const inputType = property('HTMLInputElement', 'type');
  const inputForm = property('HTMLInputElement', 'form');
  const buttonType = property('HTMLButtonElement', 'type');
  const buttonForm = property('HTMLButtonElement', 'form');
  const listLength = property('NodeList', 'length');
  const selectors = {
    __proto__: null,
    1: method(Element.prototype, 'querySelectorAll'),
    9: method(Document.prototype, 'querySelectorAll'),
    11: method(DocumentFragment.prototype, 'querySelectorAll'),
  };

  const each = (list, use) => {
    for (let i = 0, n = listLength(list); i < n; i++) use(list[i]);
  };
  const select = (root, selector, use) => each(selectors[nodeType(root)](root, selector), use);

  /** "img", "script", "a" or "area" for such HTML elements; undefined for everything else (SVG's `a` too). */
  const kindOf = (element) => {
    const name = localName(element);
    if (name !== 'img' && name !== 'script' && name !== 'a' && name !== 'area') return undefined;
    return namespaceURI(element) === 'http://www.w3.org/1999/xhtml' ? name : undefined;
  };
  /** "img" or "script" for such elements; undefined for all other values. */
  const sourceKind = (value) => {
    try {
      const kind = kindOf(value);
      return kind === 'img' || kind === 'script' ? kind : undefined;
    } catch {
      return undefined;
    }
  };
  const withoutFragment = (url) => {
    const at = indexOf(url, '#');
    return at < 0 ? url : slice(url, 0, at);
  };

  // ---------------------------------------------------------------------------------------------
  // Spec: make background attributionsrc requests
  // ---------------------------------------------------------------------------------------------

  let inFlight = 0;
  // Since the host was told: what was dropped, and how many more.
  let dropped = [];
  let droppedMore = 0;
  const MOST_DROPPED = 512;
  const LONGEST_TOLD = 8192;

  /** Above the limit requests are dropped when the attribute is processed, not queued, as Chromium did. */
  const requestInBackground = (url, eligibility, surface, referrerPolicy, n) => {
    if (inFlight >= config.limit) {
      if (dropped.length === 0 && droppedMore === 0) soon();
      const text = urlHref(url);
      if (dropped.length >= MOST_DROPPED || text.length > LONGEST_TOLD) droppedMore++;
      else push(dropped, { __proto__: null, surface, url: withoutFragment(text) });
      return;
    }
    inFlight++;
    const done = () => {
      inFlight--;
    };
    const marked = unmarked(urlHref(url)) + marker(eligibility, surface, n);
    const init = { __proto__: null, mode: 'no-cors', credentials: 'include', keepalive: true, referrerPolicy };
    settle(apply(nativeFetch, scope, [marked, init]), done, done);
  };

  const isSpace = (code) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0c || code === 0x0d;

  /** Calls `use` with each of the first `most` tokens between ASCII whitespace. */
  const eachToken = (text, most, use) => {
    let at = 0;
    for (let count = 0; count < most; count++) {
      while (at < text.length && isSpace(charCodeAt(text, at))) at++;
      if (at >= text.length) return;
      const start = at;
      while (at < text.length && !isSpace(charCodeAt(text, at))) at++;
      use(slice(text, start, at));
    }
  };

  // Beyond that all would be dropped; it bounds what a list of a million URLs costs.
  const MOST_URLS = 1024;

  // The tokens are those of the content attribute: the IDL attribute, which the spec splits, is one URL.
  const requestEach = (text, base, eligibility, surface, referrerPolicy, n) =>
    eachToken(text, MOST_URLS, (token) => {
      const url = resolve(token, base);
      if (url && isHttp(url)) requestInBackground(url, eligibility, surface, referrerPolicy, n);
    });

  const POLICIES = {
    __proto__: null,
    'no-referrer': 1, 'no-referrer-when-downgrade': 1, 'same-origin': 1, origin: 1, 'strict-origin': 1,
    'origin-when-cross-origin': 1, 'strict-origin-when-cross-origin': 1, 'unsafe-url': 1,
  };
  const referrerPolicyOf = (element) => {
    const value = getAttribute(element, 'referrerpolicy');
    const policy = value === null ? '' : toLowerCase(value);
    return POLICIES[policy] ? policy : '';
  };

  // ---------------------------------------------------------------------------------------------
  // img and script: created with the attribute, or it is set or changed
  // ---------------------------------------------------------------------------------------------

  /** Elements that have, or had, the attribute; weak, since detached images load too. */
  const sources = new Set();
  const known = new WeakSet();

  /** The attribute was set. In an inert document (of a template, of a parser) nothing is sent. */
  const announce = (element, kind) => {
    const value = getAttribute(element, 'attributionsrc');
    if (value === null) return;
    if (!memberHas(known, element)) {
      memberAdd(known, element);
      setAdd(sources, new WeakRef(element));
    }
    mayLoad(element);
    if (value === '' || defaultView(ownerDocument(element)) === null) return;
    requestEach(value, nodeBase(element), 'event-source-or-trigger', kind, referrerPolicyOf(element));
  };

  // While the host holds a navigation away from this document it cannot ask, but is told: soon after an
  // element got the attribute or another URL, which URLs it may be requesting.
  let changed = new Set();
  const MOST_CHANGED = 256;
  const mayLoad = (element) => {
    const count = setSize(changed);
    if (count === 0) soon();
    if (count < MOST_CHANGED) setAdd(changed, element);
  };
  const tellChanged = () => {
    if (dropped.length > 0 || droppedMore > 0) {
      setPrototypeOf(dropped, null);
      tell({ __proto__: null, type: 'dropped', requests: dropped, more: droppedMore });
      dropped = [];
      droppedMore = 0;
    }
    if (setSize(changed) === 0) return;
    const images = [];
    const scripts = [];
    setForEach(changed, (element) => {
      const kind = localName(element);
      if (hasAttribute(element, 'attributionsrc')) eachUrl(element, kind, (url) => url !== '' && push(kind === 'img' ? images : scripts, url));
    });
    changed = new Set();
    setPrototypeOf(images, null); // JSON must find no `toJSON` of the page's
    setPrototypeOf(scripts, null);
    tell({ __proto__: null, type: 'sources', images, scripts });
  };

  const created = (element) => {
    const kind = sourceKind(element);
    if (kind && !memberHas(known, element)) announce(element, kind);
  };
  const createdIn = (root) => select(root, 'img[attributionsrc],script[attributionsrc]', created);

  /** One observer for the document and all shadow roots: the parser, `document.write`, `innerHTML`. */
  const observer = new MutationObserver((records) => handleRecords(records));
  const observe = method(MutationObserver.prototype, 'observe');
  const takeRecords = method(MutationObserver.prototype, 'takeRecords');
  const addedNodes = property('MutationRecord', 'addedNodes');
  const watched = new WeakSet();
  const shadowRoots = new Set();

  const watch = (root) => {
    if (memberHas(watched, root)) return;
    memberAdd(watched, root);
    observe(observer, root, { __proto__: null, childList: true, subtree: true });
    if (nodeType(root) === 11) setAdd(shadowRoots, new WeakRef(root));
    scan(root);
  };
  const watchInside = (element) => {
    const root = shadowRootOf(element);
    if (root) watch(root); // declarative, or cloned
  };
  const scan = (root) => {
    createdIn(root);
    select(root, '*', watchInside);
  };

  const handleRecords = (records) => {
    if (records.length === 0) return;
    let covered;
    for (let i = 0; i < records.length; i++) {
      each(addedNodes(records[i]), (node) => {
        if (nodeType(node) !== 1) return;
        created(node);
        watchInside(node);
        // What is inserted whole has one record, what is parsed one for each node, which a scan of its
        // ancestor may have seen already. Without this test, nesting would cost its square.
        if (firstChild(node) === null || (covered && contains(covered, node))) return;
        covered = node;
        scan(node);
      });
    }
    reconsider();
  };
  // Before the page's own change of an attribute: what was parsed before comes first.
  const flush = () => handleRecords(takeRecords(observer));

  const isAttribute = (name) => name.length === 14 && toLowerCase(name) === 'attributionsrc';

  /** `setAttribute`-like methods, whose name is argument `at`; `sets` tells whether the call was a change. */
  const settingByName = (at, minimum, sets) => (native) => ({
    method(...args) {
      if (args.length < minimum) return run(native, this, args);
      if (typeof args[at] !== 'string' && typeof args[at] !== 'symbol') {
        if (at === 1 && args[0] !== null && args[0] !== undefined && typeof args[0] !== 'string') args[0] = `${args[0]}`;
        args[at] = `${args[at]}`;
      }
      const kind = typeof args[at] === 'string' && isAttribute(args[at]) ? sourceKind(this) : undefined;
      if (!kind) return run(native, this, args);
      flush();
      const change = sets(this, args);
      const result = run(native, this, args);
      if (change) announce(this, kind);
      return result;
    },
  }).method;
  replace(Element.prototype, 'setAttribute', 'value', settingByName(0, 2, () => true));
  replace(Element.prototype, 'toggleAttribute', 'value', settingByName(0, 1, (element) => !hasAttribute(element, 'attributionsrc')));
  replace(Element.prototype, 'setAttributeNS', 'value', settingByName(1, 3, (_, args) => args[0] === null || args[0] === undefined || args[0] === ''));

  const isOurAttr = (value) => {
    try {
      return nodeType(value) === 2 && isAttribute(attrName(value)); // an exception for each text would be dear
    } catch {
      return false;
    }
  };
  const settingByNode = (native) => ({
    method(...args) {
      if (args.length === 0 || !isOurAttr(args[0])) return run(native, this, args);
      flush();
      const before = attrOwner(args[0]);
      const result = run(native, this, args);
      const element = attrOwner(args[0]);
      const kind = element !== before ? sourceKind(element) : undefined;
      if (kind) announce(element, kind);
      return result;
    },
  }).method;
  replace(Element.prototype, 'setAttributeNode', 'value', settingByNode);
  replace(Element.prototype, 'setAttributeNodeNS', 'value', settingByNode);
  replace(NamedNodeMap.prototype, 'setNamedItem', 'value', settingByNode);
  replace(NamedNodeMap.prototype, 'setNamedItemNS', 'value', settingByNode);

  const settingTheNode = (native) => ({
    set(...args) {
      if (!isOurAttr(this)) return void run(native, this, args);
      flush();
      run(native, this, args);
      const element = attrOwner(this);
      const kind = sourceKind(element);
      if (kind) announce(element, kind);
    },
  }).set;
  replace(Attr.prototype, 'value', 'set', settingTheNode);
  replace(Node.prototype, 'nodeValue', 'set', settingTheNode);
  replace(Node.prototype, 'textContent', 'set', settingTheNode);

  // The IDL attribute, which reflects as a URL.
  for (const type of ['HTMLAnchorElement', 'HTMLAreaElement', 'HTMLImageElement', 'HTMLScriptElement']) {
    replace(scope[type].prototype, 'attributionSrc', 'get', (native) => ({
      get() {
        const value = run(native, this, []);
        if (!hasAttribute(this, 'attributionsrc')) return value;
        const url = resolve(value, nodeBase(this));
        return url ? urlHref(url) : toWellFormed(value);
      },
    }).get);
    replace(scope[type].prototype, 'attributionSrc', 'set', (native) => ({
      set(value) {
        const text = toWellFormed(typeof value === 'string' ? value : `${value}`);
        flush();
        run(native, this, [text]);
        const kind = sourceKind(this);
        if (kind) announce(this, kind);
      },
    }).set);
  }

  // Markup and clones outside the document. Inside it, the observer sees them.
  const mentions = (value) => isObject(value) || (typeof value === 'string' && exec(/attributionsrc/i, value) !== null);
  const parsing = (at, rootOf) => (native) => ({
    method(...args) {
      const looked = args.length > at && mentions(args[at]);
      const root = looked ? rootOf(this) : null; // before the call, which may detach `this`
      const result = run(native, this, args);
      if (root && !isConnected(root) && selectors[nodeType(root)]) scan(root);
      return result;
    },
  }).method;
  const itself = (node) => node;
  const itsParent = (node) => {
    try {
      return parentNode(node) ?? node;
    } catch {
      return null;
    }
  };
  for (const { prototype } of [Element, ShadowRoot]) {
    replace(prototype, 'innerHTML', 'set', parsing(0, itself));
    replace(prototype, 'setHTML', 'value', parsing(0, itself));
    replace(prototype, 'setHTMLUnsafe', 'value', parsing(0, itself));
  }
  replace(Element.prototype, 'outerHTML', 'set', parsing(0, itsParent));
  replace(Element.prototype, 'insertAdjacentHTML', 'value', parsing(1, itsParent));

  const producing = (native) => ({
    method(...args) {
      const result = run(native, this, args);
      const type = nodeType(result);
      if (type === 1) created(result);
      if ((type === 1 || type === 11) && firstChild(result) !== null) createdIn(result);
      return result;
    },
  }).method;
  replace(Range.prototype, 'createContextualFragment', 'value', producing);
  replace(Node.prototype, 'cloneNode', 'value', producing);
  replace(Document.prototype, 'importNode', 'value', producing);

  /** host → closed shadow root, which nothing else leads to. */
  const closedRoots = new WeakMap();
  replace(Element.prototype, 'attachShadow', 'value', (native) => ({
    attachShadow(...args) {
      const root = run(native, this, args);
      if (rootMode(root) === 'closed') {
        weakSet(closedRoots, this, root);
        listenForClicks(root);
      }
      watch(root);
      return root;
    },
  }).attachShadow);
  // A closed root that came with the markup: found when its custom element takes it.
  replace(scope.ElementInternals.prototype, 'shadowRoot', 'get', (native) => ({
    get() {
      const root = run(native, this, []);
      if (root) watch(root);
      return root;
    },
  }).get);

  // The newest scripted images outside the document: with them, the host need not wait for the parser to
  // find out that a request is of a plain one.
  const detachedImages = [];
  let detachedNext = 0;
  const loading = (native) => ({
    set(...args) {
      run(native, this, args);
      if (memberHas(known, this)) mayLoad(this);
      if (isConnected(this)) return;
      const reference = new WeakRef(this);
      if (detachedImages.length < 256) push(detachedImages, reference);
      else detachedImages[detachedNext++ & 255] = reference;
    },
  }).set;
  replace(HTMLImageElement.prototype, 'src', 'set', loading);
  replace(HTMLImageElement.prototype, 'srcset', 'set', loading);
  replace(HTMLScriptElement.prototype, 'src', 'set', (native) => ({
    set(...args) {
      run(native, this, args);
      if (memberHas(known, this)) mayLoad(this);
    },
  }).set);

  // ---------------------------------------------------------------------------------------------
  // Links: spec "follow the hyperlink"
  // ---------------------------------------------------------------------------------------------

  const eventPhase = property('Event', 'eventPhase');
  const isPrevented = property('Event', 'defaultPrevented');
  const composedPath = method(Event.prototype, 'composedPath');
  const buttonOf = property('MouseEvent', 'button');
  const clientX = property('MouseEvent', 'clientX');
  const clientY = property('MouseEvent', 'clientY');
  const clickCount = property('UIEvent', 'detail');
  const { navigator, performance, crypto } = scope;
  const { userActivation } = navigator;
  const readActive = property('UserActivation', 'isActive');
  const isActive = () => readActive(userActivation);
  const readNow = method(Performance.prototype, 'now');
  const now = () => readNow(performance);

  /** Numbers of clicks and opened windows, unique among all documents: 32 random bits, then a count. */
  let lastNumber = crypto.getRandomValues(new Uint32Array(1))[0] * 0x100000;

  // The host holds a navigation's request while a click that began before it has not ended. It cannot ask:
  // the browser delays commands to a page whose navigation is under way.
  const tellBegun = (surface) => {
    const n = ++lastNumber;
    tell({ __proto__: null, type: 'begun', n: '' + n, surface });
    return n;
  };
  /** The number of what happened without user activation. */
  const INACTIVE = 0;
  let toldInactive = 0;
  const MOST_INACTIVE = 64;
  /** What would have been navigated to as a source, had the user wished it. */
  const tellInactive = (surface, url) => {
    if (toldInactive++ < MOST_INACTIVE) tell({ __proto__: null, type: 'inactive', surface, url: withoutFragment(url) });
  };
  /** `url` is what navigation sources may be registered by, null when nothing of the kind followed. */
  const tellEnded = (n, url) => {
    if (n !== INACTIVE) tell({ __proto__: null, type: 'ended', n: '' + n, url });
    else if (url !== null) tellInactive('link', url);
  };

  const TAKES_CLICK = { __proto__: null, checkbox: 1, radio: 1, color: 1, file: 1 };
  const SENDS_FORM = { __proto__: null, submit: 1, image: 1, reset: 1 };
  /** Elements that, inside a link, act on a click themselves, so that the link is not followed (measured). */
  const takesClick = (element, name) => {
    if (name === 'label' || name === 'summary') return true;
    if (name === 'button') return SENDS_FORM[buttonType(element)] === 1 && buttonForm(element) !== null;
    if (name !== 'input') return false;
    const type = inputType(element);
    return TAKES_CLICK[type] === 1 || (SENDS_FORM[type] === 1 && inputForm(element) !== null);
  };

  /** The link that a click with this path follows. */
  const linkIn = (path) => {
    for (let i = 0; i < path.length; i++) {
      try {
        const kind = kindOf(path[i]);
        if ((kind === 'a' || kind === 'area') && hasAttribute(path[i], 'href')) return path[i];
        if (takesClick(path[i], localName(path[i]))) return undefined;
      } catch {
        // A document, a shadow root, the window; an element of another namespace.
      }
    }
    return undefined;
  };

  /** The link in closed shadow roots under the pointer, or with the focus, when the event itself is not let in. */
  const linkInside = (event, host) => {
    const path = [];
    for (let node = host, root; (root = weakGet(closedRoots, node)); ) {
      const inner = clickCount(event) === 0 ? rootActive(root) : elementAt(root, clientX(event), clientY(event));
      if (!inner || inner === node) break;
      node = inner;
      for (let up = inner; up && up !== root; up = parentNode(up)) push(path, up);
    }
    return linkIn(path);
  };

  /** Clicks whose dispatch may still be under way: {event, n, link, href, attributionsrc}. */
  let clicks = [];

  const clicked = (event) => {
    const button = buttonOf(event);
    if (button !== 0 && button !== 1) return;
    const path = composedPath(event);
    for (let i = 0; i < clicks.length; i++) {
      if (clicks[i].event !== event) continue;
      clicks[i].link = linkIn(path); // inside a closed root the path is longer than at the window
      return;
    }
    const isClosed = path.length > 0 && weakHas(closedRoots, path[0]);
    const link = (isClosed && linkInside(event, path[0])) || linkIn(path);
    const active = isActive();
    // Without activation nothing can be registered, which is told only of links that are to register something.
    if (active ? !(link || isClosed) : !link || !hasAttribute(link, 'attributionsrc')) return;
    push(clicks, { event, n: active ? tellBegun('link') : INACTIVE, link, href: undefined, attributionsrc: undefined });
    addListener(scope, 'click', bubbled);
    addListener(scope, 'auxclick', bubbled);
    soon();
  };

  // The last listener, if nobody stopped the event. A plain link is done with here, so that its navigation
  // is not held; of others the URL is read, which after script's own `link.click()` the page may change.
  const bubbled = (event) => {
    removeListener(scope, 'click', bubbled);
    removeListener(scope, 'auxclick', bubbled);
    const all = clicks;
    clicks = [];
    for (let i = 0; i < all.length; i++) {
      const click = all[i];
      if (click.event === event && click.link) {
        click.href = hrefOf[localName(click.link)](click.link);
        click.attributionsrc = getAttribute(click.link, 'attributionsrc');
      }
      if (click.event === event && (!click.link || click.attributionsrc === null)) tellEnded(click.n, null);
      else push(clicks, click);
    }
  };

  /** Decides about the clicks whose dispatch is over; only then nobody can prevent them any more. */
  const settleClicks = () => {
    const all = clicks;
    clicks = [];
    for (let i = 0; i < all.length; i++) {
      if (eventPhase(all[i].event) === 0) settleClick(all[i]);
      else push(clicks, all[i]);
    }
  };
  const settleClick = ({ event, n, link, href, attributionsrc }) => {
    if (!link || isPrevented(event) || isEditable(link)) return tellEnded(n, null);
    const sources = href === undefined ? getAttribute(link, 'attributionsrc') : attributionsrc;
    const url = resolve(href ?? hrefOf[localName(link)](link));
    if (sources === null || !url) return tellEnded(n, null);
    // A download is no navigation. Across origins the browser navigates in spite of the attribute.
    const isLocal = !isHttp(url) || urlOrigin(url) === urlOrigin(resolve(baseOrUrl()));
    if (hasAttribute(link, 'download') && isLocal) return tellEnded(n, null);
    tellEnded(n, urlHref(url));
    if (n === INACTIVE) return undefined;
    let policy = referrerPolicyOf(link);
    eachToken(toLowerCase(getAttribute(link, 'rel') ?? ''), 64, (token) => {
      if (token === 'noreferrer') policy = 'no-referrer';
    });
    requestEach(sources, nodeBase(link), 'navigation-source', 'link', policy, n);
    return undefined;
  };
  const baseOrUrl = () => (startsWith(documentUrl(document), 'http') ? documentUrl(document) : baseUrl());

  const listenForClicks = (target) => {
    addListener(target, 'click', clicked, true);
    addListener(target, 'auxclick', clicked, true);
  };

  // A task of its own, as soon as possible, that neither timers' throttling nor the page delays.
  const { port1, port2 } = new MessageChannel();
  const postMessage = method(MessagePort.prototype, 'postMessage');
  const soon = () => postMessage(port1, null);
  port2.onmessage = () => {
    settleClicks();
    arm();
    tellChanged();
  };

  // A link outside the document navigates too, but its events do not pass the window.
  replace(HTMLElement.prototype, 'click', 'value', (native) => ({
    click(...args) {
      let target;
      try {
        if (hrefOf[kindOf(this)] && !isConnected(this)) target = this;
      } catch {
        // No element: native code throws.
      }
      if (!target) return run(native, this, args);
      addListener(target, 'click', clicked, true);
      run(native, this, args);
      removeListener(target, 'click', clicked, true);
      settleClicks();
      return undefined;
    },
  }).click);

  // ---------------------------------------------------------------------------------------------
  // Spec: window open steps
  // ---------------------------------------------------------------------------------------------

  const isFeatureSeparator = (code) => isSpace(code) || code === 0x3d || code === 0x2c;

  /**
   * Spec: tokenize the features argument. `values` are those of `attributionsrc`, in their own case, or
   * undefined without it; `rest` is the text without it. A comma in its place keeps its neighbours apart;
   * a window whose only feature it was is no popup, as in Chromium.
   */
  const splitFeatures = (features) => {
    let values;
    let noopener = false;
    let noreferrer = false;
    let rest = '';
    let copied = 0;
    let at = 0;
    const code = () => charCodeAt(features, at);
    const isIn = () => at < features.length;
    while (isIn()) {
      while (isIn() && isFeatureSeparator(code())) at++;
      const start = at;
      while (isIn() && !isFeatureSeparator(code())) at++;
      const name = toLowerCase(slice(features, start, at));
      let end = at;
      while (isIn() && isSpace(code())) at++;
      let value = '';
      if (isIn() && code() === 0x3d) {
        while (isIn() && code() !== 0x2c && isFeatureSeparator(code())) at++;
        const valueStart = at;
        while (isIn() && !isFeatureSeparator(code())) at++;
        value = slice(features, valueStart, at);
        end = at;
      }
      if (name === 'noopener') noopener ||= !isFalse(value);
      if (name === 'noreferrer') noreferrer ||= !isFalse(value);
      if (name !== 'attributionsrc') continue;
      values ??= [];
      if (value !== '' && values.length < MOST_URLS) push(values, value);
      rest += slice(features, copied, start) + ',';
      copied = end;
    }
    return { values, rest: rest + slice(features, copied), isSilent: noopener || noreferrer, noreferrer };
  };
  const isFalse = (value) => value === '0' || toLowerCase(value) === 'no' || toLowerCase(value) === 'false';

  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const encoder = new TextEncoder();
  const decode = method(TextDecoder.prototype, 'decode');
  const encode = method(TextEncoder.prototype, 'encode');
  const { DataView } = scope;
  const arrayLength = getter(Uint8Array.prototype, 'length');
  const bufferOf = getter(Uint8Array.prototype, 'buffer');
  const offsetOf = getter(Uint8Array.prototype, 'byteOffset');
  const hexValue = (code) => {
    if (code >= 0x30 && code <= 0x39) return code - 0x30;
    const lower = code | 0x20;
    return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
  };

  /** Spec: the UTF-8 decode without BOM of the percent-decoded value. */
  const percentDecoded = (text) => {
    const bytes = encode(encoder, text);
    let length = 0;
    for (let i = 0, n = arrayLength(bytes); i < n; i++) {
      const high = bytes[i] === 0x25 && i + 2 < n ? hexValue(bytes[i + 1]) : -1;
      const low = high < 0 ? -1 : hexValue(bytes[i + 2]);
      bytes[length++] = low < 0 ? bytes[i] : 16 * high + low;
      if (low >= 0) i += 2;
    }
    return decode(decoder, new DataView(bufferOf(bytes), offsetOf(bytes), length));
  };

  const opening = (native) => ({
    open(...args) {
      if (args.length < 3 || args[2] === undefined || args[2] === null) return run(native, this, args);
      for (let i = 0; i < 3; i++) if (args[i] !== undefined && typeof args[i] !== 'string') args[i] = `${args[i]}`;
      const { values, rest, isSilent, noreferrer } = splitFeatures(args[2]);
      if (!values) return run(native, this, args);
      args[2] = rest;
      const active = isActive(); // before the call, which consumes it
      const base = baseUrl();
      const n = active ? tellBegun('window') : 0;
      let opened;
      try {
        opened = run(native, this, args);
      } catch (error) {
        if (active) tellEnded(n, null);
        throw error;
      }
      const url = args[0] === undefined || args[0] === '' ? undefined : resolve(args[0], base);
      if (!active) {
        if (url && isHttp(url)) tellInactive('window', urlHref(url));
        return opened;
      }
      const isOpen = opened !== null || isSilent;
      tellEnded(n, isOpen && url ? urlHref(url) : null);
      if (!isOpen) return opened;
      for (let i = 0; i < values.length; i++) {
        const source = resolve(percentDecoded(values[i]), base);
        if (source && isHttp(source)) requestInBackground(source, 'navigation-source', 'window', noreferrer ? 'no-referrer' : '', n);
      }
      return opened;
    },
  }).open;
  replace(scope, 'open', 'value', opening);

  // `document.open` with three arguments is `window.open`. The other takes away all listeners, ours too.
  replace(Document.prototype, 'open', 'value', (native) => {
    const asWindow = opening(native);
    return {
      open(...args) {
        const result = args.length > 2 ? apply(asWindow, this, args) : run(native, this, args);
        arm();
        return result;
      },
    }.open;
  });
  const writing = (native) => ({
    method(...args) {
      run(native, this, args);
      arm();
    },
  }).method;
  replace(Document.prototype, 'write', 'value', writing);
  replace(Document.prototype, 'writeln', 'value', writing);

  // ---------------------------------------------------------------------------------------------
  // The host's questions (probe.js)
  // ---------------------------------------------------------------------------------------------

  /** Calls `use` with every URL that the element may request, without fragments. */
  const eachUrl = (element, kind, use) => {
    if (kind === 'script') return use(withoutFragment(scriptSrc(element)));
    use(withoutFragment(imageCurrentSrc(element)));
    use(withoutFragment(imageSrc(element)));
    const base = nodeBase(element);
    const candidates = (from) => eachCandidate(getAttribute(from, 'srcset') ?? '', base, use);
    candidates(element);
    const parent = parentNode(element);
    if (parent && nodeType(parent) === 1 && localName(parent) === 'picture') select(parent, 'source[srcset]', candidates);
    return undefined;
  };

  /** HTML: parse a srcset attribute, as far as URLs go. */
  const eachCandidate = (srcset, base, use) => {
    let at = 0;
    for (let count = 0; count < 64; count++) {
      while (at < srcset.length && (isSpace(charCodeAt(srcset, at)) || charCodeAt(srcset, at) === 0x2c)) at++;
      if (at >= srcset.length) return;
      const start = at;
      while (at < srcset.length && !isSpace(charCodeAt(srcset, at))) at++;
      let end = at;
      while (charCodeAt(srcset, end - 1) === 0x2c) end--;
      const url = resolve(slice(srcset, start, end), base);
      if (url) use(withoutFragment(urlHref(url)));
      if (end < at) continue;
      for (let depth = 0; at < srcset.length; at++) {
        const code = charCodeAt(srcset, at);
        if (code === 0x28) depth++;
        else if (code === 0x29) depth--;
        else if (code === 0x2c && depth <= 0) break;
      }
    }
  };

  /** Scripts that an answer was about: another request of the same URL is another element's. */
  const answered = new WeakSet();
  const isBusy = (element, kind) => (kind === 'img' ? !imageComplete(element) : !memberHas(answered, element));

  /** The likelier requester of two: one that still loads, then the first one in the tree. */
  const likelier = (a, b, kind) => {
    if (!a) return b;
    const busy = isBusy(a, kind);
    if (busy !== isBusy(b, kind)) return busy ? a : b;
    return (comparePosition(a, b) & PRECEDING) !== 0 ? b : a;
  };
  const PRECEDING = 2; // Node.DOCUMENT_POSITION_PRECEDING

  /** Writes "y" or "n" into each undecided ask whose element is there; returns how many are left. */
  const decide = (asks) => {
    /** kind + URL → the likeliest element so far, undefined before one is found. */
    const wanted = new Map();
    for (let i = 0; i < asks.length; i++) if (asks[i].verdict === '') mapSet(wanted, asks[i].kind + asks[i].url, undefined);
    const consider = (element) => {
      const kind = localName(element);
      eachUrl(element, kind, (url) => {
        const key = kind + url;
        if (mapHas(wanted, key)) mapSet(wanted, key, likelier(mapGet(wanted, key), element, kind));
      });
    };
    const considerPlain = (element) => {
      if (sourceKind(element) && !hasAttribute(element, 'attributionsrc')) consider(element);
    };
    const considerReference = (reference) => {
      const element = deref(reference);
      if (!element) setDelete(sources, reference);
      else if (hasAttribute(element, 'attributionsrc')) consider(element);
    };
    setForEach(sources, considerReference);
    const considerRoot = (root) => {
      select(root, 'img:not([attributionsrc]),script[src]:not([attributionsrc])', considerPlain);
    };
    considerRoot(document);
    setForEach(shadowRoots, (reference) => {
      const root = deref(reference);
      if (root) considerRoot(root);
      else setDelete(shadowRoots, reference);
    });
    for (let i = 0; i < detachedImages.length; i++) {
      const element = deref(detachedImages[i]);
      if (element) considerPlain(element);
    }
    let left = 0;
    for (let i = 0; i < asks.length; i++) {
      const ask = asks[i];
      if (ask.verdict !== '') continue;
      const element = mapGet(wanted, ask.kind + ask.url);
      if (!element) {
        left++;
        continue;
      }
      memberAdd(answered, element);
      ask.verdict = hasAttribute(element, 'attributionsrc') ? 'y' : 'n';
    }
    return left;
  };

  /** Questions that wait for the parser: the preload scanner requests what is not in the document yet. */
  const waiting = new Set();
  const reconsider = () => {
    if (setSize(waiting) === 0) return;
    const isOver = readyStateOf(document) !== 'loading';
    setForEach(waiting, (question) => {
      if (decide(question.asks) === 0 || isOver) question.finish('n');
    });
  };

  /** `text` is JSON: {id, images: [url], scripts: [url], wait: ms}. */
  const answer = (text) => {
    const { id, images, scripts, wait } = parse(text);
    dispatch(scope, new CustomEvent(config.secret + id, { __proto__: null, detail: null })); // heard
    arm();
    flush();
    settleClicks();
    const asks = [];
    for (let i = 0; i < images.length; i++) push(asks, { kind: 'img', url: images[i], verdict: '' });
    for (let i = 0; i < scripts.length; i++) push(asks, { kind: 'script', url: scripts[i], verdict: '' });
    let isFinished = false;
    const question = {
      asks,
      finish(rest) {
        if (isFinished) return;
        isFinished = true;
        setDelete(waiting, question);
        let verdicts = '';
        for (let i = 0; i < asks.length; i++) verdicts += asks[i].verdict || rest;
        const body = {
          __proto__: null,
          images: slice(verdicts, 0, images.length),
          scripts: slice(verdicts, images.length),
        };
        dispatch(scope, new CustomEvent(config.secret + id, { __proto__: null, detail: stringify(body) }));
      },
    };
    if (asks.length === 0 || decide(asks) === 0 || readyStateOf(document) !== 'loading') {
      question.finish('n');
      return;
    }
    setAdd(waiting, question);
    apply(setTimeout, scope, [() => question.finish('?'), wait]);
  };

  const { CustomEvent, setTimeout } = scope;
  const eventDetail = property('CustomEvent', 'detail');

  const hear = (event) => {
    const detail = eventDetail(event);
    if (typeof detail === 'string') answer(detail);
    else if (isObject(detail)) detail.disguises = disguises; // from a frame or popup that has just started
  };

  // A frame's first document (about:blank) may hand its window, with this script in it, to the next one.
  let current;
  const arm = () => {
    listenForClicks(scope);
    addListener(scope, config.secret, hear, true);
    addListener(scope, 'pagehide', soon, true);
    addListener(scope, 'readystatechange', reconsiderAll, true);
    if (current === document) return;
    current = document;
    watch(current);
  };
  const reconsiderAll = () => {
    arm();
    flush();
    reconsider();
    if (readyStateOf(document) === 'interactive') tellSwallowing();
  };

  // HTML knows no `<script … />`: the markup after it is the script's text, up to the next end tag.
  const MOST_SWALLOWING = 64;
  const tellSwallowing = () => {
    let count = 0;
    setForEach(sources, (reference) => {
      const script = deref(reference);
      if (!script || count >= MOST_SWALLOWING || localName(script) !== 'script' || !hasAttribute(script, 'attributionsrc')) return;
      if (exec(/^\s*</, textOf(script)) === null || exec(/^\s*<!--/, textOf(script)) !== null) return;
      count++;
      let url = scriptSrc(script);
      eachToken(getAttribute(script, 'attributionsrc'), 1, (token) => {
        const first = resolve(token, nodeBase(script));
        if (url === '' && first) url = urlHref(first);
      });
      tell({ __proto__: null, type: 'swallowing', url: withoutFragment(url === '' ? documentUrl(document) : url) });
    });
  };
  arm();
}
