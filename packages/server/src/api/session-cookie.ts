// The cookies of the dashboard: an operator's session, and a tenant link that was opened. Not readable by scripts, never
// sent by other sites, `Secure` where the page is https. A link's cookie goes to the tenant's pages only.

import { sessionCookie } from './operator-access.ts';

export const sessionSeconds = 12 * 60 * 60;
export const viewCookie = 'bellhop_view';

export function newSessionCookie(secret: string, isHttps: boolean): string {
  return `${sessionCookie}=${secret}; Path=/; ${attributes}; Max-Age=${sessionSeconds}${isHttps ? '; Secure' : ''}`;
}

export function clearedCookie(): string {
  return `${sessionCookie}=; Path=/; ${attributes}; Max-Age=0`;
}

/** Ends with the link. */
export function newViewCookie(secret: string, maxAgeSeconds: number, isHttps: boolean): string {
  return `${viewCookie}=${secret}; Path=/view; ${attributes}; Max-Age=${maxAgeSeconds}${isHttps ? '; Secure' : ''}`;
}

export function clearedViewCookie(): string {
  return `${viewCookie}=; Path=/view; ${attributes}; Max-Age=0`;
}

const attributes = 'HttpOnly; SameSite=Strict';
