import type { KeyObject } from 'node:crypto';
import { sign as cryptoSign, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { createHandler } from '../index.ts';
import { createSender, eventOf } from '../sender.fixture.ts';
import { standardWebhooks } from './standard-webhooks.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const startMs = Date.parse('2026-11-23T10:00:00Z');
const text = '{"type":"invoice.paid","timestamp":"2026-11-23T09:59:58.5Z","data":{"id":"in_1","total":"9.90 €"}}';

function request(headers: Record<string, string>, body: string | Uint8Array = text) {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const all: Record<string, string> = { 'content-type': 'application/json', ...headers };
  return { method: 'POST', url: '/in', headers: all, body: bytes };
}

/** Signed by the reference library. */
function signed(id: string, options: { body?: string; atMs?: number; secret?: string } = {}) {
  const { body = text, atMs = startMs } = options;
  const signature = new Webhook(options.secret ?? secret).sign(id, new Date(atMs), body);
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(atMs / 1000)) };
  return request({ ...headers, 'webhook-signature': signature }, body);
}

function receiver(keys: readonly string[] = [secret], nowMs = startMs) {
  const seen: unknown[] = [];
  const received: string[] = [];
  const handler = createHandler({
    senders: [standardWebhooks({ name: 'BILLING', keys })],
    now: () => nowMs,
    hooks: { onReceived: ({ keyId }) => received.push(keyId) },
  }).fallback((event, { why }) => void seen.push({ ...event, why }));
  const post = async (given: ReturnType<typeof request>) => {
    const { status, body } = await handler.receive(given);
    return [status, JSON.parse(body)];
  };
  return { handler, seen, received, post };
}

describe('Standard Webhooks', () => {
  it('signed by the reference library are stored under the name and processed', async () => {
    const { handler, seen, received, post } = receiver();
    expect(await post(signed('msg_1'))).toEqual([200, { stored: 1, duplicates: 0 }]);
    expect(await post(signed('msg_1', { atMs: startMs + 1000 }))).toEqual([200, { stored: 0, duplicates: 1 }]);
    await handler.drain();
    expect(seen).toEqual([
      {
        id: 'BILLING:msg_1',
        type: 'BILLING.invoice.paid',
        created_at: '2026-11-23T09:59:58.5Z',
        object: { id: 'in_1', total: '9.90 €' },
        webhook_id: 'BILLING',
        why: 'unheard',
      },
    ]);
    expect(received).toEqual(['BILLING#1', 'BILLING#1']);
  });

  it('are refused with the reason of what is wrong', async () => {
    const { post } = receiver();
    const good = signed('msg_1');
    const altered = (headers: Record<string, string>) => ({ ...good, headers: { ...good.headers, ...headers } });
    expect(await post({ ...good, body: Buffer.from(text.replace('9.90', '0.90')) })).toMatchObject([
      401,
      { reason: 'signature_mismatch' },
    ]);
    expect(await post(altered({ 'webhook-id': 'msg_2' }))).toMatchObject([401, { reason: 'signature_mismatch' }]);
    expect(await post(altered({ 'webhook-timestamp': 'now' }))).toMatchObject([401, { reason: 'malformed_signature' }]);
    expect(await post(altered({ 'webhook-id': '' }))).toMatchObject([401, { reason: 'missing_signature' }]);
    expect(await post(altered({ 'webhook-signature': 'v9,abcd' }))).toMatchObject([
      401,
      { reason: 'unsupported_version' },
    ]);
    expect(await post(request({}))).toMatchObject([401, { reason: 'missing_signature' }]);
    expect(await post(signed('msg_3', { atMs: startMs - 301_000 }))).toMatchObject([401, { reason: 'expired' }]);
    expect(await post(signed('msg_3', { atMs: startMs + 301_000 }))).toMatchObject([
      401,
      { reason: 'created_in_future' },
    ]);
    expect(await post(signed('msg_3', { body: '{"type":' }))).toMatchObject([400, { reason: 'malformed_json' }]);
    expect(await post(signed('msg_3', { body: '{"data":{}}' }))).toMatchObject([400, { reason: 'malformed_event' }]);
  });

  it('are taken with any key of a rotation, and with any of several signatures', async () => {
    const next = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const { post, received } = receiver([secret, next]);
    expect((await post(signed('msg_1', { secret: next })))[0]).toBe(200);
    const both = signed('msg_2');
    const list = `v1,AAAA v9,zzz ${both.headers['webhook-signature']}`;
    expect((await post({ ...both, headers: { ...both.headers, 'webhook-signature': list } }))[0]).toBe(200);
    expect(received).toEqual(['BILLING#2', 'BILLING#1']);
  });

  it('with Ed25519 (v1a) are verified with the public key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { post } = receiver([whpk(publicKey)]);
    const content = Buffer.from(`msg_1.${startMs / 1000}.${text}`);
    const signature = `v1a,${cryptoSign(null, content, privateKey).toString('base64')}`;
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(startMs / 1000) };
    expect((await post(request({ ...headers, 'webhook-signature': signature })))[0]).toBe(200);
    expect(await post(request({ ...headers, 'webhook-signature': signature }, `${text} `))).toMatchObject([
      401,
      { reason: 'signature_mismatch' },
    ]);
    expect(await post(signed('msg_1'))).toMatchObject([401, { reason: 'unsupported_version' }]);
  });

  it('with the older header names are taken when asked for', async () => {
    const handler = createHandler({
      senders: [standardWebhooks({ name: 'BILLING', keys: [secret], headerPrefix: 'svix' })],
      now: () => startMs,
    });
    const given = signed('msg_1');
    const headers = Object.fromEntries(
      Object.entries(given.headers).map(([name, value]) => [name.replace('webhook-', 'svix-'), value]),
    );
    expect((await handler.receive({ ...given, headers })).status).toBe(200);
    expect((await handler.receive(given)).status).toBe(401);
  });

  it('of any id, time and body that the library signs verify, and with one byte changed do not', async () => {
    const { post } = receiver();
    const id = fc.stringMatching(/^[a-zA-Z0-9_.-]{1,60}$/);
    const offset = fc.integer({ min: -299, max: 299 });
    await fc.assert(
      fc.asyncProperty(id, offset, fc.json(), fc.nat(), async (messageId, seconds, data, at) => {
        const body = `{"type":"a.b","data":{"value":${data}}}`;
        const given = signed(messageId, { body, atMs: startMs + seconds * 1000 });
        expect((await post(given))[0]).toBe(200);
        const bytes = Uint8Array.from(given.body);
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ 1;
        expect(await post({ ...given, body: Buffer.from(bytes) })).toMatchObject([
          401,
          { reason: 'signature_mismatch' },
        ]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('one inbox for several senders', () => {
  it('takes each request by its own rules, and no sender can speak as another', async () => {
    const upvest = await createSender();
    const ran: string[] = [];
    const handler = createHandler({
      keys: upvest.keys,
      senders: [standardWebhooks({ name: 'BILLING', keys: [secret] })],
    })
      .on('ORDER.FILLED', ({ id }) => void ran.push(`order ${id}`))
      .fallback(({ type }) => void ran.push(type));
    const order = eventOf('ORDER.FILLED');
    const delivery = await upvest.prepare('/in', [order]);
    expect((await handler.receive({ method: 'POST', url: '/in', ...delivery })).status).toBe(200);
    const forged = JSON.stringify({ type: 'ORDER.FILLED', id: order.id, data: order.object });
    expect((await handler.receive(signed(order.id, { body: forged, atMs: Date.now() }))).status).toBe(200);
    await handler.drain();
    expect(ran.sort()).toEqual(['BILLING.ORDER.FILLED', `order ${order.id}`]);
  });

  it('refuses at once names that would be taken for the Investment API, and keys that are none', () => {
    expect(() => standardWebhooks({ name: 'ORDER', keys: [secret] })).toThrow(/ORDER is a category/);
    expect(() => standardWebhooks({ name: 'billing', keys: [secret] })).toThrow(TypeError);
    expect(() => standardWebhooks({ name: 'BILLING', keys: [] })).toThrow(TypeError);
    const slip = secret.replace('whsec_', 'whsek_');
    expect(() => standardWebhooks({ name: 'BILLING', keys: [slip] })).toThrow(/BILLING#1/);
    expect(() => standardWebhooks({ name: 'BILLING', keys: [slip] })).not.toThrow(slip);
    expect(() => createHandler({})).toThrow(TypeError);
  });
});

function whpk(publicKey: KeyObject): string {
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return `whpk_${Buffer.from(x, 'base64url').toString('base64')}`;
}
