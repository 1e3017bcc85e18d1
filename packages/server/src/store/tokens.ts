// Access tokens at rest: only the SHA-256 of a token, with the tenant and scopes it was issued for. A tenant that lost a
// scope loses it for its tokens at once: what counts is the intersection.

import type { Queryable } from './database.ts';

export interface TokenHolder {
  readonly client_id: string;
  readonly partition: number;
  /** Granted with the token and still the tenant's. */
  readonly scopes: readonly string[];
}

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
  // From `tenants`, so that a tenant deleted meanwhile gets a token that nobody knows instead of an error.
  await db.query(
    `insert into tokens (token_hash, client_id, scopes, expires_at, created_at)
     select $1, client_id, $3, $4, $5 from tenants where client_id = $2`,
    [token.hash, token.clientId, token.scopes, token.expiresAt, token.now],
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

export async function deleteExpiredTokens(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from tokens where expires_at <= $1', [now]);
}
