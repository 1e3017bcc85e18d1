import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { ensurePartitions, migrate } from './migrate.ts';
import { openPglite } from './pglite.ts';
import { insertTenant } from './tenants.ts';
import { findToken, insertToken, maxTokensPerTenant } from './tokens.ts';

let database: Database;
const startMs = Date.parse('2026-05-01T12:00:00Z');
const hash = (text: string) => createHash('sha256').update(text).digest();

beforeAll(async () => {
  database = await openPglite();
  await migrate(database);
  await ensurePartitions(database, 1);
});
afterAll(() => database.close());

async function tenant(): Promise<string> {
  const clientId = randomUUID();
  await insertTenant(database, { clientId, name: 'A', scopes: ['a'], secretHash: 'x', now: new Date(startMs) });
  return clientId;
}

async function issue(clientId: string, text: string, atMs: number): Promise<void> {
  const [now, expiresAt] = [new Date(atMs), new Date(atMs + 3_600_000)];
  await insertToken(database, { hash: hash(text), clientId, scopes: ['a'], expiresAt, now });
}

const opens = async (text: string) => (await findToken(database, hash(text), new Date(startMs + 2_000))) !== undefined;

it('a tenant has so many tokens at most: the oldest ends first, and only its own', async () => {
  // Broke: tokens grew with the rate of calls, 720,000 in an hour.
  const [busy, calm] = [await tenant(), await tenant()];
  await issue(calm, 'calm', startMs);
  for (const [index, name] of ['busy 0', 'busy 1'].entries()) await issue(busy, name, startMs + index);
  await database.query(
    `insert into tokens (token_hash, client_id, scopes, expires_at, created_at)
     select sha256(n::text::bytea), $1, '{a}', $2::timestamptz + interval '1 hour', $2
     from generate_series(1, $3::integer) as n`,
    [busy, new Date(startMs + 1_000), maxTokensPerTenant - 2],
  );
  expect(await opens('busy 0')).toBe(true);
  await issue(busy, 'one more', startMs + 1_500);
  expect(await Promise.all(['busy 0', 'busy 1', 'one more', 'calm'].map(opens))).toEqual([false, true, true, true]);
  const [counted] = await database.query<{ n: number }>(
    'select count(*)::integer as n from tokens where client_id = $1',
    [busy],
  );
  expect(counted?.n).toBe(maxTokensPerTenant);
});
