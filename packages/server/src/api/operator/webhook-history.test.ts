// The chart of a webhook, from attempts written by hand at known times, on a clock of the test's own.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

const nowMs = Date.parse('2026-03-01T12:30:30.000Z');
const minuteMs = 60_000;

let api: TestApi;
let operator: CallOperator;
let clientId: string;

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  operator = operatorOf(api);
  ({ clientId } = await api.tenant());
  await api.database.query('update tenants set partition = 0 where client_id = $1', [clientId]);
});
afterAll(() => api.close());

let offset = 0;

/** An event appended so many minutes ago; gives its offset. */
async function append(minutesAgo: number): Promise<number> {
  offset += 1;
  await api.database.query(
    `insert into events (partition, event_offset, client_id, id, type, body, appended_at)
     values (0, $1, $2, $3, 'ORDER.NEW', '{}', $4)`,
    [offset, clientId, randomUUID(), new Date(nowMs - minutesAgo * minuteMs)],
  );
  await api.database.query('update partitions set head = $1 where id = 0', [offset]);
  return offset;
}

async function attempt(webhookId: string, minutesAgo: number, first: number, ok: boolean): Promise<void> {
  await api.database.query(
    `insert into attempts (id, webhook_id, client_id, partition, kind, package_id, attempt, first_offset, last_offset,
       event_count, bytes, url, started_at, duration_ms, ok)
     values ($1, $2, $3, 0, 'delivery', $4, 1, $5, $5, 3, 1, 'https://a.example', $6, 7, $7)`,
    [randomUUID(), webhookId, clientId, randomUUID(), first, new Date(nowMs - minutesAgo * minuteMs), ok],
  );
}

async function webhook(cursor: number): Promise<string> {
  const id = randomUUID();
  await api.database.query(
    `insert into webhooks (id, client_id, partition, title, url, enabled, type, delay, max_package_size, started_at, cursor)
     values ($1, $2, 0, 'A', 'https://a.example', true, '{ORDER}', '1s', 65536, now(), $3)`,
    [id, clientId, cursor],
  );
  return id;
}

interface Point {
  readonly at: string;
  readonly ok: number;
  readonly failed: number;
  readonly events: number;
  readonly lag_seconds: number;
}

async function points(id: string, range: string): Promise<Map<number, Point>> {
  const answer = await operator('GET', `/operator/webhooks/${id}/history?range=${range}`);
  expect(answer.status).toBe(200);
  const list = field(answer.json, 'points') as readonly Point[];
  return new Map(list.map((point) => [Math.floor((nowMs - Date.parse(point.at)) / minuteMs), point]));
}

describe('the history of a webhook', () => {
  it('has the age of the oldest event at each attempt, and lets it grow while the package is blocked', async () => {
    const first = await append(40.5);
    const id = await webhook(first);
    await attempt(id, 40, first, true);
    const stuck = await append(31);
    await attempt(id, 30, stuck, false);
    await attempt(id, 25, stuck, false);
    await attempt(id, 20, stuck, true);
    await api.database.query('update webhooks set cursor = $2 where id = $1', [id, stuck]);
    const steps = await points(id, '1h');
    expect(steps.size).toBe(60);
    expect(steps.get(50)).toMatchObject({ ok: 0, failed: 0, lag_seconds: 0 });
    expect(steps.get(40)).toMatchObject({ ok: 1, failed: 0, events: 3, lag_seconds: 30 });
    expect(steps.get(35)).toMatchObject({ lag_seconds: 0 });
    // Blocked from 31 min on: between attempts too. A step ends 30 s into the minute after it.
    expect(steps.get(30)).toMatchObject({ ok: 0, failed: 1, events: 0, lag_seconds: 90 });
    expect(steps.get(27)).toMatchObject({ ok: 0, failed: 0, lag_seconds: 270 });
    expect(steps.get(20)).toMatchObject({ ok: 1, failed: 0, lag_seconds: 660 });
    expect(steps.get(10)).toMatchObject({ lag_seconds: 0 });
  });

  it('ends with what waits now, also without attempts', async () => {
    const before = offset;
    const id = await webhook(before);
    await append(5);
    const steps = await points(id, '1h');
    expect(steps.get(8)?.lag_seconds).toBe(0);
    expect(steps.get(3)?.lag_seconds).toBe(150);
    expect(steps.get(0)?.lag_seconds).toBe(300);
    const day = await points(id, '24h');
    expect(day.size).toBe(144);
    expect(day.get(0)?.lag_seconds).toBe(300);
  });

  it('says of each of the last 24 hours whether attempts succeeded, failed, or both', async () => {
    const id = await webhook(offset);
    await attempt(id, 10, 1, true);
    await attempt(id, 70, 1, false);
    await attempt(id, 130, 1, true);
    await attempt(id, 131, 1, false);
    await attempt(id, 24 * 60, 1, true);
    const answer = await operator('GET', `/operator/webhooks/activity?webhook_ids=${id},${randomUUID()}`);
    expect(field(answer.json, 'data')).toEqual([{ webhook_id: id, hours: `${'-'.repeat(21)}sfo` }]);
    expect((await operator('GET', '/operator/webhooks/activity?webhook_ids=1')).status).toBe(400);
    expect((await operator('GET', `/operator/webhooks/${randomUUID()}/history`)).status).toBe(404);
  });
});

describe('searching events by the id of their object', () => {
  it('needs a tenant, finds exactly those, and says how far back it looked', async () => {
    const { clientId: other } = await api.tenant();
    await api.database.query('update tenants set partition = 1 where client_id = $1', [other]);
    const object = { id: 'acc-7', account: { id: 'acc-8' }, label: 'acc-9' };
    const body = { client_id: other, events: [{ type: 'ACCOUNT.OPENED', object }] };
    expect((await operator('POST', '/operator/events', { body })).status).toBe(202);
    // Older than one call looks at: 20,500 others stand before it.
    await api.database.query(
      `insert into events (partition, event_offset, client_id, id, type, body, appended_at)
       select 1, 100 + n, $1, gen_random_uuid(), 'ORDER.NEW', '{"object":{"id":"acc-8"}}', clock_timestamp()
       from generate_series(1, 20500) n`,
      [clientId],
    );
    const found = async (objectId: string): Promise<{ count: number; calls: number }> => {
      let count = 0;
      let calls = 0;
      for (let cursor = ''; ; ) {
        const target = `/operator/events?client_id=${other}&object_id=${objectId}${cursor}`;
        const answer = await operator('GET', target);
        expect(answer.status).toBe(200);
        count += (field(answer.json, 'data') as readonly unknown[]).length;
        calls += 1;
        const next = field(answer.json, 'next_cursor');
        expect(field(answer.json, 'searched_back_to') === null).toBe(next === null);
        if (typeof next !== 'string') return { count, calls };
        cursor = `&cursor=${next}`;
      }
    };
    expect(await found('acc-7')).toEqual({ count: 1, calls: 2 });
    expect(await found('acc-8')).toEqual({ count: 0, calls: 2 });
    expect(await found('acc-9')).toEqual({ count: 0, calls: 2 });
    expect((await operator('GET', '/operator/events?object_id=acc-7')).status).toBe(400);
    expect((await operator('GET', `/operator/events?client_id=${other}&object_id=%22`)).status).toBe(400);
  });
});
