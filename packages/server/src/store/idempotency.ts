// First answers of calls that carried an `idempotency-key`, in the database: valid for every API process and over restarts.
//
// A key is claimed before the work and holds the answer after it. A claim is renewed while its call runs; one that is no
// longer renewed (its process died) may be taken over by a repeat of the same request. `created_at` of the claim fences:
// whoever was taken over can store nothing.

import type { Queryable } from './database.ts';

export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: the answer had no body. */
  readonly body: string | null;
}

export interface Claim {
  readonly scope: string;
  readonly key: string;
  readonly claimedAt: Date;
}

export type ClaimResult =
  | { readonly state: 'claimed'; readonly claim: Claim }
  /** The first answer is there. */
  | { readonly state: 'answered'; readonly answer: KeptAnswer }
  /** The first call still runs. */
  | { readonly state: 'running' }
  /** The key belongs to another request. */
  | { readonly state: 'other_request' };

/** Of one tenant: its calls write them, each with the answer. The oldest go first. */
const keptOfTenant = 10_000;
const keepForMs = 24 * 60 * 60 * 1000;
export const claimLockMs = 30_000;

export async function claimKey(
  db: Queryable,
  request: { readonly scope: string; readonly key: string; readonly hash: Uint8Array; readonly now: Date },
): Promise<ClaimResult> {
  const { scope, key, hash, now } = request;
  const claimed = await db.query(
    `insert into idempotency_keys as k (scope, key, request_hash, locked_until, created_at) values ($1, $2, $3, $4, $5)
     on conflict (scope, key) do update
       set request_hash = excluded.request_hash, status = null, headers = null, body = null,
           locked_until = excluded.locked_until, created_at = excluded.created_at
       where (k.created_at <= $6 and k.locked_until <= $5)
          or (k.status is null and k.locked_until <= $5 and k.request_hash = excluded.request_hash)
     returning key`,
    [scope, key, hash, new Date(now.getTime() + claimLockMs), now, new Date(now.getTime() - keepForMs)],
  );
  if (claimed.length > 0) return { state: 'claimed', claim: { scope, key, claimedAt: now } };
  const [row] = await db.query<{
    same: boolean;
    status: number | null;
    headers: Record<string, string> | null;
    body: string | null;
  }>('select request_hash = $3 as same, status, headers, body from idempotency_keys where scope = $1 and key = $2', [
    scope,
    key,
    hash,
  ]);
  // Released between the two statements: the next try gets it.
  if (!row) return { state: 'running' };
  if (!row.same) return { state: 'other_request' };
  if (row.status === null) return { state: 'running' };
  return { state: 'answered', answer: { status: row.status, headers: row.headers ?? {}, body: row.body } };
}

export async function renewClaim(db: Queryable, claim: Claim, now: Date): Promise<void> {
  await db.query(
    `update idempotency_keys set locked_until = $4
     where scope = $1 and key = $2 and created_at = $3 and status is null`,
    [claim.scope, claim.key, claim.claimedAt, new Date(now.getTime() + claimLockMs)],
  );
}

/** False when the claim was taken over: the work of this call must not be committed. */
export async function keepAnswer(db: Queryable, claim: Claim, answer: KeptAnswer): Promise<boolean> {
  const rows = await db.query(
    `update idempotency_keys set status = $4, headers = $5::text::jsonb, body = $6
     where scope = $1 and key = $2 and created_at = $3 and status is null returning key`,
    [claim.scope, claim.key, claim.claimedAt, answer.status, JSON.stringify(answer.headers), answer.body],
  );
  return rows.length > 0;
}

/** The call did nothing: the key is free again. */
export async function releaseClaim(db: Queryable, claim: Claim): Promise<void> {
  await db.query('delete from idempotency_keys where scope = $1 and key = $2 and created_at = $3 and status is null', [
    claim.scope,
    claim.key,
    claim.claimedAt,
  ]);
}

export async function deleteOldKeys(db: Queryable, now: Date): Promise<void> {
  await db.query('delete from idempotency_keys where created_at <= $1 and locked_until <= $2', [
    new Date(now.getTime() - keepForMs),
    now,
  ]);
}

/** Leaves each tenant the newest of its keys. An operator's own doing is not bounded. */
export async function deleteSurplusKeys(db: Queryable, keep = keptOfTenant): Promise<void> {
  // `offset 0` keeps the planner on the primary key: in the order of their age it would read an operator's millions for each tenant.
  await db.query(
    `delete from idempotency_keys using (
       select 'tenant:' || client_id as scope from tenants
     ) tenant, lateral (
       select created_at from (
         select created_at from idempotency_keys k where k.scope = tenant.scope and k.status is not null offset 0
       ) own order by created_at desc offset $1 limit 1
     ) last
     where idempotency_keys.scope = tenant.scope and idempotency_keys.status is not null
       and idempotency_keys.created_at <= last.created_at`,
    [keep],
  );
}
