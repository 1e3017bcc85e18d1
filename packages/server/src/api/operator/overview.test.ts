import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, operatorToken, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
const nowMs = Date.parse('2026-03-01T12:00:30Z');

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  operator = operatorOf(api);
});
afterAll(() => api.close());

describe('rollups', () => {
  it('count per minute, add up over flushes, and leave minutes without traffic at zero', async () => {
    api.deps.rollups.appended(10, 2, 1);
    api.deps.rollups.attempted('ok', 8, 20, 3);
    await api.deps.rollups.flush();
    api.deps.rollups.appended(5, 0, 1);
    api.deps.rollups.attempted('status_5xx', 4, 20, undefined);
    api.deps.rollups.attempted('aborted', 4, 20, 1);
    const answer = await operator('GET', '/operator/rollups?range=15m');
    expect(answer.status).toBe(200);
    const points = field(answer.json, 'points');
    expect(points).toHaveLength(15);
    expect(field(points, '14')).toEqual({
      at: '2026-03-01T12:00:00.000Z',
      published: 15,
      delivered: 8,
      packages: 1,
      failed_attempts: 1,
      wire_p99_ms: 5,
    });
    expect(field(points, '0')).toMatchObject({ at: '2026-03-01T11:46:00.000Z', published: 0, wire_p99_ms: null });
    expect(field(answer.json, 'total')).toMatchObject({ published: 15, delivered: 8, failed_attempts: 1, skipped: 0 });
  });

  it('keep what could not be written, and write it later', async () => {
    api.deps.rollups.appended(100, 0, 1);
    api.database.outage = true;
    await expect(api.deps.rollups.flush()).rejects.toThrow();
    api.deps.rollups.appended(1, 0, 1);
    api.database.outage = false;
    await api.deps.rollups.flush();
    const rows = await api.database.query('select published_events from rollups');
    expect(rows).toEqual([{ published_events: 116 }]);
  });
});

describe('the overview', () => {
  it('counts webhooks by state and lists the blocked ones with what waits behind them', async () => {
    const tenant = await api.tenant();
    const partition = await partitionOf(tenant.clientId);
    const insert = (title: string, columns: string, values: string) =>
      api.database.query(
        `insert into webhooks (id, client_id, partition, title, url, type, delay, max_package_size, enabled, started_at${columns})
         values (gen_random_uuid(), $1, $2, $3, 'https://a.example/x', '{ALL}', '1s', 1000, $4, now()${values})`,
        [tenant.clientId, partition, title, title !== 'off'],
      );
    await api.deps.log.append(partition, [
      { clientId: tenant.clientId, id: crypto.randomUUID(), type: 'ORDER.NEW', body: '{}' },
      { clientId: tenant.clientId, id: crypto.randomUUID(), type: 'ORDER.NEW', body: '{}' },
    ]);
    await insert('idle', '', '');
    await insert('off', ', cursor', ', 0');
    await insert('behind', ', cursor', ', 1');
    await insert(
      'stuck',
      ', cursor, blocked_since, blocked_reason, blocked_status, attempts, pending_first, pending_last',
      ", 0, '2026-03-01T11:00:00Z', 'status_5xx', 503, 7, 1, 1",
    );
    const answer = await operator('GET', '/operator/overview');
    expect(field(answer.json, 'webhooks')).toEqual({
      total: 4,
      retrying: 1,
      behind: 1,
      flowing: 1,
      disabled: 1,
      muted: 0,
    });
    expect(field(answer.json, 'blocked')).toMatchObject([
      { title: 'stuck', tenant: 'A', reason: 'status_5xx', status: 503, attempts: 7, events: 2, at_least: false },
    ]);
  });
});

describe('the stream', () => {
  it('sends the overview at once as an event, and ends with the reader', async () => {
    const abort = new AbortController();
    const response = await fetch(`${api.baseUrl}/operator/stream`, {
      headers: { authorization: `Bearer ${operatorToken}` },
      signal: abort.signal,
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('\n\nevent: overview') || !text.endsWith('\n\n')) {
      const read = await reader?.read();
      text += read?.value ?? '';
    }
    const data = /^data: (.*)$/m.exec(text)?.[1] ?? '';
    expect(JSON.parse(data)).toHaveProperty('webhooks.total');
    abort.abort();
  });
});

describe('the system page', () => {
  it('tells the database, the workers and the settings', async () => {
    const answer = await operator('GET', '/operator/system');
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      database: { kind: 'pglite' },
      workers: [],
      partitions: { total: 64, unowned: 64 },
    });
  });
});

describe('the catalogue', () => {
  it('has an example of every type that it lists, which may be published as it is', async () => {
    const { clientId } = await api.tenant();
    const listed = await operator('GET', '/operator/event-types');
    const rows = field(listed.json, 'data');
    if (!Array.isArray(rows)) throw new TypeError('No list');
    const types = rows.flatMap((row) => field(row, 'types'));
    expect(types.length).toBeGreaterThan(100);
    const type = String(types[7]);
    const example = await operator('GET', `/operator/event-types/${type}/example`);
    const published = await operator('POST', '/operator/events?validate=true', {
      body: { client_id: clientId, events: [example.json] },
    });
    expect(published.status).toBe(202);
    expect((await operator('GET', '/operator/event-types/NO.SUCH/example')).status).toBe(404);
  });
});

async function partitionOf(clientId: string): Promise<number> {
  const [row] = await api.database.query<{ partition: number }>('select partition from tenants where client_id = $1', [
    clientId,
  ]);
  if (!row) throw new TypeError('No tenant');
  return row.partition;
}
