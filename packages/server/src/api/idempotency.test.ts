import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteOldKeys } from '../store/idempotency.ts';
import { field, jsonBody, operatorToken, startApi, type TestApi, type TestTenant } from './api.fixture.ts';
import { createApp } from './app.ts';
import { answerOnce, plainAnswers } from './idempotency.ts';
import type { Answer } from './route.ts';

let api: TestApi;
let tenant: TestTenant;
let token: string;
let nowMs = Date.parse('2026-05-01T12:00:00Z');
/** What the test trigger waits for. */
let gate: Promise<void> = Promise.resolve();
let started: () => void = () => {};

beforeAll(async () => {
  api = await startApi({
    now: () => nowMs,
    async testTrigger() {
      started();
      await gate;
      return 'started';
    },
  });
  tenant = await api.tenant();
  token = await api.token(tenant);
});
afterAll(() => api.close());

const url = 'https://tenant.example.com/webhooks';

function create(key: string, fields: Readonly<Record<string, unknown>> = {}, as = { tenant, token }) {
  const { body, headers } = jsonBody({ title: 'A', url, ...fields });
  return api.call({
    method: 'POST',
    target: '/webhooks',
    ...as,
    body,
    headers: { ...headers, 'idempotency-key': key },
  });
}

async function countWebhooks(): Promise<unknown> {
  const answer = await api.call({ target: '/webhooks?limit=0', tenant, token });
  return field(field(answer.json, 'meta'), 'total_count');
}

describe('an idempotency key', () => {
  it('gives the first answer again, under a request id of its own, and does nothing twice', async () => {
    const key = randomUUID();
    const first = await create(key);
    const before = await countWebhooks();
    const again = await create(key.toUpperCase());
    expect(first.status).toBe(201);
    expect(again).toMatchObject({ status: 201, text: first.text });
    expect(again.headers['content-type']).toBe('application/json');
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    expect(again.headers['upvest-request-id']).not.toBe(first.headers['upvest-request-id']);
    expect((await create(key.replaceAll('-', ''))).text).toBe(first.text);
    expect(await countWebhooks()).toBe(before);
  });

  it('is a 409 for another body, path or query', async () => {
    const key = randomUUID();
    const first = await create(key);
    const refused = [
      await create(key, { title: 'B' }),
      await api.call({
        method: 'POST',
        target: `/webhooks/${String(field(first.json, 'id'))}/test`,
        tenant,
        token,
        headers: { 'idempotency-key': key },
      }),
    ];
    for (const answer of refused) {
      expect(answer.status).toBe(409);
      expect(field(answer.json, 'type')).toBe('https://docs.upvest.co/errors/conflict');
      expect(field(answer.json, 'detail')).toBe('idempotency-key: was used for another request');
    }
  });

  it('belongs to one tenant', async () => {
    const key = randomUUID();
    const stranger = await api.tenant();
    const first = await create(key);
    const other = await create(key, {}, { tenant: stranger, token: await api.token(stranger) });
    expect(other.status).toBe(201);
    expect(field(other.json, 'id')).not.toBe(field(first.json, 'id'));
  });

  it('waits for the first call while that runs', async () => {
    const id = String(field((await create(randomUUID())).json, 'id'));
    const key = randomUUID();
    const test = () =>
      api.call({ method: 'POST', target: `/webhooks/${id}/test`, tenant, token, headers: { 'idempotency-key': key } });
    let open: () => void = () => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    const first = test();
    await running;
    let isAnswered = false;
    const second = test().then((answer) => {
      isAnswered = true;
      return answer;
    });
    // Any other call goes through meanwhile, and the second one has not been answered by then.
    await countWebhooks();
    expect(isAnswered).toBe(false);
    open();
    expect((await first).status).toBe(202);
    expect(await second).toMatchObject({ status: 202, text: '' });
    expect(api.tested.filter((tested) => tested === id)).toHaveLength(1);
  });

  it('keeps no refusal: the repaired call goes through', async () => {
    const key = randomUUID();
    expect((await create(key, { title: 1 })).status).toBe(400);
    expect((await create(key)).status).toBe(201);
  });

  it('is free again when the call failed', async () => {
    const id = String(field((await create(randomUUID())).json, 'id'));
    const headers = { 'idempotency-key': randomUUID() };
    const test = () => api.call({ method: 'POST', target: `/webhooks/${id}/test`, tenant, token, headers });
    gate = Promise.reject(new Error('The test trigger is broken'));
    gate.catch(() => {});
    expect((await test()).status).toBe(500);
    gate = Promise.resolve();
    expect((await test()).status).toBe(202);
  });

  it('is good again after a day', async () => {
    const key = randomUUID();
    const first = await create(key);
    nowMs += 24 * 60 * 60 * 1000 - 1;
    token = await api.token(tenant);
    expect((await create(key)).text).toBe(first.text);
    nowMs += 1;
    const later = await create(key, { title: 'B' });
    expect(later.status).toBe(201);
    expect(field(later.json, 'id')).not.toBe(field(first.json, 'id'));
  });

  it('of a call that died is taken over when its lock has run out, not before', async () => {
    const key = randomUUID();
    const first = await create(key);
    await api.database.query(
      'update idempotency_keys set status = null, headers = null, body = null, locked_until = $2 where key = $1',
      [key, new Date(nowMs - 1)],
    );
    expect((await create(key, { title: 'B' })).status).toBe(409);
    const second = await create(key);
    expect(second.status).toBe(201);
    expect(field(second.json, 'id')).not.toBe(field(first.json, 'id'));
    expect((await create(key)).text).toBe(second.text);
  });

  it('is refused when it is no UUID', async () => {
    for (const key of ['x', `${randomUUID()}0`, '00000000-0000-9000-8000-000000000000']) {
      const answer = await create(key);
      expect(answer.status).toBe(400);
      expect(field(answer.json, 'detail')).toBe('idempotency-key: must be a UUID');
    }
  });

  it('has no effect on calls that are no POST', async () => {
    const headers = { 'idempotency-key': 'x' };
    expect((await api.call({ target: '/webhooks', tenant, token, headers })).status).toBe(200);
  });

  it('is forgotten by the sweep after a day', async () => {
    const key = randomUUID();
    await create(key);
    const rows = () => api.database.query('select 1 from idempotency_keys where key = $1', [key]);
    await deleteOldKeys(api.database, new Date(nowMs));
    expect(await rows()).toHaveLength(1);
    await deleteOldKeys(api.database, new Date(nowMs + 24 * 60 * 60 * 1000));
    expect(await rows()).toEqual([]);
  });
});

describe('an answer kept with the work', () => {
  const call = (key: string) => ({
    scope: 'operator',
    key,
    method: 'POST',
    path: '/x',
    query: undefined,
    body: new Uint8Array(),
    signal: new AbortController().signal,
  });
  const onError = (error: unknown) => {
    throw error;
  };
  const options = () => ({ database: api.database, now: () => nowMs, onError });

  it('survives a call that dies between its commit and its answer', async () => {
    const key = randomUUID();
    let runs = 0;
    const dying = answerOnce(options(), plainAnswers, call(key), async (keep) => {
      runs++;
      await api.database.transaction((tx) => keep(tx, { status: 201, body: { made: runs } }));
      throw new Error('The process dies here');
    });
    await expect(dying).rejects.toThrow('dies here');
    const again = await answerOnce(options(), plainAnswers, call(key), async (): Promise<Answer> => {
      runs++;
      return { status: 201 };
    });
    expect(again).toMatchObject({ status: 201, body: { made: 1 } });
    expect(runs).toBe(1);
  });

  it('is undone with work that is rolled back', async () => {
    const key = randomUUID();
    const failing = answerOnce(options(), plainAnswers, call(key), (keep) =>
      api.database.transaction(async (tx) => {
        await keep(tx, { status: 201 });
        throw new Error('No');
      }),
    );
    await expect(failing).rejects.toThrow('No');
    const second = await answerOnce(options(), plainAnswers, call(key), async () => ({ status: 202 }));
    expect(second).toEqual({ status: 202 });
  });

  it('cannot be stored by a call that was taken over', async () => {
    const key = randomUUID();
    const stalled = answerOnce(options(), plainAnswers, call(key), (keep) =>
      api.database.transaction(async (tx) => {
        // It stood still until its lock ran out, and a repeat did the work.
        await tx.query('update idempotency_keys set created_at = $2 where key = $1', [key, new Date(nowMs + 31_000)]);
        await keep(tx, { status: 201 });
        return { status: 201 };
      }),
    );
    await expect(stalled).rejects.toThrow('lost its idempotency key');
  });
});

describe('answers to the operator', () => {
  const post = (app: ReturnType<typeof createApp>, key: string, as = operatorToken) =>
    app.request('/operator/tenants', {
      method: 'POST',
      headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ name: 'Bank' }),
    });

  it('come again from another process, though the database does not hold the secret in the clear', async () => {
    const key = randomUUID();
    const first = await post(createApp(api.deps), key);
    expect(first.status).toBe(201);
    const made: unknown = await first.json();
    const again = await post(createApp(api.deps), key);
    expect(again.status).toBe(201);
    expect(await again.json()).toEqual(made);
    const secret = String(field(made, 'client_secret'));
    const rows = await api.database.query<{ text: string }>('select k::text as text from idempotency_keys k');
    expect(rows.filter(({ text }) => text.includes(secret))).toEqual([]);
  });

  it('stay sealed for another operator token', async () => {
    const key = randomUUID();
    await post(createApp(api.deps), key);
    const renamed = createApp({ ...api.deps, config: { ...api.deps.config, operatorToken: 'other-token' } });
    const answer = await post(renamed, key, 'other-token');
    expect(answer.status).toBe(409);
    expect(field(await answer.json(), 'detail')).toContain('another operator token');
  });
});
