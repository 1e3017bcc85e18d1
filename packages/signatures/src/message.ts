// The HTTP message as signing sees it, whoever holds it (fetch, node:http, a lambda): method, raw path, raw query,
// headers, raw body bytes. `readMessage` copies the caller's headers once into a map of lower-case names, with outer
// white space removed and repeated lines joined by ', ' (contract: "Components", values). It judges nothing.

/** `Headers`, `[name, value]` pairs (repeats allowed), or an object as `node:http` has it. */
export type HeaderSource =
  | Headers
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface HttpMessage {
  readonly method: string;
  /** Raw path of the request target as sent; '' means '/'. */
  readonly path: string;
  /** Raw query without the '?', undefined when there is none. */
  readonly query?: string | undefined;
  readonly headers: HeaderSource;
  /** Raw bytes, before any parsing or decoding. */
  readonly body?: Uint8Array | undefined;
}

/** A snapshot of a message; `headers` has lower-case names and combined values. */
export interface MessageView {
  readonly method: string;
  readonly path: string;
  readonly query: string | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

const noBytes = new Uint8Array(0);

function isIterable(headers: HeaderSource): headers is Headers | Iterable<readonly [string, string]> {
  return Symbol.iterator in headers;
}

function* headerLines(headers: HeaderSource): Generator<readonly [string, string]> {
  if (isIterable(headers)) {
    yield* headers;
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    for (const line of typeof value === 'string' ? [value] : value) yield [name, line];
  }
}

/** Removes what HTTP calls optional white space: spaces and tabs, nothing else. */
export function trimOptionalWhiteSpace(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, '');
}

// ASCII only: String.prototype.toLowerCase would turn a Kelvin sign into a 'k', and 'ß'.toUpperCase() into 'SS'.
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

function readHeaders(source: HeaderSource): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, line] of headerLines(source)) {
    if (typeof name !== 'string' || typeof line !== 'string')
      throw new TypeError('Header names and values are strings');
    const key = lowerAscii(name);
    const value = trimOptionalWhiteSpace(line);
    const earlier = headers.get(key);
    headers.set(key, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return headers;
}

export function readMessage(message: HttpMessage): MessageView {
  const { method, path, query, body = noBytes } = message;
  if (typeof method !== 'string' || typeof path !== 'string') throw new TypeError('method and path are strings');
  if (query !== undefined && typeof query !== 'string') throw new TypeError('query is a string or undefined');
  if (!(body instanceof Uint8Array)) throw new TypeError('body is a Uint8Array or undefined');
  return {
    method: upperAscii(method),
    path: path === '' ? '/' : path,
    query,
    headers: readHeaders(message.headers),
    body,
  };
}

/**
 * Path and query of a request target. A `URL` or an absolute http(s) URL gives what `fetch` puts on the wire; any
 * other text is taken as the raw target of a request line (`/webhooks?limit=2`) and only cut at the first '?'.
 * Never throws for a received target.
 */
export function messageTarget(url: string | URL): { path: string; query: string | undefined } {
  if (typeof url === 'string' && !(/^https?:\/\//i.test(url) && URL.canParse(url))) {
    const mark = url.indexOf('?');
    if (mark === -1) return { path: url, query: undefined };
    return { path: url.slice(0, mark), query: url.slice(mark + 1) };
  }
  const { pathname, search } = new URL(url);
  return { path: pathname, query: search === '' ? undefined : search.slice(1) };
}
