import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
