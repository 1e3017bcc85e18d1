import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { claimKey, deleteSurplusKeys, keepAnswer } from '../store/idempotency.ts';
import { rememberNonce } from '../store/nonces.ts';
import { startApi, type TestApi } from './api.fixture.ts';
import { sweep, sweepOnce } from './sweep.ts';

let api: TestApi;
let nowMs = Date.parse('2026-05-01T12:00:00Z');
const now = () => nowMs;

beforeAll(async () => {
  api = await startApi({ now });
});
afterAll(() => api.close());

async function count(table: 'nonces' | 'tokens'): Promise<number | undefined> {
  const [row] = await api.database.query<{ n: number }>(`select count(*)::integer as n from ${table}`);
  return row?.n;
}

it('takes nonces and tokens away when their time is over, not before', async () => {
  await api.token(await api.tenant());
  expect([await count('nonces'), await count('tokens')]).toEqual([1, 1]);
  await sweepOnce({ database: api.database, now });
  expect([await count('nonces'), await count('tokens')]).toEqual([1, 1]);
  nowMs += 3_600_000;
  await sweepOnce({ database: api.database, now });
  expect([await count('nonces'), await count('tokens')]).toEqual([0, 0]);
});

it('a nonce whose time is over may come again before it is swept', async () => {
  const nonce = { keyId: 'k', nonce: 'n', expiresAt: new Date(nowMs + 1000) };
  expect(await rememberNonce(api.database, { ...nonce, now: new Date(nowMs) })).toBe(true);
  expect(await rememberNonce(api.database, { ...nonce, now: new Date(nowMs + 999) })).toBe(false);
  expect(await rememberNonce(api.database, { ...nonce, now: new Date(nowMs + 1000) })).toBe(true);
});

it('keeps a nonce while a process with a slower clock would still take its call', async () => {
  // Two processes at +25 s and -25 s: a call that was refused as a repeat was accepted again once the fast one had swept.
  const tenant = await api.tenant();
  const call = () =>
    api.call({ target: '/events-acceptor-service/health', tenant, sign: { nonce: 'once', lifetimeSeconds: 2 } });
  expect((await call()).status).toBe(200);
  const kept = () => api.database.query("select 1 as one from nonces where nonce = 'once'");
  // Its signature is taken until 30 s after its end. The other process is 60 s ahead: both may be 30 s wrong.
  nowMs += 32_000;
  await sweepOnce({ database: api.database, now: () => nowMs + 60_000 });
  expect(await kept()).toHaveLength(1);
  nowMs += 121_000;
  await sweepOnce({ database: api.database, now });
  expect(await kept()).toEqual([]);
});

it('leaves each tenant the newest of its kept answers, and an operator all of them', async () => {
  const [busy, idle] = [(await api.tenant()).clientId, (await api.tenant()).clientId];
  const keep = async (scope: string, key: string, atMs: number, isDone = true): Promise<void> => {
    const { database } = api;
    const claimed = await claimKey(database, { scope, key, hash: new Uint8Array(32), now: new Date(atMs) });
    if (claimed.state !== 'claimed') throw new Error(claimed.state);
    if (isDone) await keepAnswer(database, claimed.claim, { status: 200, headers: {}, body: null });
  };
  const keys = Array.from({ length: 6 }, () => randomUUID()) as [string, ...string[]];
  const [runs, ...done] = keys;
  await keep(`tenant:${busy}`, runs, nowMs, false);
  for (const [index, key] of done.entries()) {
    await keep(`tenant:${busy}`, key, nowMs + index);
    await keep('operator', key, nowMs + index);
  }
  await keep(`tenant:${idle}`, runs, nowMs);
  await deleteSurplusKeys(api.database, 2);
  const rows = await api.database.query<{ scope: string; key: string }>(
    'select scope, key from idempotency_keys order by created_at',
  );
  const of = (scope: string) => rows.filter((row) => row.scope === scope).map((row) => row.key);
  expect(of(`tenant:${busy}`)).toEqual([runs, ...done.slice(-2)]);
  expect(of(`tenant:${idle}`)).toEqual([runs]);
  expect(of('operator')).toEqual(done);
});

it('goes on after a failed round and ends when it is told to', async () => {
  const stop = new AbortController();
  await api.token(await api.tenant());
  nowMs += 3_600_000;
  api.database.outage = true;
  const sweeping = sweep({ database: api.database, now, logger: pino({ level: 'silent' }), everyMs: 1 }, stop.signal);
  api.database.outage = false;
  while ((await count('tokens')) !== 0) await sleep(1);
  stop.abort();
  await sweeping;
});
