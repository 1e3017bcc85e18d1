// Everything a sender, a stranger or a broken proxy can send, over real HTTP into a durable inbox: each with its documented
// status and reason, nothing stored in part, no crash, no memory kept.
import { createHash, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { sqliteInbox } from './inbox/sqlite.ts';
import type { RejectReason } from './index.ts';
import { createHandler, toNode } from './index.ts';
import type { Delivery } from './sender.fixture.ts';
import { createSender, eventOf, serve } from './sender.fixture.ts';

const sender = await createSender();
const stranger = await createSender();
const inbox = sqliteInbox(':memory:');
const rejected: string[] = [];
const handler = createHandler({
  keys: sender.keys,
  inbox,
  hooks: { onRejected: ({ reason }) => rejected.push(reason) },
});
const server = await serve(toNode(handler));
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  inbox.close();
});

const seconds = (): number => Math.floor(Date.now() / 1000);
const events = () => [eventOf('ORDER.FILLED'), eventOf('USER.CREATED')];

function post({ headers, body }: Delivery, changed: Record<string, string> = {}): Promise<Response> {
  const { 'content-length': _, ...rest } = headers;
  return fetch(server.url, { method: 'POST', headers: { ...rest, ...changed }, body });
}

const signed = (body: Parameters<typeof sender.post>[1], options?: Parameters<typeof sender.post>[2]) =>
  sender.prepare(server.url, body, options);

const packageOf = (...given: object[]) => JSON.stringify({ payload: given });

function without(event: object, name: string): object {
  return Object.fromEntries(Object.entries(event).filter(([key]) => key !== name));
}

type Row = readonly [what: string, status: number, reason: RejectReason, send: () => Promise<Response>];

const rows: readonly Row[] = [
  [
    'unsigned',
    401,
    'missing_signature',
    async () => {
      const { headers, body } = await signed(events());
      const { signature: _s, 'signature-input': _i, ...rest } = headers;
      return post({ headers: rest, body });
    },
  ],
  [
    'signed with a wrong key under a known name',
    401,
    'signature_mismatch',
    async () => {
      const { headers, body } = await stranger.prepare(server.url, events());
      const input = headers['signature-input']?.replaceAll(stranger.key.keyId, sender.key.keyId) ?? '';
      return post({ headers, body }, { 'signature-input': input });
    },
  ],
  ['signed with an unknown key', 401, 'unknown_key', () => stranger.post(server.url, events())],
  [
    'expired',
    401,
    'expired',
    async () => post(await signed(events(), { created: seconds() - 900, expires: seconds() - 600 })),
  ],
  ['from the future', 401, 'created_in_future', async () => post(await signed(events(), { created: seconds() + 900 }))],
  [
    'with a tampered body',
    401,
    'digest_mismatch',
    async () => {
      const delivery = await signed(events());
      const body = Uint8Array.from(delivery.body);
      body[30] = (body[30] ?? 0) ^ 1;
      return post({ headers: delivery.headers, body });
    },
  ],
  [
    'with a digest of another body',
    401,
    'digest_mismatch',
    async () => {
      const other = createHash('sha256').update('other').digest('base64');
      return post(await signed(events()), { digest: `SHA-256=${other}` });
    },
  ],
  ['as text', 415, 'unsupported_content_type', async () => post(await signed(events(), { contentType: 'text/plain' }))],
  [
    'gzipped',
    415,
    'unsupported_content_encoding',
    async () => post(await signed(gzipSync(packageOf(...events()))), { 'content-encoding': 'gzip' }),
  ],
  ['of 10 MiB', 413, 'body_too_large', async () => post(await signed(new Uint8Array(10 * 1024 * 1024)))],
  [
    'in invalid UTF-8',
    400,
    'malformed_json',
    async () => post(await signed(Buffer.from(packageOf(...events()).replace('USER', 'U\u00ff'), 'latin1'))),
  ],
  ['cut off', 400, 'malformed_json', async () => post(await signed(packageOf(...events()).slice(0, -2)))],
  [
    'with two payloads',
    400,
    'malformed_payload',
    async () =>
      post(await signed(`${packageOf(eventOf('ORDER.NEW')).slice(0, -1)},${packageOf(...events()).slice(1)}`)),
  ],
  [
    'with two ids in an event',
    400,
    'malformed_event',
    async () =>
      post(await signed(`{"payload":[{"id":"${randomUUID()}",${JSON.stringify(eventOf('ORDER.NEW')).slice(1)}]}`)),
  ],
  ['without payload', 400, 'malformed_payload', async () => post(await signed('{"events":[]}'))],
  ['with an empty payload', 400, 'malformed_payload', async () => post(await signed('{"payload":[]}'))],
  ['with a payload that is no list', 400, 'malformed_payload', async () => post(await signed('{"payload":{"0":{}}}'))],
  [
    'with an event without id, last of three',
    400,
    'malformed_event',
    async () => post(await signed(packageOf(...events(), without(eventOf('ORDER.NEW'), 'id')))),
  ],
  [
    'with an event that is null',
    400,
    'malformed_event',
    async () => post(await signed(`{"payload":[${JSON.stringify(eventOf('ORDER.NEW'))},null]}`)),
  ],
];

describe('bad input', () => {
  it.each(rows)('%s is answered %i %s, and nothing of it is stored', async (_what, status, reason, send) => {
    rejected.length = 0;
    const response = await send();
    expect([response.status, await response.json()]).toMatchObject([status, { reason }]);
    expect(rejected).toEqual([reason]);
    expect(await handler.inbox.list()).toEqual({ items: [] });
  });

  it('sent once more with the same signature is answered 401 replayed, and stored once', async () => {
    const delivery = await signed([eventOf('ORDER.FILLED')]);
    expect((await post(delivery)).status).toBe(200);
    const again = await post(delivery);
    expect([again.status, await again.json()]).toMatchObject([401, { reason: 'replayed' }]);
    expect((await handler.inbox.list()).items).toHaveLength(1);
  });

  it('that ends before its length is no delivery, and the server goes on', async () => {
    rejected.length = 0;
    const { headers, body } = await signed(events());
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => {
        const lines = Object.entries({ host: 'a', ...headers }).map(([name, value]) => `${name}: ${value}`);
        socket.write(`POST /webhooks?tenant=1 HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
        socket.write(body.subarray(0, 20));
        socket.end(() => socket.destroy());
      });
      socket.on('close', () => resolve());
    });
    await expect.poll(() => rejected).toEqual(['body_incomplete']);
    expect((await sender.post(server.url, [eventOf('ORDER.NEW')])).status).toBe(200);
  });

  it('with the same id twice in one package is stored once and answered 200', async () => {
    const event = eventOf('ORDER.FILLED');
    const response = await sender.post(server.url, [event, event, { ...event, object: { other: true } }]);
    expect([response.status, await response.json()]).toEqual([200, { stored: 1, duplicates: 2 }]);
    const { items } = await handler.inbox.list({ ids: [event.id] });
    expect(items.map((item) => item.event)).toEqual([event]);
  });

  it('with 10,000 events in one package is stored whole', async () => {
    const many = Array.from({ length: 10_000 }, () => ({
      id: randomUUID(),
      created_at: '2026-01-01T00:00:00Z',
      type: 'A.B',
      object: {},
      webhook_id: 'w',
    }));
    expect(await (await sender.post(server.url, many)).json()).toEqual({ stored: 10_000, duplicates: 0 });
    expect(await handler.inbox.purge({ doneBefore: new Date(0) })).toEqual({ count: 0 });
  });

  it('from 200 strangers and one sender at once leaves no memory behind', { timeout: 60_000 }, async () => {
    const large = { headers: { 'content-type': 'application/json' }, body: new Uint8Array(128 * 1024) };
    const wave = async (): Promise<void> => {
      const good = sender.post(server.url, [eventOf('ORDER.NEW')]);
      const answers = await Promise.all(Array.from({ length: 200 }, () => post(large)));
      for (const answer of answers) {
        expect(answer.status).toBe(401);
        await answer.arrayBuffer();
      }
      expect((await good).status).toBe(200);
    };
    const usedMib = (): number => {
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return (heapUsed + arrayBuffers) / 2 ** 20;
    };
    await wave();
    const beforeMib = usedMib();
    // 200 bodies of 128 KiB are 25 MiB a wave: eight that stay behind are 200 MiB, one is twice the limit. Sockets that
    // are just being closed keep their last chunk for a moment, so the figure is awaited; what leaks never goes below.
    for (let more = 0; more < 8; more += 1) await wave();
    await expect.poll(() => usedMib() - beforeMib, { timeout: 20_000, interval: 100 }).toBeLessThan(12);
  });
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
