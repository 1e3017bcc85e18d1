// Two API processes on one PostgreSQL server: what the embedded database, with its single connection, cannot prove.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import { openPostgres } from '../store/postgres.ts';
import { field, jsonBody, operatorToken, startApi, type TestApi, type TestTenant } from './api.fixture.ts';

const url = 'https://tenant.example.com/webhooks';

describe.skipIf(!postgresUrl())(`two API processes on one PostgreSQL ${needsPostgres}`, () => {
  let fresh: FreshDatabase;
  let one: TestApi;
  let two: TestApi;
  let tenant: TestTenant;
  let token: string;

  beforeAll(async () => {
    fresh = await freshDatabase();
    one = await startApi({ database: await openPostgres({ url: fresh.url }) });
    two = await startApi({ database: await openPostgres({ url: fresh.url }) });
    tenant = await one.tenant();
    token = await one.token(tenant);
  });
  afterAll(async () => {
    await one?.close();
    await two?.close();
    await fresh?.drop();
  });

  it('know the same tokens, webhooks and keys', async () => {
    const made = await one.call({
      method: 'POST',
      target: '/webhooks',
      tenant,
      token,
      ...jsonBody({ title: 'A', url }),
    });
    expect(made.status, made.text).toBe(201);
    const target = `/webhooks/${String(field(made.json, 'id'))}`;
    const enabled = { ...Object(made.json), enabled: true, exclude_type: ['USER'], updated_at: expect.any(String) };
    const change = jsonBody({ enabled: true, exclude_type: ['USER'] });
    expect((await two.call({ method: 'PATCH', target, tenant, token, ...change })).json).toEqual(enabled);
    expect((await one.call({ target, tenant, token })).json).toEqual(enabled);
    expect((await one.call({ target: '/webhooks?sort=title&order=DESC', tenant, token })).json).toMatchObject({
      data: [enabled],
    });
    const keys = async (api: TestApi) => (await api.call({ target: '/auth/verify_keys', tenant, token })).json;
    expect(await keys(one)).toEqual(await keys(two));
    expect((await two.call({ method: 'DELETE', target, tenant, token })).status).toBe(204);
  });

  it('stop publishing and using a signing key that one of them withdraws, without waiting for their caches', async () => {
    const published = async (api: TestApi) =>
      Object((await api.call({ target: '/auth/verify_keys', tenant, token })).json).keys.map(
        ({ kid }: { kid: string }) => kid,
      );
    // A clock that stands still: what is cached does not run out.
    const nowMs = Date.now();
    const still = await startApi({ database: await openPostgres({ url: fresh.url }), now: () => nowMs });
    try {
      const stolen = (await still.deps.keys.active()).keyId;
      const next = (await still.deps.keys.next()).keyId;
      const target = `/operator/signing-keys/${stolen}`;
      const answer = await one.call({ method: 'DELETE', target, token: operatorToken });
      expect(answer.json).toMatchObject({ active: { key_id: next, status: 'active' }, next: { status: 'next' } });
      expect(await published(two)).toEqual([next, field(field(answer.json, 'next'), 'key_id')]);
      expect((await one.deps.keys.active()).keyId).toBe(next);
      await expect.poll(async () => (await still.deps.keys.active()).keyId, { timeout: 20_000 }).toBe(next);
    } finally {
      await still.close();
    }
  });

  it.each([
    ['changes of one webhook', 'webhooks', 'PATCH', '/webhooks/{id}', { title: 'B' }],
    ['deletions of one webhook', 'webhooks', 'DELETE', '/webhooks/{id}', undefined],
    ['new webhooks', 'tenants', 'POST', '/webhooks', { title: 'A', url }],
    ['new endpoints', 'tenants', 'POST', '/events-acceptor-service/endpoints', {}],
    ['polls of endpoints', 'acceptor_endpoints', 'GET', '/events-acceptor-service/endpoints/{id}?after=0', undefined],
  ] as const)('answer others while %s of one tenant wait for each other', async (_, table, method, path, body) => {
    // What broke: those that waited in the database held all its connections.
    const [busy, other] = [await one.tenant(), await one.tenant()];
    const [busyToken, otherToken] = [await one.token(busy), await one.token(other)];
    const made = await one.call({
      method: 'POST',
      target: path.startsWith('/webhooks') ? '/webhooks' : '/events-acceptor-service/endpoints',
      tenant: busy,
      token: busyToken,
      ...jsonBody(path.startsWith('/webhooks') ? { title: 'A', url } : {}),
    });
    expect(made.status, made.text).toBe(201);
    const id = String(field(made.json, 'id'));
    if (table === 'acceptor_endpoints') {
      const { pathname } = new URL(String(field(made.json, 'url')));
      expect((await one.call({ method: 'POST', target: pathname, body: 'a' })).status).toBe(200);
    }
    const locker = await openPostgres({ url: fresh.url, maxConnections: 1 });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let locking: Promise<void> = Promise.resolve();
    await new Promise<void>((isLocked) => {
      locking = locker.transaction(async (tx) => {
        await tx.query('set local idle_in_transaction_session_timeout = 0');
        await tx.query(`select 1 from ${table} where client_id = $1 for update`, [busy.clientId]);
        isLocked();
        await released;
      });
    });
    const target = path.replace('{id}', id);
    const waiting = Array.from({ length: 14 }, () =>
      one.call({ method, target, tenant: busy, token: busyToken, ...(body ? jsonBody(body) : {}) }),
    );
    // Long enough for all of them to come as far as they can.
    for (let call = 0; call < 30; call += 1) {
      expect((await one.call({ target: '/webhooks', tenant: other, token: otherToken })).status).toBe(200);
    }
    release();
    await locking;
    await locker.close();
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    expect(statuses.filter((status) => status >= 500)).toEqual([]);
    expect(statuses.some((status) => status < 300)).toBe(true);
  });

  it('take one signature once between them, however many arrive together', async () => {
    for (let round = 0; round < 10; round++) {
      const call = { target: '/webhooks', tenant, token, sign: { nonce: randomUUID() } };
      const answers = await Promise.all([one, two, one, two].map((api) => api.call(call)));
      expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401, 401]);
    }
  });

  it('do one thing for one idempotency key, however many calls arrive together', async () => {
    const { body, headers } = jsonBody({ title: 'once', url });
    for (let round = 0; round < 5; round++) {
      const call = {
        method: 'POST',
        target: '/webhooks',
        tenant,
        token,
        body,
        headers: { ...headers, 'idempotency-key': randomUUID() },
      };
      const answers = await Promise.all([one, two, one, two].map((api) => api.call(call)));
      expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201, 201]);
      expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    }
    const list = await one.call({ target: '/webhooks?limit=0', tenant, token });
    expect(field(field(list.json, 'meta'), 'total_count')).toBe(5);
  });
});
