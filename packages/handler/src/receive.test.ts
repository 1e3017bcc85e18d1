import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { WebhookEvent } from '@bellhop/events';
import { memoryNonces } from '@bellhop/signatures';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hooks, Inbox } from './index.ts';
import { createHandler, memoryInbox, remoteKeys, toFetch, toNode } from './index.ts';
import { parsePackage } from './parse-package.ts';
import { bothVersions, createSender, eventOf, serve } from './sender.fixture.ts';

const sender = await createSender();

/** A handler behind a real server, with what its hooks said. */
async function receiver(options: { inbox?: Inbox<undefined>; maxBodyBytes?: number; now?: () => number } = {}) {
  const rejected: Parameters<NonNullable<Hooks['onRejected']>>[0][] = [];
  const received: Parameters<NonNullable<Hooks['onReceived']>>[0][] = [];
  const seen: WebhookEvent[] = [];
  const handler = createHandler({
    keys: sender.keys,
    inbox: options.inbox ?? memoryInbox(),
    ...options,
    hooks: { onRejected: (fact) => rejected.push(fact), onReceived: (fact) => received.push(fact) },
  });
  handler.on('*', (event) => void seen.push(event)).fallback((event) => void seen.push(event));
  const server = await serve(toNode(handler));
  return { handler, rejected, received, seen, ...server, [Symbol.asyncDispose]: server[Symbol.asyncDispose] };
}

describe('a delivery over real HTTP', () => {
  for (const version of bothVersions) {
    it(`signed with version ${version} is answered 200 once it is stored, and then processed`, async () => {
      await using at = await receiver();
      const events = [eventOf('ORDER.FILLED'), eventOf('USER.CREATED')];
      const response = await sender.post(at.url, events, { version });
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ stored: 2, duplicates: 0 });
      expect(await at.handler.inbox.stats()).toMatchObject({ waiting: 2 });
      await at.handler.drain();
      expect(at.seen).toEqual(events);
      expect(at.received).toMatchObject([{ stored: 2, duplicates: 0, keyId: sender.key.keyId }]);
    });
  }

  it('with a type, fields and values that nobody has heard of is taken like any other', async () => {
    await using at = await receiver();
    const event = { ...eventOf('ORDER.FILLED'), type: 'VOUCHER.REDEEMED_LATER', invented: { deep: [1] } };
    expect((await sender.post(at.url, [event])).status).toBe(200);
    await at.handler.drain();
    expect(at.seen).toEqual([event]);
  });

  it('is stored once per event id, inside a package and across packages, and wholly known packages get 200', async () => {
    await using at = await receiver();
    const [a, b, c] = [eventOf('ORDER.NEW'), eventOf('ORDER.FILLED'), eventOf('USER.CREATED')];
    expect(await (await sender.post(at.url, [a, a, b])).json()).toEqual({ stored: 2, duplicates: 1 });
    await at.handler.drain();
    expect(await (await sender.post(at.url, [a, b])).json()).toEqual({ stored: 0, duplicates: 2 });
    expect(await (await sender.post(at.url, [b, c])).json()).toEqual({ stored: 1, duplicates: 1 });
    await at.handler.drain();
    expect(at.seen.map((event) => event.id)).toEqual([a.id, b.id, c.id]);
  });

  it('with 10,000 events is taken as one', async () => {
    await using at = await receiver({ maxBodyBytes: 32 * 1024 * 1024 });
    const template = eventOf('USER.CREATED');
    const events = Array.from({ length: 10_000 }, (_, index) => ({ ...template, id: `event-${index}` }));
    expect(await (await sender.post(at.url, events)).json()).toEqual({ stored: 10_000, duplicates: 0 });
  });

  it('through fetch instead of node:http works the same', async () => {
    const handler = createHandler({ keys: sender.keys });
    const answer = toFetch(handler);
    const url = 'https://tenant.tld/webhooks';
    const { headers, body } = await sender.prepare(url, [eventOf('ORDER.FILLED')]);
    const response = await answer(new Request(url, { method: 'POST', headers, body }));
    expect([response.status, await response.json()]).toEqual([200, { stored: 1, duplicates: 0 }]);
    const get = await answer(new Request(url));
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    const large = await answer(new Request(url, { method: 'POST', headers, body: new Uint8Array(3 * 1024 * 1024) }));
    expect(large.status).toBe(413);
  });

  it('behind a proxy that changes the path verifies against the path the sender called', async () => {
    const handler = createHandler({ keys: sender.keys, publicTarget: (url) => `/public${url}` });
    await using server = await serve(toNode(handler));
    const { headers, body } = await sender.prepare('/public/webhooks?tenant=1', [eventOf('ORDER.FILLED')]);
    const { 'content-length': _, ...sent } = headers;
    expect((await fetch(server.url, { method: 'POST', headers: sent, body })).status).toBe(200);
  });

  it('with bytes that a framework kept needs no stream, and with a parsed body says what to do', async () => {
    const rejected: string[] = [];
    const handler = createHandler({ keys: sender.keys, hooks: { onRejected: ({ reason }) => rejected.push(reason) } });
    const listener = toNode(handler);
    for (const keep of [true, false]) {
      await using server = await serve(async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        listener(Object.assign(request, { body: keep ? bytes : JSON.parse(bytes.toString()) }), response);
      });
      const response = await sender.post(server.url, [eventOf('ORDER.FILLED')]);
      expect(response.status).toBe(keep ? 200 : 500);
      if (!keep) expect(await response.json()).toMatchObject({ reason: 'body_consumed' });
    }
    expect(rejected).toEqual(['body_consumed']);
  });
});

describe('refusals', () => {
  it('answer 401 to what does not verify, before anything is parsed or stored', async () => {
    await using at = await receiver();
    const stranger = await createSender();
    const seconds = Math.floor(Date.now() / 1000);
    const events = [eventOf('ORDER.FILLED')];
    const good = await sender.prepare(at.url, events, { nonce: 'once' });
    const post = (headers: Record<string, string>, body: Uint8Array<ArrayBuffer>, url = at.url) => {
      const { 'content-length': _, ...rest } = headers;
      return fetch(url, { method: 'POST', headers: rest, body });
    };
    const tampered = Uint8Array.from(good.body);
    tampered[20] = (tampered[20] ?? 0) ^ 1;
    const { signature: _, ...unsigned } = good.headers;
    const answers = [
      await post(unsigned, good.body),
      await post(good.headers, tampered),
      await post(good.headers, good.body, at.url.replace('tenant=1', 'tenant=2')),
      await stranger.post(at.url, events),
      await sender.post(at.url, events, { created: seconds - 3600 }),
      await sender.post(at.url, events, { created: seconds + 3600 }),
      await sender.post(at.url, 'not even JSON', { components: ['@method', '@path'] }),
    ];
    expect(answers.map((response) => response.status)).toEqual([401, 401, 401, 401, 401, 401, 401]);
    expect(at.rejected.map((fact) => fact.reason)).toEqual([
      expect.stringMatching(/signature/),
      'digest_mismatch',
      'signature_mismatch',
      'unknown_key',
      'expired',
      'created_in_future',
      'insufficient_cover',
    ]);
    expect(await at.handler.inbox.stats()).toMatchObject({ waiting: 0 });

    expect((await post(good.headers, good.body)).status).toBe(200);
    const replay = await post(good.headers, good.body);
    expect([replay.status, await replay.json()]).toMatchObject([401, { reason: 'replayed' }]);
  });

  it('answer 400 to a verified body that is no package, whole or not at all', async () => {
    await using at = await receiver();
    const event = eventOf('ORDER.FILLED');
    const { id: _id, ...withoutId } = event;
    const bodies: [string | Uint8Array, string][] = [
      ['{"payload":[', 'malformed_json'],
      [Uint8Array.from([0x22, 0xff, 0x22]), 'malformed_json'],
      ['[]', 'malformed_payload'],
      ['{}', 'malformed_payload'],
      ['{"payload":{}}', 'malformed_payload'],
      ['{"payload":[]}', 'malformed_payload'],
      [JSON.stringify({ payload: [event, withoutId] }), 'malformed_event'],
      [JSON.stringify({ payload: [event, { ...event, type: 7 }] }), 'malformed_event'],
      [JSON.stringify({ payload: [{ ...event, object: [] }] }), 'malformed_event'],
      ['{"payload":[null]}', 'malformed_event'],
    ];
    for (const [body, reason] of bodies) {
      const response = await sender.post(at.url, body);
      expect([response.status, await response.json()]).toMatchObject([400, { reason }]);
    }
    expect(at.rejected.at(6)?.detail).toBe('payload[1].id must be a non-empty string');
    expect(await at.handler.inbox.stats()).toMatchObject({ waiting: 0 });
  });

  it('answer 405 to other methods and 415 to other content, never a redirect', async () => {
    await using at = await receiver();
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
      const response = await fetch(at.url, { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    }
    expect((await sender.post(at.url, [eventOf('ORDER.NEW')], { contentType: 'text/plain' })).status).toBe(415);
    const { headers, body } = await sender.prepare(at.url, [eventOf('ORDER.NEW')]);
    const { 'content-length': _, ...rest } = headers;
    const zipped = await fetch(at.url, { method: 'POST', headers: { ...rest, 'content-encoding': 'gzip' }, body });
    expect(zipped.status).toBe(415);
    const json = await sender.post(at.url, [eventOf('ORDER.NEW')], { contentType: 'application/json; charset=utf-8' });
    expect(json.status).toBe(200);
  });

  it('answer 413 to a body over the limit, announced or not, and go on serving', async () => {
    await using at = await receiver({ maxBodyBytes: 1_000 });
    const large = await sender.post(at.url, 'x'.repeat(4 * 1024 * 1024));
    expect([large.status, await large.json()]).toMatchObject([413, { reason: 'body_too_large' }]);

    let chunks = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks += 1;
        if (chunks > 64) controller.close();
        else controller.enqueue(new Uint8Array(65_536));
      },
    });
    const chunked = await fetch(at.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: endless,
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    const small = { id: 'a', created_at: '2026-01-01T00:00:00Z', type: 'A.B', object: {}, webhook_id: 'w' };
    expect((await sender.post(at.url, [small])).status).toBe(200);
  });

  it('survive a sender that leaves in the middle of the body', async () => {
    await using at = await receiver();
    await new Promise<void>((resolve) => {
      const socket = connect(at.port, '127.0.0.1', () => {
        socket.write(
          'POST /webhooks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
        );
        socket.end(() => socket.destroy());
      });
      socket.on('close', () => resolve());
    });
    await expect.poll(() => at.rejected.map((fact) => fact.reason)).toEqual(['body_incomplete']);
    expect((await sender.post(at.url, [eventOf('ORDER.NEW')])).status).toBe(200);
  });

  it('answer 503 when the store fails, and take the repeat', async () => {
    const inbox = memoryInbox();
    let isAway = true;
    await using at = await receiver({
      inbox: { ...inbox, store: async (events) => (isAway ? Promise.reject(new Error('away')) : inbox.store(events)) },
    });
    const events = [eventOf('ORDER.FILLED')];
    const failed = await sender.post(at.url, events);
    expect([failed.status, await failed.json()]).toMatchObject([503, { reason: 'store_failed' }]);
    expect(at.rejected[0]?.cause).toEqual(new Error('away'));
    isAway = false;
    expect((await sender.post(at.url, events)).status).toBe(200);
  });

  it('answer 503 when the inbox is full, with nothing stored in part', async () => {
    await using at = await receiver({ inbox: memoryInbox({ maxOpen: 2 }) });
    expect((await sender.post(at.url, [eventOf('ORDER.NEW')])).status).toBe(200);
    expect((await sender.post(at.url, [eventOf('ORDER.NEW'), eventOf('ORDER.NEW')])).status).toBe(503);
    expect(await at.handler.inbox.stats()).toMatchObject({ waiting: 1 });
  });

  it('answer 503 while keys or nonces cannot be had, and 503 while stopping', async () => {
    const away = async () => Promise.reject(new Error('away'));
    const events = [eventOf('ORDER.FILLED')];
    const silent = { onRejected: () => undefined };
    for (const [handler, reason] of [
      [createHandler({ keys: remoteKeys({ verifyKeys: away }), hooks: silent }), 'keys_unavailable'],
      [
        createHandler({ keys: sender.keys, inbox: { ...memoryInbox(), nonces: { remember: away } }, hooks: silent }),
        'verification_unavailable',
      ],
    ] as const) {
      await using server = await serve(toNode(handler));
      const response = await sender.post(server.url, events);
      expect([response.status, await response.json()]).toMatchObject([503, { reason }]);
    }
    await using at = await receiver();
    await at.handler.start();
    await at.handler.stop();
    expect((await sender.post(at.url, events)).status).toBe(503);
    await at.handler.start();
    expect((await sender.post(at.url, events)).status).toBe(200);
    await at.handler.stop();
  });

  it('use the nonce memory of the inbox, so that several instances refuse a replay together', async () => {
    const nonces = memoryNonces();
    await using one = await receiver({ inbox: { ...memoryInbox(), nonces } });
    await using two = await receiver({ inbox: { ...memoryInbox(), nonces } });
    const { headers, body } = await sender.prepare(one.url, [eventOf('ORDER.FILLED')]);
    const { 'content-length': _, ...sent } = headers;
    expect((await fetch(one.url, { method: 'POST', headers: sent, body })).status).toBe(200);
    expect((await fetch(two.url, { method: 'POST', headers: sent, body })).status).toBe(401);
  });

  it('are warned about when nobody listens, once for each reason', async () => {
    const warned: string[] = [];
    const note = (warning: Error) => {
      if (Reflect.get(warning, 'code') === 'BELLHOP_REFUSED') warned.push(warning.message);
    };
    process.on('warning', note);
    const handler = createHandler({ keys: sender.keys });
    const unsigned = { url: '/hook', headers: { 'content-type': 'application/json' }, body: new Uint8Array() };
    for (const method of ['POST', 'POST', 'GET', 'PUT', 'POST']) await handler.receive({ ...unsigned, method });
    await handler.stop();
    await handler.receive({ ...unsigned, method: 'POST' });
    await expect.poll(() => warned.length).toBe(2);
    process.off('warning', note);
    expect(warned.map((text) => /\((\w+)\)/.exec(text)?.[1])).toEqual(['missing_signature', 'method_not_allowed']);
  });

  it('stand beside 200 concurrent deliveries that all arrive', async () => {
    await using at = await receiver();
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => (await sender.post(at.url, [eventOf('POSITION.UPDATED')])).status),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await at.handler.inbox.stats()).toMatchObject({ waiting: 200 });
  });
});

describe('the parser', () => {
  it('gives a result for any bytes and any JSON, and never throws', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void expect(parsePackage(bytes).ok).toBeTypeOf('boolean')));
    const event = fc.record({ id: fc.jsonValue(), object: fc.object() });
    const payload = fc.record({ payload: fc.array(fc.oneof(fc.jsonValue(), event)) });
    fc.assert(
      fc.property(payload, (value) => {
        expect(parsePackage(new TextEncoder().encode(JSON.stringify(value))).ok).toBe(false);
      }),
    );
  });
});

interface VectorFile {
  readonly clock: number;
  readonly verify_keys_response: { readonly keys: readonly Record<string, string>[] };
  readonly vectors: readonly {
    readonly id: string;
    readonly signature_version: number;
    readonly request: {
      readonly method: string;
      readonly url: string;
      readonly headers_before_signing: Record<string, string>;
      readonly body_base64: string;
    };
    readonly headers_added_by_signing: Record<string, string>;
  }[];
}

const vectorFile = new URL('../../../../shared/contract/signature-vectors.json', import.meta.url);

describe.skipIf(!existsSync(vectorFile))('the recorded deliveries of the contract (skipped without its folder)', () => {
  const file: VectorFile | undefined = existsSync(vectorFile)
    ? JSON.parse(readFileSync(vectorFile, 'utf8'))
    : undefined;
  const deliveries = file?.vectors.filter(({ id }) => id.startsWith('v6-') && id.includes('-webhook-delivery')) ?? [];

  it('are taken with the recorded key set at the recorded time', async () => {
    expect(deliveries.length).toBeGreaterThan(0);
    for (const { request, headers_added_by_signing } of deliveries) {
      const source = { verifyKeys: async () => ({ keys: file?.verify_keys_response.keys ?? [] }) };
      const handler = createHandler({ keys: remoteKeys(source), now: () => (file?.clock ?? 0) * 1000 });
      const answer = await handler.receive({
        method: request.method,
        url: request.url,
        headers: { ...request.headers_before_signing, ...headers_added_by_signing },
        body: Buffer.from(request.body_base64, 'base64'),
      });
      expect(answer).toMatchObject({ status: 200 });
    }
  });
});
