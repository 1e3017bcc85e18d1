// Where the API is: the two public environments by name, or any base URL (a Bellhop service, a proxy). Builds the
// absolute URL of a call and refuses everything that a URL parser would rewrite, because the signature covers path and
// query as they go over the wire.

const environments = { sandbox: 'https://sandbox.upvest.co', live: 'https://api.upvest.co' } as const;

export type Environment = keyof typeof environments;

export interface BaseUrl {
  readonly origin: string;
  /** Path that precedes every operation, without a slash at the end; usually empty. */
  readonly prefix: string;
  /** True for Upvest itself, which ignores idempotency keys on webhook operations. */
  readonly upvest: boolean;
}

export function baseUrlOf(given: string): BaseUrl {
  const text = given === 'sandbox' || given === 'live' ? environments[given] : given;
  if (!URL.canParse(text))
    throw new TypeError(`baseUrl must be a URL, "sandbox" or "live", not ${JSON.stringify(given)}`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new TypeError('baseUrl must be an http or https URL');
  if (url.username !== '' || url.password !== '')
    throw new TypeError('baseUrl must not contain a user name or password');
  if (url.search !== '' || url.hash !== '') throw new TypeError('baseUrl must not contain a query or a fragment');
  return {
    origin: url.origin,
    prefix: url.pathname.replace(/\/+$/, ''),
    upvest: url.hostname === 'upvest.co' || url.hostname.endsWith('.upvest.co'),
  };
}

export type QueryValue = string | number | boolean | undefined;

export function urlOf(base: BaseUrl, path: string, query: Readonly<Record<string, QueryValue>> = {}): URL {
  if (!path.startsWith('/') || path.startsWith('//'))
    throw new TypeError(`path must start with one "/": ${JSON.stringify(path)}`);
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const target = `${base.prefix}${path}`;
  const url = new URL(`${base.origin}${target}${search.size === 0 ? '' : `?${search}`}`);
  if (url.origin !== base.origin || url.pathname !== target || url.hash !== '') {
    throw new TypeError(
      `path must be a plain absolute path without query, fragment or dot segments: ${JSON.stringify(path)}`,
    );
  }
  return url;
}

/** An id as one path segment. */
export function segment(id: string, name: string): string {
  if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{1,200}$/.test(id)) {
    throw new TypeError(`${name} must be an id such as a UUID, not ${JSON.stringify(id)}`);
  }
  return id;
}
