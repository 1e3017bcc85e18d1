import { createHash, sign as cryptoSign } from 'node:crypto';
import type { KeyAlgorithm, SigningKey } from '@bellhop/signatures';
import {
  generateSigningKey,
  importVerificationKey,
  messageTarget,
  staticKeys,
  verificationKeyOf,
} from '@bellhop/signatures';
import { httpbis } from 'http-message-signatures';
import { describe, expect, it } from 'vitest';
import { createHandler, memoryInbox } from '../index.ts';
import { createSender, eventOf } from '../sender.fixture.ts';
import type { Rfc9421Options } from './rfc9421.ts';
import { rfc9421, verifyMember } from './rfc9421.ts';
import { readMember, signatureBaseOf } from './rfc9421-message.ts';

const url = 'https://hooks.tld/in?mode=live';
const startMs = Date.parse('2026-11-23T10:00:00Z');
const text = '{"id":"evt-1","type":"transfer.settled","time":"2026-11-23T09:59:59Z","data":{"id":"tr-1"}}';
const fields = ['@method', '@path', '@query', 'content-type', 'content-digest'];

interface SignOptions {
  readonly fields?: string[];
  readonly body?: string;
  readonly createdMs?: number;
  readonly expiresMs?: number;
  readonly nonce?: string;
  readonly alg?: string;
  readonly digest?: 'sha-256' | 'sha-512';
  readonly name?: string;
}

/** Signed by the reference library, with the encodings of the RFC. */
async function signed(key: SigningKey, options: SignOptions = {}) {
  const { body = text, createdMs = startMs, expiresMs, nonce, alg, digest = 'sha-512', name = 'sig' } = options;
  const hash = { 'ecdsa-p256': 'sha256', 'ecdsa-p384': 'sha384', 'ecdsa-p521': 'sha512', ed25519: null }[key.algorithm];
  const bytes = Buffer.from(body);
  const value = createHash(digest.replace('-', '')).update(bytes).digest('base64');
  const { headers } = await httpbis.signMessage(
    {
      key: {
        id: key.keyId,
        sign: async (data) => cryptoSign(hash, data, { key: key.privateKey, dsaEncoding: 'ieee-p1363' }),
      },
      name,
      fields: options.fields ?? fields,
      params: ['created', 'keyid', 'alg', 'expires', 'nonce'],
      paramValues: {
        created: new Date(createdMs),
        ...(expiresMs === undefined ? {} : { expires: new Date(expiresMs) }),
        ...(nonce === undefined ? {} : { nonce }),
        ...(alg === undefined ? {} : { alg }),
      },
    },
    {
      method: 'POST',
      url,
      headers: { host: 'hooks.tld', 'content-type': 'application/json', 'content-digest': `${digest}=:${value}:` },
    },
  );
  return { method: 'POST', url: '/in?mode=live', headers: flat(headers), body: bytes };
}

function flat(headers: Record<string, string | string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === 'string' ? value : value.join(', '),
    ]),
  );
}

function receiver(key: SigningKey, options: Partial<Rfc9421Options> = {}) {
  const seen: unknown[] = [];
  const keys = staticKeys([verificationKeyOf(key)]);
  const handler = createHandler({ senders: [rfc9421({ name: 'BANK', keys, ...options })], now: () => startMs });
  handler.fallback((event) => void seen.push(event));
  const post = async (request: Parameters<typeof handler.receive>[0]) => {
    const { status, body } = await handler.receive(request);
    const answer: unknown = JSON.parse(body);
    return status === 200 ? 'ok' : reasonOf(answer);
  };
  return { handler, seen, post };
}

function reasonOf(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null && 'reason' in answer ? answer.reason : undefined;
}

const ed25519 = await generateSigningKey('bank-1', 'ed25519');

describe('RFC 9421, appendix B.2.6 (Ed25519)', () => {
  const headers = new Map([
    ['host', 'example.com'],
    ['date', 'Tue, 20 Apr 2021 02:07:55 GMT'],
    ['content-type', 'application/json'],
    ['content-length', '18'],
    [
      'signature-input',
      'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    ],
    ['signature', 'sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:'],
  ]);
  const target = '/foo?param=Value&Pet=dog';
  const message = {
    method: 'POST',
    url: target,
    ...messageTarget(target),
    headers,
    body: Buffer.from('{"hello": "world"}'),
  };
  const key = importVerificationKey('test-key-ed25519', {
    kty: 'OKP',
    crv: 'Ed25519',
    x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs',
  });

  it('has the base of the RFC, and its signature verifies', async () => {
    const member = readMember(headers, undefined);
    if (!member.ok) throw new TypeError(member.detail);
    expect(signatureBaseOf(message, member, undefined)).toEqual({
      ok: true,
      base: [
        '"date": Tue, 20 Apr 2021 02:07:55 GMT',
        '"@method": POST',
        '"@path": /foo',
        '"@authority": example.com',
        '"content-type": application/json',
        '"content-length": 18',
        '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
      ].join('\n'),
    });
    expect(await verifyMember(message, member, key, undefined)).toEqual({ ok: true });
    expect(await verifyMember({ ...message, path: '/bar' }, member, key, undefined)).toMatchObject({
      reason: 'signature_mismatch',
    });
  });
});

describe('RFC 9421 as http-message-signatures speaks it', () => {
  it.each(['ecdsa-p256', 'ecdsa-p384', 'ed25519'] satisfies KeyAlgorithm[])('verifies with %s', async (algorithm) => {
    const key = await generateSigningKey('bank-1', algorithm);
    const { handler, seen, post } = receiver(key);
    expect(await post(await signed(key))).toBe('ok');
    await handler.drain();
    expect(seen).toEqual([
      {
        id: 'BANK:evt-1',
        type: 'BANK.transfer.settled',
        created_at: '2026-11-23T09:59:59Z',
        object: { id: 'tr-1' },
        webhook_id: 'BANK',
      },
    ]);
    const other = await signed(key, { body: text.replace('tr-1', 'tr-2') });
    expect(await post({ ...other, url: '/in?mode=test' })).toBe('signature_mismatch');
    expect(await post({ ...other, body: Buffer.from(text) })).toBe('digest_mismatch');
  });

  it('takes sha-256 and sha-512, every target component, and an alg that fits', async () => {
    const { post } = receiver(ed25519, { origin: 'https://hooks.tld' });
    expect(await post(await signed(ed25519, { digest: 'sha-256', alg: 'ed25519' }))).toBe('ok');
    for (const target of ['@target-uri', '@request-target']) {
      const withTarget = ['@method', target, '@authority', '@scheme', 'content-digest'];
      expect(await post(await signed(ed25519, { fields: withTarget }))).toBe('ok');
    }
    expect(await post(await signed(ed25519, { alg: 'hmac-sha256' }))).toBe('algorithm_mismatch');
  });

  it('refuses what does not cover the message, at the wrong time, again, or with another key', async () => {
    const { post } = receiver(ed25519);
    const reasonFor = async (options: SignOptions, key = ed25519) => post(await signed(key, options));
    expect(await reasonFor({ fields: ['@path', '@query', 'content-digest'] })).toBe('insufficient_cover');
    expect(await reasonFor({ fields: ['@method', '@path', 'content-digest'] })).toBe('insufficient_cover');
    expect(await reasonFor({ fields: ['@method', '@target-uri', 'content-digest'] })).toBe('unsupported_component');
    expect(await reasonFor({ fields: ['@method', '@path', '@query'] })).toBe('missing_signature');
    expect(await reasonFor({ createdMs: startMs + 60_000 })).toBe('created_in_future');
    expect(await reasonFor({ createdMs: startMs - 301_000 })).toBe('expired');
    expect(await reasonFor({ createdMs: startMs - 100_000, expiresMs: startMs - 60_000 })).toBe('expired');
    expect(await reasonFor({ expiresMs: startMs - 1000 })).toBe('expires_before_created');
    const stranger = await generateSigningKey('stranger', 'ed25519');
    expect(await reasonFor({}, stranger)).toBe('unknown_key');
    const impostor = await generateSigningKey('bank-1', 'ed25519');
    expect(await reasonFor({}, impostor)).toBe('signature_mismatch');
    expect(await reasonFor({ nonce: 'once' })).toBe('ok');
    expect(await reasonFor({ nonce: 'once' })).toBe('replayed');
    expect(await reasonFor({ body: '[]' })).toBe('malformed_event');
  });

  it('remembers a nonce longer than any clock would take its message', async () => {
    const remembered: number[] = [];
    const nonces = { remember: async (_key: string, _nonce: string, until: number) => remembered.push(until) > 0 };
    const keys = staticKeys([verificationKeyOf(ed25519)]);
    const senders = [rfc9421({ name: 'BANK', keys })];
    const handler = createHandler({ senders, inbox: { ...memoryInbox(), nonces }, now: () => startMs });
    expect((await handler.receive(await signed(ed25519, { nonce: 'once' }))).status).toBe(200);
    expect(remembered).toEqual([startMs / 1000 + 300 + 30 + 120]);
  });

  it('has no algorithm for P-521, and takes r||s only', async () => {
    const p521 = await generateSigningKey('bank-1', 'ecdsa-p521');
    expect(await receiver(p521).post(await signed(p521))).toBe('algorithm_not_accepted');
    const p256 = await generateSigningKey('bank-1', 'ecdsa-p256');
    const request = await signed(p256);
    const der = {
      ...request,
      headers: { ...request.headers, signature: `sig=:${Buffer.alloc(70, 0x30).toString('base64')}:` },
    };
    expect(await receiver(p256).post(der)).toBe('malformed_signature');
  });

  it('reads bodies of another shape with a function, and chooses among signatures by label', async () => {
    const { handler, seen, post } = receiver(ed25519, {
      label: 'bank',
      require: ['content-type'],
      events: (body) =>
        Array.isArray(body)
          ? body.map((id: unknown) => ({ id: String(id), type: 'moved', created_at: 'x', object: {} }))
          : undefined,
    });
    const own = await signed(ed25519, { body: '[1,2]', name: 'bank', fields: ['content-type', 'content-digest'] });
    const headers = {
      ...own.headers,
      'signature-input': `proxy=("@method");created=1;keyid="p", ${own.headers['signature-input']}`,
      signature: `proxy=:AAAA:, ${own.headers['signature']}`,
    };
    expect(await post({ ...own, headers })).toBe('ok');
    expect(await post(await signed(ed25519, { body: '{}', name: 'bank' }))).toBe('malformed_event');
    expect(await post(await signed(ed25519))).toBe('label_not_found');
    await handler.drain();
    expect(seen).toMatchObject([{ id: 'BANK:1', type: 'BANK.moved' }, { id: 'BANK:2' }]);
  });

  it('leaves deliveries of the Investment API, of both versions, to their own rules', async () => {
    const upvest = await createSender();
    const keys = staticKeys([verificationKeyOf(ed25519)]);
    const handler = createHandler({ keys: upvest.keys, senders: [rfc9421({ name: 'BANK', keys })] });
    for (const version of [6, 15] as const) {
      const delivery = await upvest.prepare('/in', [eventOf('ORDER.FILLED')], { version });
      expect((await handler.receive({ method: 'POST', url: '/in', ...delivery })).status).toBe(200);
    }
    const own = await signed(ed25519, { createdMs: Math.floor(Date.now() / 1000) * 1000 });
    expect((await handler.receive(own)).status).toBe(200);
  });
});
