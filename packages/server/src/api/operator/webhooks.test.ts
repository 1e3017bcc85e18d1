import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestStart } from '../../delivery/test-trigger.ts';
import { field, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';
import { stateOf } from './webhook-view.ts';

let api: TestApi;
let operator: CallOperator;
let shiftMs = 0;
let testStart: TestStart = 'started';
const clock = () => Date.now() + shiftMs;

beforeAll(async () => {
  api = await startApi({ now: clock, testTrigger: async () => testStart });
  operator = operatorOf(api);
});
afterAll(() => api.close());

interface Hook {
  readonly clientId: string;
  readonly id: string;
}

/** A webhook of a new tenant, as the tenant API leaves it. */
async function hook(type: readonly string[] = ['ALL'], clientId?: string): Promise<Hook> {
  const owner = clientId ?? (await api.tenant()).clientId;
  const id = randomUUID();
  await api.database.query(
    `insert into webhooks (id, client_id, partition, title, url, type, delay, max_package_size)
     select $1, client_id, partition, 't', 'https://a.test/', $3, '5s', 1000 from tenants where client_id = $2`,
    [id, owner, type],
  );
  return { clientId: owner, id };
}

async function publish(clientId: string, types: readonly string[]): Promise<string[]> {
  const events = types.map((type) => ({ type, object: {} }));
  const { json } = await operator('POST', '/operator/events?return=ids', { body: { client_id: clientId, events } });
  const ids = field(json, 'ids');
  if (!Array.isArray(ids)) throw new TypeError('no ids');
  return ids.map(String);
}

async function offsetOf(clientId: string, id: string | undefined): Promise<number> {
  const [row] = await api.database.query<{ event_offset: number }>(
    'select event_offset from events where client_id = $1 and id = $2',
    [clientId, id ?? null],
  );
  if (!row) throw new TypeError('no such event');
  return row.event_offset;
}

const act = (id: string, action: string, body?: object) =>
  operator('POST', `/operator/webhooks/${id}/${action}`, body ? { body } : {});
const read = async (id: string) => (await operator('GET', `/operator/webhooks/${id}`)).json;

/** As the ledger writes it when a package of these offsets failed. */
async function block(id: string, first: number, last: number): Promise<void> {
  await api.database.query(
    `update webhooks set cursor = $2, pending_id = $4, pending_first = $5, pending_last = $3, pending_version = version,
       pending_type = type, attempts = 3, next_attempt_at = now() + interval '1 hour', blocked_since = now(),
       blocked_reason = 'status_5xx', blocked_status = 503 where id = $1`,
    [id, first - 1, last, randomUUID(), first],
  );
}

async function auditOf(id: string): Promise<unknown> {
  return field((await operator('GET', `/operator/audit?subject=webhook:${id}`)).json, 'data');
}

describe('the state of a webhook', () => {
  it.each([
    ['disabled', { enabled: false, isBlocked: true }],
    ['retrying', { isBlocked: true, lagEvents: 5 }],
    ['flowing', {}],
    ['waiting', { lagEvents: 1, oldestAgeMs: 5_000 }],
    ['catching up', { lagEvents: 1, oldestAgeMs: 7_001 }],
    ['catching up', { lagComplete: false }],
  ])('is %s for %j', (state, facts) => {
    const flowing = {
      enabled: true,
      isBlocked: false,
      lagEvents: 0,
      lagComplete: true,
      oldestAgeMs: 0,
      delayMs: 5_000,
    };
    expect(stateOf({ ...flowing, ...facts })).toBe(state);
  });

  it('counts what matches behind the cursor, and its age', async () => {
    const { id, clientId } = await hook(['ORDER', 'USER']);
    await publish(clientId, ['USER.CREATED']);
    expect(await read(id)).toMatchObject({ state: 'disabled', lag: { events: 0 } });
    await act(id, 'enable');
    expect(await read(id)).toMatchObject({ state: 'flowing', lag: { events: 0, seconds: 0 }, last_outcome: null });
    await publish(clientId, ['USER.CREATED', 'ACCOUNT.CREATED', 'ORDER.FILLED']);
    expect(await read(id)).toMatchObject({ state: 'waiting', lag: { events: 2, at_least: false } });
    shiftMs = 60_000;
    const later = await read(id);
    shiftMs = 0;
    expect(later).toMatchObject({ state: 'catching up', lag: { events: 2 } });
    expect(Number(field(field(later, 'lag'), 'seconds'))).toBeGreaterThan(55);
    await act(id, 'disable');
    expect(await read(id)).toMatchObject({ state: 'disabled', enabled: false, lag: { events: 2 } });
  });

  it('says why it is blocked and how the last attempt ended', async () => {
    const { id, clientId } = await hook();
    await act(id, 'enable');
    const [event] = await publish(clientId, ['USER.CREATED']);
    const offset = await offsetOf(clientId, event);
    await block(id, offset, offset);
    await api.database.query(
      `insert into attempts (id, webhook_id, client_id, partition, kind, package_id, attempt, event_count, bytes, url,
         started_at, duration_ms, ok, reason, status)
       values ($1, $2, $3, 0, 'delivery', $1, 3, 1, 10, 'u', now(), 12, false, 'status_5xx', 503)`,
      [randomUUID(), id, clientId],
    );
    expect(await read(id)).toMatchObject({
      state: 'retrying',
      attempts: 3,
      reason: 'status_5xx',
      status: 503,
      lag: { events: 1 },
      pending: { first_offset: offset, last_offset: offset },
      last_outcome: { ok: false, reason: 'status_5xx', status: 503, duration_ms: 12 },
    });
    const blocked = await operator('GET', `/operator/webhooks?blocked=true&client_id=${clientId}`);
    expect(field(blocked.json, 'data')).toHaveLength(1);
  });

  it('is listed for all tenants, page by page, each webhook once', async () => {
    const { clientId } = await hook();
    for (let count = 0; count < 4; count++) await hook(['ALL'], clientId);
    const seen: unknown[] = [];
    let cursor: unknown = '';
    while (cursor !== null) {
      const query = `limit=2&client_id=${clientId}${cursor ? `&cursor=${String(cursor)}` : ''}`;
      const { json } = await operator('GET', `/operator/webhooks?${query}`);
      const data = field(json, 'data');
      if (!Array.isArray(data)) throw new TypeError('no data');
      seen.push(...data.map((row) => field(row, 'id')));
      cursor = field(json, 'next_cursor');
    }
    expect(seen).toHaveLength(5);
    expect(new Set(seen).size).toBe(5);
  });
});

describe('retry', () => {
  it('makes the blocked package due now and tells the lane', async () => {
    const { id, clientId } = await hook();
    await act(id, 'enable');
    await publish(clientId, ['USER.CREATED']);
    await block(id, 1, 1);
    const hints = api.hints.length;
    const answer = await act(id, 'retry');
    expect(answer).toMatchObject({ status: 200, json: { attempts: 3 } });
    expect(Date.parse(String(field(answer.json, 'next_attempt_at')))).toBeLessThanOrEqual(clock());
    expect(api.hints.slice(hints)).toMatchObject([{ webhookId: id }]);
    expect(await auditOf(id)).toMatchObject([{ action: 'webhook.retry' }, { action: 'webhook.enable' }]);
  });

  it('is refused when nothing waits for it', async () => {
    const { id } = await hook();
    expect((await act(id, 'retry')).status).toBe(409);
    await act(id, 'enable');
    expect((await act(id, 'retry')).status).toBe(409);
  });
});

describe('skip', () => {
  it('parks exactly the blocked package and goes on behind it', async () => {
    const { id, clientId } = await hook(['USER']);
    await act(id, 'enable');
    const events = await publish(clientId, ['USER.CREATED', 'ORDER.FILLED', 'USER.CREATED', 'USER.CREATED']);
    const first = await offsetOf(clientId, events[0]);
    const last = await offsetOf(clientId, events[2]);
    await block(id, first, last);
    expect((await act(id, 'skip', { dry_run: true })).json).toEqual({ dry_run: true, cursor: last, events: 2 });
    expect(await read(id)).toMatchObject({ state: 'retrying' });
    const hints = api.hints.length;
    expect((await act(id, 'skip')).json).toEqual({ dry_run: false, cursor: last, events: 2 });
    expect(api.hints.slice(hints)).toMatchObject([{ webhookId: id }]);
    expect(await read(id)).toMatchObject({
      cursor: last,
      pending: null,
      attempts: 0,
      blocked_since: null,
      lag: { events: 1 },
    });
    const parked = await operator('GET', `/operator/webhooks/${id}/parked`);
    expect(field(parked.json, 'data')).toMatchObject([
      { first_offset: first, last_offset: last, events: 2, reason: 'status_5xx' },
    ]);
    const [row] = await api.database.query('select position_version from webhooks where id = $1', [id]);
    expect(row).toEqual({ position_version: 2 });
    expect((await act(id, 'skip')).status).toBe(409);
    const skips = await operator('GET', `/operator/audit?subject=webhook:${id}&action=webhook.skip`);
    expect(field(skips.json, 'data')).toMatchObject([{ after: { cursor: last, events: 2 } }]);
  });
});

describe('replay', () => {
  it('goes back to an event: the cursor stands before it and what was pending is gone', async () => {
    const { id, clientId } = await hook(['USER']);
    await act(id, 'enable');
    const events = await publish(clientId, ['USER.CREATED', 'USER.CREATED', 'ORDER.FILLED', 'USER.CREATED']);
    const [first = 0, second = 0, , last = 0] = await Promise.all(events.map((event) => offsetOf(clientId, event)));
    await block(id, last, last);
    expect((await act(id, 'replay', { event_id: events[1], dry_run: true })).json).toEqual({
      dry_run: true,
      cursor: second - 1,
      events: 2,
    });
    expect(await read(id)).toMatchObject({ state: 'retrying', cursor: last - 1 });
    await act(id, 'replay', { event_id: events[0] });
    expect(await read(id)).toMatchObject({ cursor: first - 1, pending: null, attempts: 0, lag: { events: 3 } });
    const [row] = await api.database.query('select position_version from webhooks where id = $1', [id]);
    expect(row).toEqual({ position_version: 2 });
    expect((await operator('GET', `/operator/webhooks/${id}/parked`)).json).toMatchObject({ data: [] });
  });

  it('goes back to a time of appending', async () => {
    const { id, clientId } = await hook();
    const events = await publish(clientId, ['A.A', 'A.B']);
    await publish((await api.tenant()).clientId, ['A.C', 'A.D']);
    const more = await publish(clientId, ['A.E']);
    const [row] = await api.database.query<{ appended_at: Date }>('select appended_at from events where id = $1', [
      events[0] ?? '',
    ]);
    const since = row?.appended_at.toISOString() ?? '';
    expect((await act(id, 'replay', { since, dry_run: true })).json).toMatchObject({ events: 3 });
    await act(id, 'enable');
    expect((await act(id, 'replay', { since })).json).toMatchObject({
      cursor: (await offsetOf(clientId, events[0])) - 1,
      events: 3,
    });
    expect(more).toHaveLength(1);
  });

  it('to now jumps over what waits, and parks it', async () => {
    const { id, clientId } = await hook();
    await act(id, 'enable');
    const events = await publish(clientId, ['A.A', 'A.B']);
    expect((await act(id, 'replay', { since: 'now' })).json).toMatchObject({ events: 0 });
    expect(await read(id)).toMatchObject({ state: 'flowing', lag: { events: 0 } });
    const parked = await operator('GET', `/operator/webhooks/${id}/parked`);
    expect(field(parked.json, 'data')).toMatchObject([
      { last_offset: await offsetOf(clientId, events[1]), events: 2, reason: 'replay' },
    ]);
  });

  it('is refused before the start of the log', async () => {
    const { id } = await hook();
    const answer = await act(id, 'replay', { since: '2020-01-01T00:00:00Z' });
    expect(answer).toMatchObject({ status: 409, json: { detail: expect.stringContaining('the log starts at') } });
  });

  it('is refused before what retention has left', async () => {
    const { id, clientId } = await hook();
    const events = await publish(clientId, ['A.A', 'A.B']);
    const { partition } = Object(await read(id));
    const removed = await offsetOf(clientId, events[0]);
    await api.database.query('delete from events where partition = $1 and event_offset <= $2', [partition, removed]);
    const since = new Date(clock() - 120_000).toISOString();
    expect((await act(id, 'replay', { since })).status).toBe(409);
    expect((await act(id, 'replay', { event_id: events[0] })).status).toBe(404);
    expect((await act(id, 'replay', { event_id: events[1] })).status).toBe(200);
  });

  it.each([
    [{}, 'since or event_id'],
    [{ since: 'now', event_id: randomUUID() }, 'since or event_id'],
    [{ since: 'yesterday' }, 'since: must be an RFC 3339'],
    [{ since: 'now', to: 1 }, 'to: unknown field'],
  ])('refuses %j', async (body, detail) => {
    const { id } = await hook();
    const answer = await act(id, 'replay', body);
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining(detail) } });
  });
});

describe('test, enable, disable', () => {
  it('starts a test delivery, also of a disabled webhook', async () => {
    const { id } = await hook();
    expect((await act(id, 'test')).status).toBe(202);
    expect(api.tested).toContain(id);
  });

  it('says that the tenant has too many test deliveries under way, and writes no row of one in the audit trail', async () => {
    const { id } = await hook();
    testStart = 'too_many';
    const answer = await act(id, 'test');
    testStart = 'started';
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '1']);
    expect(field(answer.json, 'detail')).toBe('4 test deliveries of this tenant are under way, wait for one to end');
    expect(await auditOf(id)).toEqual([]);
  });

  it('starts a webhook at the head, and leaves it there while disabled', async () => {
    const { id, clientId } = await hook();
    await publish(clientId, ['A.A']);
    const enabled = await act(id, 'enable');
    expect(field(enabled.json, 'cursor')).toBe(field(enabled.json, 'head'));
    await act(id, 'disable');
    await publish(clientId, ['A.B']);
    expect((await act(id, 'enable')).json).toMatchObject({ lag: { events: 1 }, state: 'waiting' });
    expect(await auditOf(id)).toMatchObject([
      { action: 'webhook.enable', before: { enabled: false }, after: { enabled: true } },
      { action: 'webhook.disable' },
      { action: 'webhook.enable' },
    ]);
  });

  it.each(['retry', 'skip', 'test', 'enable', 'disable'])(
    '%s of a webhook that is not there is 404',
    async (action) => {
      expect((await act(randomUUID(), action)).status).toBe(404);
    },
  );

  it('replay, reading and parked of a webhook that is not there are 404', async () => {
    const id = randomUUID();
    expect((await act(id, 'replay', { since: 'now' })).status).toBe(404);
    expect((await operator('GET', `/operator/webhooks/${id}`)).status).toBe(404);
    expect((await operator('GET', `/operator/webhooks/${id}/parked`)).status).toBe(404);
  });
});
