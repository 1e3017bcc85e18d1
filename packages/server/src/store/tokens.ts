// Access tokens at rest: only the SHA-256 of a token, with the tenant and scopes it was issued for. A tenant that lost a
// scope loses it for its tokens at once: what counts is the intersection. A token that is taken away opens nothing from the
// next call on; it is named by its hash, which whoever found a token can work out and which opens nothing itself.

import type { Queryable } from './database.ts';

export interface TokenHolder {
  readonly client_id: string;
  readonly partition: number;
  /** Granted with the token and still the tenant's. */
  readonly scopes: readonly string[];
}

export interface TokenRow {
  /** SHA-256 of the token, in hexadecimal. */
  readonly id: string;
  readonly scopes: readonly string[];
  readonly created_at: Date;
  readonly expires_at: Date;
}

export interface TokenPosition {
  readonly createdAt: Date;
  readonly id: string;
}

/** Room for a new token every four seconds of the hour that one lasts; beyond it the oldest ends early. */
export const maxTokensPerTenant = 1_000;

export async function insertToken(
  db: Queryable,
  token: {
    readonly hash: Uint8Array;
    readonly clientId: string;
    readonly scopes: readonly string[];
    readonly expiresAt: Date;
    readonly now: Date;
  },
): Promise<void> {
  // From `tenants`, so that a tenant deleted meanwhile gets a token that nobody knows instead of an error. The rest of the
  // statement does not see the new row. What a concurrent call takes away already is left to it.
  await db.query(
    `with oldest as (
       delete from tokens where token_hash in (
         select token_hash from tokens where token_hash in (
           select token_hash from tokens where client_id = $2
           order by created_at desc, token_hash desc offset $6)
         for update skip locked))
     insert into tokens (token_hash, client_id, scopes, expires_at, created_at)
     select $1, client_id, $3, $4, $5 from tenants where client_id = $2`,
    [token.hash, token.clientId, token.scopes, token.expiresAt, token.now, maxTokensPerTenant - 1],
  );
}

/** Undefined for a token that is unknown or has expired. */
export async function findToken(db: Queryable, hash: Uint8Array, now: Date): Promise<TokenHolder | undefined> {
  const [row] = await db.query<TokenHolder>(
    `select t.client_id, n.partition, array(select unnest(t.scopes) intersect select unnest(n.scopes)) as scopes
     from tokens t join tenants n using (client_id)
     where t.token_hash = $1 and t.expires_at > $2`,
    [hash, now],
  );
  return row;
}

/** Those that still open something, oldest first. */
export async function listTokens(
  db: Queryable,
  clientId: string,
  options: { readonly now: Date; readonly limit: number; readonly after?: TokenPosition | undefined },
): Promise<TokenRow[]> {
  const { now, limit, after } = options;
  return db.query<TokenRow>(
    `select encode(token_hash, 'hex') as id, scopes, created_at, expires_at from tokens
     where client_id = $1 and expires_at > $2
       and ($4::timestamptz is null or (created_at, token_hash) > ($4, decode($5, 'hex')))
     order by created_at, token_hash limit $3`,
    [clientId, now, limit, after?.createdAt ?? null, after?.id ?? null],
  );
}

/** Of one tenant: the one with this id, or all. What was taken away. */
export async function deleteTokens(db: Queryable, clientId: string, id?: string): Promise<TokenRow[]> {
  return db.query<TokenRow>(
    `delete from tokens where client_id = $1 and ($2::text is null or token_hash = decode($2, 'hex'))
     returning encode(token_hash, 'hex') as id, scopes, created_at, expires_at`,
    [clientId, id ?? null],
  );
}

export async function deleteExpiredTokens(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from tokens where expires_at <= $1', [now]);
}
