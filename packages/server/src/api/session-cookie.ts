// The cookies of the dashboard: an operator's session, and a tenant link that was opened. Not readable by scripts, never
// sent by other sites. Where the page is https they are `Secure` and their names say so by a prefix, so that no other host of
// the site and no page without https can set them; a cookie without the prefix counts for nothing there. A link's cookie goes
// to the tenant's pages only.

const sessionCookie = 'bellhop_session';
const viewCookie = 'bellhop_view';

/** Ends with the session. */
export function newSessionCookie(secret: string, maxAgeSeconds: number, isHttps: boolean): string {
  const [prefix, secure] = isHttps ? ['__Host-', '; Secure'] : ['', ''];
  return `${prefix}${sessionCookie}=${secret}; Path=/; ${attributes}; Max-Age=${maxAgeSeconds}${secure}`;
}

export function readSessionCookie(headers: Headers, publicUrl: string): string | undefined {
  return readOwnCookie(headers, publicUrl, '__Host-', sessionCookie);
}

/** Of the one that the browser sent. */
export function clearedCookie(headers: Headers): string {
  const isPrefixed = readCookie(headers, `__Host-${sessionCookie}`) !== undefined;
  const [prefix, secure] = isPrefixed ? ['__Host-', '; Secure'] : ['', ''];
  return `${prefix}${sessionCookie}=; Path=/; ${attributes}; Max-Age=0${secure}`;
}

/** Ends with the link. */
export function newViewCookie(secret: string, maxAgeSeconds: number, isHttps: boolean): string {
  // `__Host-` would demand the path of the whole host.
  const [prefix, secure] = isHttps ? ['__Secure-', '; Secure'] : ['', ''];
  return `${prefix}${viewCookie}=${secret}; Path=/view; ${attributes}; Max-Age=${maxAgeSeconds}${secure}`;
}

export function readViewCookie(headers: Headers, publicUrl: string): string | undefined {
  return readOwnCookie(headers, publicUrl, '__Secure-', viewCookie);
}

export function clearedViewCookie(headers: Headers): string {
  const isPrefixed = readCookie(headers, `__Secure-${viewCookie}`) !== undefined;
  const [prefix, secure] = isPrefixed ? ['__Secure-', '; Secure'] : ['', ''];
  return `${prefix}${viewCookie}=; Path=/view; ${attributes}; Max-Age=0${secure}`;
}

/** Whether the browser speaks https, to us or to the proxy in front. */
export function isHttpsCall(headers: Headers, publicUrl: string): boolean {
  if (headers.get('x-forwarded-proto') === 'https') return true;
  const url = URL.canParse(publicUrl) ? new URL(publicUrl) : undefined;
  return url?.protocol === 'https:' && url.host === headers.get('host');
}

function readOwnCookie(headers: Headers, publicUrl: string, prefix: string, name: string): string | undefined {
  const prefixed = readCookie(headers, `${prefix}${name}`);
  if (prefixed !== undefined || isHttpsCall(headers, publicUrl)) return prefixed;
  return readCookie(headers, name);
}

function readCookie(headers: Headers, name: string): string | undefined {
  for (const pair of (headers.get('cookie') ?? '').split(';')) {
    const mark = pair.indexOf('=');
    if (mark !== -1 && pair.slice(0, mark).trim() === name) return pair.slice(mark + 1).trim();
  }
  return undefined;
}

const attributes = 'HttpOnly; SameSite=Strict';
