// Nonces of API calls, shared by all API processes and kept over restarts (contract signatures.md, Verify step 10). The
// primary key decides which of two equal calls came first.
//
// A nonce does not wait for the disk, which every call would do: a wait of 5 ms and, while others write much, of 70. A power cut
// can forget those of the last moments (at most three times `wal_writer_delay`, 0.6 s), and what could be repeated then are
// calls that only read: a call that changes something commits after its nonce, and that commit writes out all before it.
//
// Processes sweep by clocks of their own: `expiresAt` is later than the signature's end by a margin for their differences, and
// nothing here takes any of it away (`nonceMarginSeconds` of @bellhop/signatures).

import type { Database, Queryable } from './database.ts';

/** False when this key has used the nonce before and it is still remembered. Its own transaction: see above. */
export async function rememberNonce(
  db: Database,
  nonce: { readonly keyId: string; readonly nonce: string; readonly expiresAt: Date; readonly now: Date },
): Promise<boolean> {
  const rows = await db.query(
    `with quick as materialized (select set_config('synchronous_commit', 'off', true))
     insert into nonces (key_id, nonce, expires_at) select $1, $2, $3::timestamptz from quick
     on conflict (key_id, nonce) do update set expires_at = excluded.expires_at where nonces.expires_at <= $4
     returning key_id`,
    [nonce.keyId, nonce.nonce, nonce.expiresAt, nonce.now],
  );
  return rows.length > 0;
}

export async function deleteExpiredNonces(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from nonces where expires_at <= $1', [now]);
}
