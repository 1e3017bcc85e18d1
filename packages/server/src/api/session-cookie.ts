// The cookie of a dashboard session: not readable by scripts, never sent by other sites, `Secure` where the page is https.

import { sessionCookie } from './operator-access.ts';

export const sessionSeconds = 12 * 60 * 60;

export function newSessionCookie(secret: string, isHttps: boolean): string {
  return `${sessionCookie}=${secret}; ${attributes}; Max-Age=${sessionSeconds}${isHttps ? '; Secure' : ''}`;
}

export function clearedCookie(): string {
  return `${sessionCookie}=; ${attributes}; Max-Age=0`;
}

const attributes = 'Path=/; HttpOnly; SameSite=Strict';
