// Who the operator is: the configured token (admin), a token of the database with its role, or a dashboard session in a
// cookie. Secrets are compared in constant time, those of the database by their SHA-256. A session ends with the token that it
// rests on, which is asked for at each call, and when it is unused; every call of its page is use, also one that the page
// makes by itself.
//
// A cookie is sent by the browser whoever asks, so a call that rests on it must come from our own page: SameSite=Strict
// keeps other sites out, and `sec-fetch-site` (or `origin`, where a browser lacks it) other origins of the same site, such
// as another port of localhost.

import { hashConfiguredToken, hashToken, isSameSecret } from '../keys/client-secrets.ts';
import {
  findOperatorSession,
  findOperatorToken,
  noteOperatorSessionUsed,
  type OperatorRole,
  type OperatorSessionRow,
  operatorRoles,
  type SessionCheck,
  type TokenCheck,
} from '../store/operator-access.ts';
import type { ApiDependencies } from './dependencies.ts';
import { problem } from './problem.ts';
import type { Answer, Route } from './route.ts';
import { readSessionCookie } from './session-cookie.ts';

export interface Operator {
  /** For the audit trail: `operator`, or `operator:<name>` for a token of the database. */
  readonly actor: string;
  readonly role: OperatorRole;
  /** The token of the database that it rests on; undefined: the configured one. */
  readonly tokenId: string | undefined;
  /** When a session ends; undefined for a bearer token. */
  readonly sessionUntil: Date | undefined;
  readonly sessionId?: string;
}

export type ProvedOperator =
  | { readonly ok: true; readonly operator: Operator }
  | { readonly ok: false; readonly answer: Answer };

export type OperatorAccess = Pick<ApiDependencies, 'database' | 'config' | 'now'>;

export const defaultSessionIdleMinutes = 30;
/** A session's last use is written no more often. */
const noteEveryMs = 60_000;

export function tokenCheck({ config, now }: Pick<OperatorAccess, 'config' | 'now'>): TokenCheck {
  return { now: new Date(now()), configuredHash: hashConfiguredToken(config.operatorToken) };
}

export function sessionCheck(access: OperatorAccess): SessionCheck {
  const idleMs = (access.config.sessionIdleMinutes ?? defaultSessionIdleMinutes) * 60_000;
  const check = tokenCheck(access);
  return { ...check, usedAfter: new Date(check.now.getTime() - idleMs) };
}

export function findSession(access: OperatorAccess, secret: string): Promise<OperatorSessionRow | undefined> {
  return findOperatorSession(access.database, hashToken(secret), sessionCheck(access));
}

const refuse = (detail: string): ProvedOperator => ({ ok: false, answer: problem('unauthorised', detail) });

export async function proveOperator(
  access: OperatorAccess,
  request: { readonly method: string; readonly headers: Headers },
): Promise<ProvedOperator> {
  const { database, config, now } = access;
  const authorization = request.headers.get('authorization');
  if (authorization === null) {
    const secret = readSessionCookie(request.headers, config.publicUrl);
    if (secret === undefined) return refuse('authorization: is required');
    if (!isOwnPage(request)) return refuse('A session is good for calls of the dashboard itself only');
    const session = await findSession(access, secret);
    if (!session) return refuse('The session has ended: sign in again');
    const { id: sessionId, actor, role, token_id: tokenId, expires_at: sessionUntil } = session;
    if (now() - session.last_used_at.getTime() >= noteEveryMs) {
      await noteOperatorSessionUsed(database, sessionId, new Date(now()));
    }
    return { ok: true, operator: { actor, role, tokenId: tokenId ?? undefined, sessionUntil, sessionId } };
  }
  if (!authorization.startsWith('Bearer ')) return refuse('authorization: must be Bearer and a token');
  const token = authorization.slice('Bearer '.length);
  if (isSameSecret(token, config.operatorToken)) {
    return { ok: true, operator: { actor: 'operator', role: 'admin', tokenId: undefined, sessionUntil: undefined } };
  }
  const known = await findOperatorToken(database, hashToken(token), new Date(now()));
  if (!known) return refuse('authorization: is not an operator token');
  const { name, role, id: tokenId } = known;
  return { ok: true, operator: { actor: `operator:${name}`, role, tokenId, sessionUntil: undefined } };
}

/** Reading needs `read`, anything else `operate`, unless the route says so itself. */
export function neededRole({ method, role }: Pick<Route, 'method' | 'role'>): OperatorRole {
  return role ?? (method === 'GET' ? 'read' : 'operate');
}

export function mayCall(role: OperatorRole, needed: OperatorRole): boolean {
  return operatorRoles.indexOf(role) >= operatorRoles.indexOf(needed);
}

export function isOwnPage({ method, headers }: { readonly method: string; readonly headers: Headers }): boolean {
  const isReading = method === 'GET' || method === 'HEAD';
  const site = headers.get('sec-fetch-site');
  // `none`: typed into the address bar, which cannot change anything.
  if (site !== null) return site === 'same-origin' || (site === 'none' && isReading);
  const origin = headers.get('origin');
  if (origin === null) return isReading;
  return URL.canParse(origin) && new URL(origin).host === headers.get('host');
}
