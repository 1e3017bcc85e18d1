import { describe, expect, it } from 'vitest';
import {
  type HttpMessage,
  keyAlgorithms,
  readSignature,
  SignError,
  type SignOptions,
  sign,
  signatureBase,
} from './index.ts';
import { apiCall, createdSeconds, judge, keyOf, outcome, readCall, signed, withHeaders } from './messages.fixture.ts';

async function covered(message: HttpMessage, options: Partial<SignOptions> = {}): Promise<readonly string[]> {
  const headers = await sign(message, { key: await keyOf('ed25519'), version: 15, ...options });
  const fields = readSignature({ ...message, headers });
  return fields.ok ? fields.coveredComponents : [];
}

async function codeOf(signing: Promise<unknown>): Promise<string> {
  return signing.then(
    () => 'signed',
    (error: unknown) => (error instanceof SignError ? error.code : String(error)),
  );
}

async function refusal(message: HttpMessage, options: Partial<SignOptions> = {}): Promise<string> {
  return codeOf(sign(message, { key: await keyOf('ed25519'), version: 15, ...options }));
}

describe('sign', () => {
  it.each(keyAlgorithms)('signs with %s what verify accepts, in both versions', async (algorithm) => {
    for (const version of [15, 6] as const) {
      const message = await signed(apiCall, { algorithm, version });
      expect(await judge(message, { algorithm, strict: true, require: ['authorization'] })).toMatchObject({
        ok: true,
        algorithm,
        version,
        keyId: `key-${algorithm}`,
      });
    }
  });

  it('covers the documented components in the documented order, then the others by name', async () => {
    const headers = { ...apiCall.headers, 'upvest-api-version': '1', 'idempotency-key': 'k', zulu: 'z', date: 'd' };
    const documented = ['@method', '@path', '@query', 'accept', 'authorization', 'content-length', 'content-type'];
    const rest = ['idempotency-key', 'upvest-api-version', 'upvest-client-id', 'date', 'zulu'];
    expect(await covered({ ...apiCall, headers })).toEqual([...documented, 'content-digest', ...rest]);
    const version6 = await signed({ ...apiCall, headers }, { version: 6 });
    expect(version6.headers['upvest-signature-version']).toBeUndefined();
    const fields = readSignature(version6);
    expect(fields.ok && fields.coveredComponents).toEqual([...documented, 'digest', ...rest]);
  });

  it('leaves out what proxies add, change or drop', async () => {
    const dropped = ['cf-ray', 'cdn-loop', 'cookie', 'cookie2', 'x-request-id', 'priority', 'upvest-signature-version'];
    const more = ['sec-fetch-mode', 'user-agent', 'accept-encoding', 'connection', 'host', 'transfer-encoding'];
    const headers = Object.fromEntries(
      [...dropped, ...more, 'signature', 'signature-input'].map((name) => [name, 'v']),
    );
    expect(await covered({ ...readCall, headers })).toEqual(['@method', '@path']);
  });

  it('neither covers nor sets anything about a body that is not there', async () => {
    const message = { ...readCall, headers: { 'content-type': 'text/plain', 'content-length': '0' } };
    expect(await covered(message)).toEqual(['@method', '@path']);
    const headers = await sign(message, { key: await keyOf('ed25519'), version: 15 });
    expect(Object.keys(headers)).toEqual(['signature-input', 'signature', 'upvest-signature-version']);
  });

  it('counts bytes, not characters, and replaces a stale length and digest', async () => {
    const message = withHeaders(apiCall, { 'content-length': '1', 'content-digest': 'sha-512=:AAAA:' });
    const headers = await sign(message, { key: await keyOf('ed25519'), version: 15 });
    expect(headers['content-length']).toBe('19');
    expect(await outcome(await signed(message))).toBe('ok');
  });

  it('takes headers as Headers, pairs or an object alike', async () => {
    const pairs = Object.entries(apiCall.headers);
    const options = { version: 15, created: createdSeconds, nonce: 'n', key: await keyOf('ed25519') } as const;
    const expected = await sign(apiCall, options);
    for (const headers of [new Headers(pairs), pairs, new Map(pairs)]) {
      expect(await sign({ ...apiCall, headers }, options)).toEqual(expected);
    }
  });

  it('joins repeated headers with a comma and removes outer white space', async () => {
    const headers: [string, string][] = [
      ['Accept', ' a/b\t'],
      ['ACCEPT', 'c/d '],
    ];
    expect(signatureBase({ ...readCall, headers }, 6, ['accept'], '()')).toBe(
      'accept: a/b, c/d\n@signature-params: ()',
    );
    expect(await covered({ ...readCall, headers })).toEqual(['@method', '@path', 'accept']);
  });

  it('takes times and nonce from the clock and the random source it is given', async () => {
    const options = { now: () => 1_000_999, randomNonce: () => 'random', lifetimeSeconds: 5 };
    const headers = await sign(readCall, { key: await keyOf('ed25519'), version: 15, ...options });
    expect(headers['signature-input']).toMatch(/;created=1000;expires=1005;nonce="random"$/);
    const without = await sign(readCall, { key: await keyOf('ed25519'), version: 15, ...options, expires: null });
    expect(without['signature-input']).toMatch(/;created=1000;nonce="random"$/);
  });

  it('uses a new nonce for each call', async () => {
    const nonces = new Set<string>();
    for (let call = 0; call < 20; call++) {
      const fields = readSignature(await signed(readCall));
      if (fields.ok) nonces.add(fields.nonce);
    }
    expect(nonces.size).toBe(20);
  });

  it.each(['a\r\nb', 'a\nb', 'a\rb', 'a\0b', 'a\u2028b', 'ł'])('refuses the header value %j', async (value) => {
    expect(await refusal(withHeaders(readCall, { date: value }))).toBe('malformed_message');
  });

  it('refuses targets and methods that could forge a line of the base', async () => {
    expect(await refusal({ ...readCall, path: '/a\n"@query": x' })).toBe('malformed_message');
    expect(await refusal({ ...readCall, query: 'a\nb' })).toBe('malformed_message');
    expect(await refusal({ ...readCall, method: 'GET\n' })).toBe('malformed_message');
    expect(await refusal({ ...readCall, method: '' })).toBe('malformed_message');
    expect(await refusal({ ...readCall, path: '/a?b' })).toBe('malformed_message');
  });

  it('refuses components that are absent, repeated or unknown', async () => {
    expect(await refusal(readCall, { components: ['@method', 'date'] })).toBe('missing_component');
    expect(await refusal(readCall, { components: ['@method', '@method'] })).toBe('duplicate_component');
    for (const name of ['@authority', '@signature-params', 'Accept', 'a b']) {
      expect(await refusal(readCall, { components: [name] })).toBe('unsupported_component');
    }
  });

  it('refuses parameters that cannot be written', async () => {
    expect(await refusal(readCall, { nonce: '' })).toBe('invalid_parameter');
    expect(await refusal(readCall, { nonce: 'a\nb' })).toBe('invalid_parameter');
    expect(await refusal(readCall, { nonce: 'n'.repeat(257) })).toBe('invalid_parameter');
    expect(await refusal(readCall, { created: 1.5 })).toBe('invalid_parameter');
    expect(await refusal(readCall, { expires: -1 })).toBe('invalid_parameter');
    expect(await refusal(readCall, { label: 'Sig' })).toBe('invalid_parameter');
  });

  it('escapes what a quoted string must escape', async () => {
    const message = await signed(readCall, { nonce: 'a"b\\c;d,e' });
    expect(await judge(message)).toMatchObject({ ok: true, nonce: 'a"b\\c;d,e' });
  });
});
