// Nonces of API calls, shared by all API processes and kept over restarts (contract signatures.md, Verify step 10). The
// primary key decides which of two equal calls came first.
//
// Processes sweep by clocks of their own: `expiresAt` is later than the signature's end by a margin for their differences, and
// nothing here takes any of it away (`nonceMarginSeconds` of @bellhop/signatures).

import type { Queryable } from './database.ts';

/** False when this key has used the nonce before and it is still remembered. */
export async function rememberNonce(
  db: Queryable,
  nonce: { readonly keyId: string; readonly nonce: string; readonly expiresAt: Date; readonly now: Date },
): Promise<boolean> {
  const rows = await db.query(
    `insert into nonces (key_id, nonce, expires_at) values ($1, $2, $3)
     on conflict (key_id, nonce) do update set expires_at = excluded.expires_at where nonces.expires_at <= $4
     returning key_id`,
    [nonce.keyId, nonce.nonce, nonce.expiresAt, nonce.now],
  );
  return rows.length > 0;
}

export async function deleteExpiredNonces(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from nonces where expires_at <= $1', [now]);
}
