import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operatorToken, startApi, type TestApi, type TestTenant } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
let tenant: TestTenant;

beforeAll(async () => {
  api = await startApi();
  operator = operatorOf(api);
  tenant = await api.tenant();
});
afterAll(() => api.close());

interface Stored {
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

function stored(clientId: string): Promise<Stored[]> {
  return api.database.query<Stored>('select id, type, body from events where client_id = $1 order by event_offset', [
    clientId,
  ]);
}

const publish = (events: readonly unknown[], query = '', clientId = tenant.clientId) =>
  operator('POST', `/operator/events${query}`, { body: { client_id: clientId, events } });

const publishText = (text: string) => operator('POST', '/operator/events', { text });

const publishLines = (text: string | Uint8Array, query = '') =>
  operator('POST', `/operator/events${query}`, { text, contentType: 'application/x-ndjson' });

const user = (more: object = {}) => ({ type: 'USER.CREATED', object: { id: 'a' }, ...more });

describe('publishing JSON', () => {
  it('stores the object as the very text that was sent, white space, escapes and long numbers included', async () => {
    const { clientId } = await api.tenant();
    const id = randomUUID();
    const object = '{ "n":1.0000000000000000001e2,\n\t"s":"\\u00e9\\/é", "deep":[ {},[ ] ] }';
    const answer = await publishText(
      ` { "events" : [ {"object":${object}, "type":"NEW_THING.DONE" ,"created_at":"2026-01-02T03:04:05.123456789Z","id":"${id}"} ],"client_id":"${clientId.toUpperCase()}"} `,
    );
    expect(answer).toMatchObject({ status: 202, json: { accepted: 1, duplicates: 0 } });
    expect(await stored(clientId)).toEqual([
      {
        id,
        type: 'NEW_THING.DONE',
        body: `{"id":"${id}","created_at":"2026-01-02T03:04:05.123456789Z","type":"NEW_THING.DONE","object":${object}}`,
      },
    ]);
  });

  it('keeps any object that JSON can say', async () => {
    const { clientId } = await api.tenant();
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme' })),
        async (object) => {
          const id = randomUUID();
          expect(await publish([user({ id, object })], '', clientId)).toMatchObject({ status: 202 });
          const rows = await api.database.query<Stored>('select body from events where id = $1', [id]);
          // As text: a matcher compares prototypes too, and a member may well be named `__proto__`.
          expect(JSON.parse(rows[0]?.body ?? '').id).toBe(id);
          expect(rows[0]?.body.endsWith(`"object":${JSON.stringify(object)}}`)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives a missing id a UUIDv7 and lists ids when asked, and dates a missing created_at', async () => {
    const { clientId } = await api.tenant();
    const id = randomUUID();
    const answer = await publish([user(), user({ id: id.toUpperCase() })], '?return=ids', clientId);
    const rows = await stored(clientId);
    expect(answer).toMatchObject({ status: 202, json: { accepted: 2, ids: rows.map((row) => row.id) } });
    expect(rows[0]?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(rows[1]?.id).toBe(id);
    const { created_at } = JSON.parse(rows[0]?.body ?? '');
    expect(Math.abs(Date.parse(created_at) - Date.now())).toBeLessThan(60_000);
  });

  it('counts an id that the tenant published before, in any case of letters, as a duplicate: the first wins', async () => {
    const { clientId } = await api.tenant();
    const id = randomUUID();
    await publish([user({ id, object: { first: true } })], '', clientId);
    const again = await publish([user({ id: id.toUpperCase(), object: { first: false } }), user()], '', clientId);
    expect(again).toMatchObject({ status: 202, json: { accepted: 1, duplicates: 1 } });
    expect((await stored(clientId))[0]?.body).toContain('"first":true');
  });

  it('takes an empty list', async () => {
    expect(await publish([])).toMatchObject({ status: 202, json: { accepted: 0, duplicates: 0 } });
  });

  it.each([
    ['an unknown field', { ...user(), colour: 1 }, 'events[1]: unknown field "colour"'],
    ['webhook_id', { ...user(), webhook_id: randomUUID() }, 'events[1]: unknown field "webhook_id"'],
    ['a missing type', { object: {} }, 'events[1].type: is required'],
    ['a missing object', { type: 'A.B' }, 'events[1].object: is required'],
    ['an object that is a list', { type: 'A.B', object: [] }, 'events[1].object: must be an object'],
    ['a type of another form', { type: 'USER', object: {} }, 'events[1].type: must be CATEGORY.ACTION'],
    ['a type in small letters', { type: 'user.created', object: {} }, 'events[1].type: must be CATEGORY.ACTION'],
    ['an id that is no UUID', user({ id: 'x' }), 'events[1].id: must be a UUID'],
    ['an id that is a number', user({ id: 1 }), 'events[1].id: must be a string'],
    [
      'a date that does not exist',
      user({ created_at: '2026-02-30T00:00:00Z' }),
      'events[1].created_at: must be an RFC',
    ],
    ['an event that is a text', 'x', 'events[1]: must be an object'],
  ])('refuses %s, names it and stores nothing of the call', async (_, event, detail) => {
    const { clientId } = await api.tenant();
    const answer = await publish([user(), event], '', clientId);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ detail: expect.stringContaining(detail) });
    expect(await stored(clientId)).toEqual([]);
  });

  it.each([
    ['broken JSON', (id: string) => `{"client_id":"${id}","events":[}`, 'expected a value'],
    ['text behind the end', (id: string) => `{"client_id":"${id}","events":[]} x`, 'expected the end'],
    ['a key twice in an object', (id: string) => event(id, '{"a":1,"\\u0061":2}'), 'the key "a" occurs twice'],
    [
      'a field twice',
      (id: string) => `{"client_id":"${id}","client_id":"${id}","events":[]}`,
      '"client_id" occurs twice',
    ],
    [
      'too deep nesting',
      (id: string) => event(id, `${'{"a":'.repeat(64)}{}${'}'.repeat(64)}`),
      'nested deeper than 64',
    ],
    ['another top level', () => '[]', 'must be an object'],
    ['an unknown field', (id: string) => `{"client_id":"${id}","events":[],"dry":1}`, 'unknown field "dry"'],
    ['no client_id', () => '{"events":[]}', 'client_id: is required'],
    ['no events', (id: string) => `{"client_id":"${id}"}`, 'events: is required'],
  ])('refuses %s', async (_, text, detail) => {
    const answer = await publishText(text(tenant.clientId));
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining(detail) } });
  });

  it('refuses bytes that are not UTF-8', async () => {
    const text = Buffer.concat([
      Buffer.from(`{"client_id":"${tenant.clientId}","events":[],"`),
      Buffer.from([0xff, 0x22]),
    ]);
    expect(await operator('POST', '/operator/events', { text })).toMatchObject({ status: 400 });
  });

  it('refuses a tenant that is not there and names it', async () => {
    const id = randomUUID();
    expect(await publish([user()], '', id)).toMatchObject({
      status: 404,
      json: { detail: expect.stringContaining(id) },
    });
  });

  it('refuses an event over 1 MiB and names it, and takes one that just fits', async () => {
    const { clientId } = await api.tenant();
    const id = randomUUID();
    const frame = `{"id":"${id}","created_at":"2026-01-01T00:00:00Z","type":"A.B","object":{"x":""}}`.length;
    const sized = (bytes: number) =>
      user({ id, created_at: '2026-01-01T00:00:00Z', type: 'A.B', object: { x: 'é'.repeat((bytes - frame) / 2) } });
    const limit = 1024 * 1024 + (frame % 2);
    const tooLarge = await publish([user(), sized(limit + 2)], '', clientId);
    expect(tooLarge).toMatchObject({ status: 413, json: { detail: expect.stringContaining(`events[1] (id ${id})`) } });
    expect(await stored(clientId)).toEqual([]);
    expect(await publish([sized(1024 * 1024 - (frame % 2))], '', clientId)).toMatchObject({ status: 202 });
  });

  it('refuses more than 10,000 events or 8 MiB in a call', async () => {
    const { clientId } = await api.tenant();
    const many = Array.from({ length: 10_001 }, () => user());
    expect(await publish(many, '', clientId)).toMatchObject({ status: 413 });
    const large = await publishText(event(clientId, `{"a":"${'x'.repeat(8 * 1024 * 1024)}"}`));
    expect(large.status).toBe(413);
    expect(await stored(clientId)).toEqual([]);
    expect(await publish(many.slice(1), '', clientId)).toMatchObject({ status: 202, json: { accepted: 10_000 } });
  });

  it('checks known types against their schema only when asked', async () => {
    const wrong = { type: 'USER.CREATED', object: { id: 5 } };
    expect(await publish([wrong])).toMatchObject({ status: 202 });
    const refused = await publish([wrong], '?validate=true');
    expect(refused).toMatchObject({ status: 400, json: { detail: expect.stringContaining('events[0].object: ') } });
    expect(await publish([{ type: 'NEW_THING.DONE', object: { id: 5 } }], '?validate=true')).toMatchObject({
      status: 202,
    });
  });

  it('refuses other content types and queries', async () => {
    const text = JSON.stringify({ client_id: tenant.clientId, events: [] });
    expect(await operator('POST', '/operator/events', { text, contentType: 'text/plain' })).toMatchObject({
      status: 400,
    });
    expect(await publish([], '?retrun=ids')).toMatchObject({ status: 400 });
  });

  it('answers 503 with retry-after while the database is away', async () => {
    api.database.outage = true;
    const answer = await publish([user()]);
    api.database.outage = false;
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBeDefined();
  });
});

function event(clientId: string, object: string): string {
  return `{"client_id":"${clientId}","events":[{"type":"A.B","object":${object}}]}`;
}

describe('publishing NDJSON', () => {
  const line = (clientId: string, more: object = {}) => JSON.stringify({ client_id: clientId, ...user(more) });

  it('takes lines of many tenants in their order, blank lines and CRLF included', async () => {
    const tenants = [await api.tenant(), await api.tenant(), await api.tenant()];
    const ids = Array.from({ length: 2_500 }, () => randomUUID());
    const lines = ids.map((id, index) => line(tenants[index % 3]?.clientId ?? '', { id }));
    const answer = await publishLines(`${lines.join('\r\n')}\n\n  \n`, '?return=ids');
    expect(answer).toMatchObject({ status: 202, json: { accepted: 2_500, duplicates: 0, ids } });
    for (const [index, { clientId }] of tenants.entries()) {
      expect((await stored(clientId)).map((row) => row.id)).toEqual(ids.filter((_, at) => at % 3 === index));
    }
    expect(await publishLines(lines.join('\n'))).toMatchObject({
      status: 202,
      json: { accepted: 0, duplicates: 2_500 },
    });
  });

  it('takes an empty body', async () => {
    expect(await publishLines('\n')).toMatchObject({ status: 202, json: { accepted: 0, duplicates: 0 } });
  });

  it('ends at the first bad line: what stood before it is stored, and it is named', async () => {
    const { clientId } = await api.tenant();
    const good = Array.from({ length: 1_200 }, () => line(clientId));
    const text = [...good, '{"client_id":', ...good].join('\n');
    const answer = await publishLines(text);
    expect(answer).toMatchObject({ status: 400, json: { accepted: 1_200, duplicates: 0, failed_line: 1_201 } });
    expect(await stored(clientId)).toHaveLength(1_200);
  });

  it.each([
    ['an unknown tenant', line(randomUUID()), 404],
    ['a missing client_id', JSON.stringify(user()), 400],
    ['a duplicate key', '{"client_id":"x","client_id":"x"}', 400],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400],
    ['an event over 1 MiB', JSON.stringify({ x: 'x'.repeat(1024 * 1024) }), 413],
    ['a line without end', Buffer.alloc(3 * 1024 * 1024, 0x20), 413],
  ])('names the line of %s', async (_, bad, status) => {
    const { clientId } = await api.tenant();
    const body =
      typeof bad === 'string' && status === 413
        ? JSON.stringify({ client_id: clientId, type: 'A.B', object: JSON.parse(bad) })
        : bad;
    const text = Buffer.concat([Buffer.from(`${line(clientId)}\n${line(clientId)}\n`), Buffer.from(body)]);
    const answer = await publishLines(text);
    expect(answer).toMatchObject({ status, json: { accepted: 2, failed_line: 3 } });
    expect(await stored(clientId)).toHaveLength(2);
  });

  it('says what is stored when the database goes away on the way', async () => {
    api.database.outage = true;
    const answer = await publishLines(line(tenant.clientId));
    api.database.outage = false;
    expect(answer).toMatchObject({ status: 503, json: { accepted: 0, failed_line: 1 } });
  });

  it('commits lines while the publisher still sends', async () => {
    const { clientId } = await api.tenant();
    const request = httpRequest(`${api.baseUrl}/operator/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/x-ndjson' },
    });
    const answered = new Promise<number | undefined>((resolve, reject) => {
      request.on('response', (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      });
      request.on('error', reject);
    });
    request.write(`${line(clientId)}\n${line(clientId)}\n{"client_`);
    await expect.poll(() => stored(clientId), { timeout: 10_000 }).toHaveLength(2);
    request.end(`id":"${clientId}","type":"A.B","object":{}}`);
    expect(await answered).toBe(202);
    expect(await stored(clientId)).toHaveLength(3);
  });

  it('does not take the torn last line of a publisher that went away', async () => {
    const { clientId } = await api.tenant();
    const request = httpRequest(`${api.baseUrl}/operator/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/x-ndjson' },
    });
    const gone = new Promise((resolve) => request.on('error', resolve));
    request.write(`${line(clientId)}\n${line(clientId)}`);
    await expect.poll(() => stored(clientId), { timeout: 10_000 }).toHaveLength(1);
    request.destroy();
    await gone;
    // A call that comes later has been answered: the torn one was over before.
    await publishLines(line(clientId));
    expect(await stored(clientId)).toHaveLength(2);
  });
});
