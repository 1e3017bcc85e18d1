// Operator tokens, sign-in links and dashboard sessions at rest: only the SHA-256 of each secret, with the role and the
// name it acts under. A link becomes a session once; a session ends with its time, when unused, by signing out, when somebody
// ends it, or with its token: one of the database when that is deleted or has expired, the configured one, of which a hash is
// kept here, when it changes.

import type { Queryable } from './database.ts';

export const operatorRoles = ['read', 'operate', 'admin'] as const;
export type OperatorRole = (typeof operatorRoles)[number];

export interface OperatorTokenRow {
  readonly id: string;
  readonly name: string;
  readonly role: OperatorRole;
  readonly expires_at: Date | null;
  readonly created_at: Date;
}

export interface OperatorSessionRow {
  readonly actor: string;
  readonly role: OperatorRole;
  readonly token_id: string | null;
  readonly expires_at: Date;
  /** No secret. */
  readonly id: string;
  readonly created_at: Date;
  /** About a minute exact. */
  readonly last_used_at: Date;
}

/** Which tokens are good: those of the database that have not expired at `now`, and the configured one with this hash. */
export interface TokenCheck {
  readonly now: Date;
  readonly configuredHash: Uint8Array;
}

/** Which sessions are good: those of a good token, neither over at `now` nor last used at `usedAfter` or before. */
export interface SessionCheck extends TokenCheck {
  readonly usedAfter: Date;
}

/** A page of a list in the order of `created_at` and id. */
export interface ListPage {
  readonly limit: number;
  /** The last row of the page before. */
  readonly after?: { readonly createdAt: Date; readonly id: string } | undefined;
}

/** Whose sessions: everybody's, or those that rest on one token. */
export type SessionOwner = 'anyone' | { readonly tokenId: string | undefined };

export interface NewOperatorSession {
  readonly hash: Uint8Array;
  readonly kind: 'link' | 'session';
  readonly actor: string;
  readonly role: OperatorRole;
  /** What it rests on; undefined: the configured token. */
  readonly tokenId: string | undefined;
  readonly configuredHash: Uint8Array;
  /** Earlier when its token ends earlier. */
  readonly expiresAt: Date;
  readonly now: Date;
}

/** SQL for the rows of sessions and tenant links, which keep `token_id` or `configured_hash`. Neither: no token is good. */
export const restsOnGoodToken = (now: string, configuredHash: string): string =>
  `case when token_id is null then configured_hash = ${configuredHash}::bytea else exists (
     select from operator_tokens t where t.id = token_id and (t.expires_at is null or t.expires_at > ${now})) end`;

/** SQL: the time, or the token's end when that is earlier. `least` passes over nulls. */
export const noLaterThanToken = (time: string, tokenId: string): string =>
  `least(${time}::timestamptz, (select t.expires_at from operator_tokens t where t.id = ${tokenId}::uuid))`;

const sessionColumns = 'id, actor, role, token_id, expires_at, created_at, last_used_at';
const tokenColumns = 'id, name, role, expires_at, created_at';

/** Undefined when the name is taken. */
export async function insertOperatorToken(
  db: Queryable,
  token: {
    readonly id: string;
    readonly name: string;
    readonly role: OperatorRole;
    readonly hash: Uint8Array;
    readonly expiresAt: Date | undefined;
    readonly now: Date;
  },
): Promise<OperatorTokenRow | undefined> {
  const [row] = await db.query<OperatorTokenRow>(
    `insert into operator_tokens (id, name, role, token_hash, expires_at, created_at)
     values ($1, $2, $3, $4, $5, $6) on conflict (name) do nothing returning ${tokenColumns}`,
    [token.id, token.name, token.role, token.hash, token.expiresAt ?? null, token.now],
  );
  return row;
}

/** Undefined for a token that is unknown or has expired. */
export async function findOperatorToken(
  db: Queryable,
  hash: Uint8Array,
  now: Date,
): Promise<OperatorTokenRow | undefined> {
  const [row] = await db.query<OperatorTokenRow>(
    `select ${tokenColumns} from operator_tokens where token_hash = $1 and (expires_at is null or expires_at > $2)`,
    [hash, now],
  );
  return row;
}

/** Oldest first. */
export async function listOperatorTokens(db: Queryable, { limit, after }: ListPage): Promise<OperatorTokenRow[]> {
  return db.query<OperatorTokenRow>(
    `select ${tokenColumns} from operator_tokens
     where $1::timestamptz is null or (created_at, id) > ($1::timestamptz, $2::uuid)
     order by created_at, id limit $3`,
    [after?.createdAt ?? null, after?.id ?? null, limit],
  );
}

export async function deleteOperatorToken(db: Queryable, id: string): Promise<OperatorTokenRow | undefined> {
  const [row] = await db.query<OperatorTokenRow>(
    `delete from operator_tokens where id = $1 returning ${tokenColumns}`,
    [id],
  );
  return row;
}

export async function insertOperatorSession(db: Queryable, session: NewOperatorSession): Promise<OperatorSessionRow> {
  const { hash, kind, actor, role, tokenId, configuredHash, expiresAt, now } = session;
  const [row] = await db.query<OperatorSessionRow>(
    `insert into operator_sessions
       (secret_hash, kind, actor, role, token_id, configured_hash, expires_at, created_at, last_used_at)
     values ($1, $2, $3, $4, $5, $6, ${noLaterThanToken('$7', '$5')}, $8, $8) returning ${sessionColumns}`,
    [hash, kind, actor, role, tokenId ?? null, tokenId === undefined ? configuredHash : null, expiresAt, now],
  );
  if (!row) throw new TypeError('An insert returns its row');
  return row;
}

export async function findOperatorSession(
  db: Queryable,
  hash: Uint8Array,
  { now, configuredHash, usedAfter }: SessionCheck,
): Promise<OperatorSessionRow | undefined> {
  const [row] = await db.query<OperatorSessionRow>(
    `select ${sessionColumns} from operator_sessions
     where secret_hash = $1 and kind = 'session' and expires_at > $2 and last_used_at > $3
       and ${restsOnGoodToken('$2', '$4')}`,
    [hash, now, usedAfter, configuredHash],
  );
  return row;
}

export async function noteOperatorSessionUsed(db: Queryable, id: string, now: Date): Promise<void> {
  await db.query('update operator_sessions set last_used_at = $2 where id = $1 and last_used_at < $2', [id, now]);
}

/** Oldest first. */
export async function listOperatorSessions(
  db: Queryable,
  owner: SessionOwner,
  { now, configuredHash, usedAfter }: SessionCheck,
  { limit, after }: ListPage,
): Promise<OperatorSessionRow[]> {
  return db.query<OperatorSessionRow>(
    `select ${sessionColumns} from operator_sessions
     where kind = 'session' and expires_at > $1 and last_used_at > $2 and ${restsOnGoodToken('$1', '$3')}
       and ${ofOwner('$4', '$5')}
       and ($6::timestamptz is null or (created_at, id) > ($6::timestamptz, $7::uuid))
     order by created_at, id limit $8`,
    [now, usedAfter, configuredHash, ...ownerParameters(owner), after?.createdAt ?? null, after?.id ?? null, limit],
  );
}

/** Undefined when there is none of this owner. */
export async function endOperatorSession(
  db: Queryable,
  owner: SessionOwner,
  id: string,
): Promise<OperatorSessionRow | undefined> {
  const [row] = await db.query<OperatorSessionRow>(
    `delete from operator_sessions where id = $1 and kind = 'session' and ${ofOwner('$2', '$3')}
     returning ${sessionColumns}`,
    [id, ...ownerParameters(owner)],
  );
  return row;
}

const ofOwner = (isAnyone: string, tokenId: string): string =>
  `(${isAnyone}::boolean or token_id is not distinct from ${tokenId}::uuid)`;

function ownerParameters(owner: SessionOwner): readonly [boolean, string | null] {
  return owner === 'anyone' ? [true, null] : [false, owner.tokenId ?? null];
}

/** Takes the link away, so that it opens once; undefined when it is unknown, used, too old, or its token has ended. */
export async function takeOperatorLink(
  db: Queryable,
  hash: Uint8Array,
  { now, configuredHash }: TokenCheck,
): Promise<OperatorSessionRow | undefined> {
  const [row] = await db.query<OperatorSessionRow>(
    `delete from operator_sessions
     where secret_hash = $1 and kind = 'link' and expires_at > $2 and ${restsOnGoodToken('$2', '$3')}
     returning ${sessionColumns}`,
    [hash, now, configuredHash],
  );
  return row;
}

/** Undefined when there is none. */
export async function deleteOperatorSession(
  db: Queryable,
  hash: Uint8Array,
): Promise<Pick<OperatorSessionRow, 'id' | 'actor' | 'role'> | undefined> {
  const [row] = await db.query<OperatorSessionRow>(
    `delete from operator_sessions where secret_hash = $1 and kind = 'session' returning ${sessionColumns}`,
    [hash],
  );
  return row;
}

export async function deleteExpiredOperatorSessions(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from operator_sessions where expires_at <= $1', [now]);
}
