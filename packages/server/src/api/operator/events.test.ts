import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptColumns } from '../../delivery/ledger.ts';
import { buildPackage } from '../../delivery/package.ts';
import { createSender } from '../../delivery/sender.ts';
import { createTargetPolicy } from '../../targets/target-policy.ts';
import { field, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
let endpoint: Server;
let url = '';
/** Bodies that the endpoint got; it answers 500. */
const received: string[] = [];

beforeAll(async () => {
  api = await startApi();
  operator = operatorOf(api);
  endpoint = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push(Buffer.concat(chunks).toString('utf8'));
    response.writeHead(500, { 'x-why': 'broken' }).end('no luck');
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  const address = endpoint.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/hooks?a=1`;
});
afterAll(async () => {
  endpoint.close();
  await api.close();
});

async function hook(clientId: string, type: readonly string[]): Promise<string> {
  const id = randomUUID();
  await api.database.query(
    `insert into webhooks (id, client_id, partition, title, url, type, delay, max_package_size)
     select $1, client_id, partition, 't', $4, $3, '5s', 1000 from tenants where client_id = $2`,
    [id, clientId, type, url],
  );
  return id;
}

async function publish(clientId: string, events: readonly object[]): Promise<string[]> {
  const { json } = await operator('POST', '/operator/events?return=ids', { body: { client_id: clientId, events } });
  const ids = field(json, 'ids');
  if (!Array.isArray(ids)) throw new TypeError('no ids');
  return ids.map(String);
}

/** Posts a package to the endpoint and writes its attempt down, both as delivery does. */
async function attempt(clientId: string, webhookId: string, ids: readonly string[]): Promise<string> {
  const [tenant] = await api.database.query<{ partition: number }>(
    'select partition from tenants where client_id = $1',
    [clientId],
  );
  const partition = tenant?.partition ?? 0;
  const all = await api.deps.log.read(partition, 0, { limit: 1000, maxBytes: 1_000_000, filter: { clientId } });
  const events = all.events.filter((event) => ids.includes(event.id));
  const body = buildPackage(
    events.map((event) => ({ ...event, bytes: Buffer.byteLength(event.body) })),
    webhookId,
  );
  const sender = createSender({ policy: createTargetPolicy({ insecure: 'all' }), keys: api.deps.keys });
  const outcome = await sender.post({ url, body });
  await sender.close();
  const id = randomUUID();
  const row = attemptColumns(
    {
      id,
      webhookId,
      clientId,
      partition,
      kind: 'delivery',
      packageId: randomUUID(),
      attempt: 1,
      firstOffset: events[0]?.offset ?? 0,
      lastOffset: events.at(-1)?.offset ?? 0,
      eventCount: events.length,
      bytes: body.length,
      url,
      outcome,
    },
    0,
  );
  const { epoch: _, ...columns } = row;
  const names = Object.keys(columns).join(', ');
  await api.database.query(
    `insert into attempts (${names}) select ${names} from json_populate_record(null::attempts, $1::text::json)`,
    [JSON.stringify(columns)],
  );
  return id;
}

async function pages(target: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  let cursor: unknown = '';
  while (cursor !== null) {
    const { json } = await operator('GET', `${target}${cursor ? `&cursor=${String(cursor)}` : ''}`);
    const data = field(json, 'data');
    if (!Array.isArray(data)) throw new TypeError('no data');
    rows.push(...data);
    cursor = field(json, 'next_cursor');
  }
  return rows;
}

describe('searching events', () => {
  it('pages through all partitions, newest first, each event once', async () => {
    const tenants = [await api.tenant(), await api.tenant(), await api.tenant()];
    const ids: string[] = [];
    for (let round = 0; round < 9; round++) {
      ids.push(...(await publish(tenants[round % 3]?.clientId ?? '', [{ type: 'A.A', object: {} }])));
    }
    const found = (await pages('/operator/events?limit=2')).map((row) => field(row, 'id'));
    expect(found.filter((id) => ids.includes(String(id)))).toEqual(ids.toReversed());
  });

  it('finds by tenant, type, category and time', async () => {
    const { clientId } = await api.tenant();
    const [first, second] = await publish(clientId, [
      { type: 'USER.CREATED', created_at: '2021-01-01T00:00:00.5Z', object: {} },
      { type: 'ORDER.FILLED', object: {} },
    ]);
    const [edge] = await api.database.query<{ appended_at: Date }>('select appended_at from events where id = $1', [
      second ?? '',
    ]);
    const [third] = await publish(clientId, [{ type: 'USER.DELETED', object: {} }]);
    const search = async (query: string) =>
      (await pages(`/operator/events?client_id=${clientId}${query}`)).map((row) => field(row, 'id'));
    expect(await search('')).toEqual([third, second, first]);
    expect(await search('&type=USER')).toEqual([third, first]);
    expect(await search('&type=USER.CREATED')).toEqual([first]);
    const after = new Date((edge?.appended_at.getTime() ?? 0) + 1).toISOString();
    expect(await search(`&since=${after}`)).toEqual([third]);
    expect(await search(`&until=${after}`)).toEqual([second, first]);
    expect(await search(`&id=${first}`)).toEqual([first]);
    expect(await search(`&id=${randomUUID()}`)).toEqual([]);
    const [shown] = await pages(`/operator/events?client_id=${clientId}&type=USER.CREATED`);
    expect(shown).toMatchObject({ created_at: '2021-01-01T00:00:00.5Z', type: 'USER.CREATED', client_id: clientId });
  });

  it.each(['type=user', 'since=x', 'id=x', 'cursor=x', 'cursor=W1siYSIsMV1d', 'limit=501'])(
    'refuses %s',
    async (query) => {
      expect((await operator('GET', `/operator/events?${query}`)).status).toBe(400);
    },
  );
});

describe('an event', () => {
  it('is shown as it was published, with its way to each webhook', async () => {
    const { clientId } = await api.tenant();
    const [early] = await publish(clientId, [{ type: 'USER.CREATED', object: {} }]);
    const user = await hook(clientId, ['USER']);
    const order = await hook(clientId, ['ORDER']);
    await operator('POST', `/operator/webhooks/${user}/enable`);
    const id = randomUUID();
    const text = `{"client_id":"${clientId}","events":[{"id":"${id}","type":"USER.CREATED","object":{"n": 1.000000000000000000001}}]}`;
    await operator('POST', '/operator/events', { text });

    const shown = await operator('GET', `/operator/events/${id}`);
    expect(shown.text).toContain('"object":{"n": 1.000000000000000000001}');
    expect(shown.json).toMatchObject({
      webhooks: [
        { webhook_id: user, state: 'waiting', delivered_at: null, attempts: [] },
        { webhook_id: order, state: 'not matching' },
      ],
    });
    const before = await operator('GET', `/operator/events/${early}`);
    expect(before.json).toMatchObject({
      webhooks: [{ webhook_id: user, state: 'before start' }, { webhook_id: order }],
    });

    const attemptId = await attempt(clientId, user, [id]);
    const offset = field(shown.json, 'offset');
    await api.database.query(
      `update webhooks set pending_id = $2, pending_first = $3, pending_last = $3, attempts = 1, blocked_since = now(),
         next_attempt_at = now() where id = $1`,
      [user, randomUUID(), Number(offset)],
    );
    const failed = await operator('GET', `/operator/events/${id}`);
    expect(failed.json).toMatchObject({
      webhooks: [{ state: 'retrying', attempts: [{ id: attemptId, ok: false, reason: 'status_5xx' }] }, {}],
    });
    await operator('POST', `/operator/webhooks/${user}/skip`);
    expect((await operator('GET', `/operator/events/${id}`)).json).toMatchObject({
      webhooks: [{ state: 'skipped' }, {}],
    });
    await api.database.query('update attempts set ok = true, reason = null where id = $1', [attemptId]);
    const delivered = await operator('GET', `/operator/events/${id}`);
    expect(delivered.json).toMatchObject({ webhooks: [{ state: 'delivered', delivered_at: expect.any(String) }, {}] });
  });

  it('that two tenants published under one id needs the tenant', async () => {
    const id = randomUUID();
    const [a, b] = [await api.tenant(), await api.tenant()];
    for (const { clientId } of [a, b]) await publish(clientId, [{ id, type: 'A.A', object: { clientId } }]);
    expect((await operator('GET', `/operator/events/${id}`)).status).toBe(409);
    const { json } = await operator('GET', `/operator/events/${id}?client_id=${b.clientId}`);
    expect(json).toMatchObject({ object: { clientId: b.clientId } });
  });

  it('that is not there is 404', async () => {
    expect((await operator('GET', `/operator/events/${randomUUID()}`)).status).toBe(404);
  });
});

describe('an attempt', () => {
  it('is shown to the byte: body, headers, signature base, answer', async () => {
    const { clientId } = await api.tenant();
    const webhook = await hook(clientId, ['USER']);
    const ids = await publish(clientId, [
      { type: 'USER.CREATED', created_at: '2026-01-01T00:00:02Z', object: { name: 'Zoë' } },
      { type: 'ORDER.FILLED', object: {} },
      { type: 'USER.CREATED', created_at: '2026-01-01T00:00:01Z', object: {} },
    ]);
    const id = await attempt(clientId, webhook, [ids[0] ?? '', ids[2] ?? '']);
    const { json } = await operator('GET', `/operator/attempts/${id}`);
    expect(json).toMatchObject({
      ok: false,
      reason: 'status_5xx',
      event_count: 2,
      request: { method: 'POST', url, body: received.at(-1), headers: { 'content-type': 'application/json' } },
      response: { status: 500, headers: { 'x-why': 'broken' }, excerpt: 'no luck' },
      events: [{ id: ids[0], created_at: '2026-01-01T00:00:02Z' }, { id: ids[2] }],
    });
    const base = String(field(field(json, 'request'), 'signature_base'));
    expect(base.split('\n').slice(0, 3)).toEqual(['@method: POST', '@path: /hooks', '@query: ?a=1']);
    expect(base).toMatch(/\n@signature-params: \(.*\);keyid=/);
  });

  it('shows no body that it cannot prove', async () => {
    const { clientId } = await api.tenant();
    const webhook = await hook(clientId, ['USER']);
    const ids = await publish(
      clientId,
      ['A', 'B', 'C'].map((name) => ({ type: `USER.${name}`, object: {} })),
    );
    const id = await attempt(clientId, webhook, ids);
    await api.database.query('delete from events where client_id = $1 and id = $2', [clientId, ids[1] ?? '']);
    const { json } = await operator('GET', `/operator/attempts/${id}`);
    expect(json).toMatchObject({ request: { body: null }, events: null });
  });

  it('is found by webhook, tenant, outcome, kind and time, newest first, page by page', async () => {
    const { clientId } = await api.tenant();
    const webhook = await hook(clientId, ['USER']);
    const ids = await publish(clientId, [{ type: 'USER.A', object: {} }]);
    const attempts: string[] = [];
    for (let count = 0; count < 5; count++) attempts.unshift(await attempt(clientId, webhook, ids));
    const search = async (query: string) =>
      (await pages(`/operator/attempts?limit=2${query}`)).map((row) => field(row, 'id'));
    expect(await search(`&webhook_id=${webhook}`)).toEqual(attempts);
    expect(await search(`&client_id=${clientId}&ok=false&kind=delivery`)).toEqual(attempts);
    expect(await search(`&client_id=${clientId}&ok=true`)).toEqual([]);
    expect(await search(`&client_id=${clientId}&kind=test`)).toEqual([]);
    expect(await search(`&client_id=${clientId}&since=2020-01-01T00:00:00%2B01:00`)).toEqual(attempts);
    expect(await search(`&client_id=${clientId}&until=2020-01-01T00:00:00Z`)).toEqual([]);
  });

  it('that is not there is 404', async () => {
    expect((await operator('GET', `/operator/attempts/${randomUUID()}`)).status).toBe(404);
  });
});
