import { sign as cryptoSign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  digest,
  KeySetError,
  memoryNonces,
  type SignOptions,
  staticKeys,
  type VerifyOptions,
  verificationKeyOf,
  verify,
} from './index.ts';
import {
  apiCall,
  clock,
  createdSeconds,
  header,
  judge,
  keyOf,
  outcome,
  readCall,
  signed,
  withHeaders,
} from './messages.fixture.ts';

const at = (seconds: number) => (): number => (createdSeconds + seconds) * 1000;

describe('verify: version', () => {
  it('reads an absent selector as version 6 and 15 as version 15, nothing else', async () => {
    const message = await signed(readCall);
    expect(await outcome(withHeaders(message, { 'upvest-signature-version': undefined }))).toBe('signature_mismatch');
    for (const value of ['6', '', '15.0', '15, 15', '016', '9421']) {
      expect(await outcome(withHeaders(message, { 'upvest-signature-version': value }))).toBe('unsupported_version');
    }
  });

  it('accepts only the versions asked for', async () => {
    expect(await outcome(await signed(readCall, { version: 6 }), { versions: [15] })).toBe('unsupported_version');
    expect(await outcome(await signed(readCall, { version: 6 }), { versions: [15, 6] })).toBe('ok');
  });
});

describe('verify: form', () => {
  it('needs both headers', async () => {
    const message = await signed(readCall);
    expect(await outcome(readCall)).toBe('missing_signature');
    expect(await outcome(withHeaders(message, { signature: undefined }))).toBe('missing_signature');
    expect(await outcome(withHeaders(message, { 'signature-input': undefined }))).toBe('missing_signature');
  });

  it('prefers the label sig1 among several, else takes the only shared one', async () => {
    const message = await signed(readCall);
    const [input, signature] = [header(message, 'signature-input'), header(message, 'signature')];
    const other = 'p=("a" "b";x="),(\\";,");keyid="x, y;z\\"";created=1';
    const among = { 'signature-input': `${other}, ${input},q=1`, signature: `q=:AAAA:,${signature} , p=:AAAA:` };
    expect(await outcome(withHeaders(message, among))).toBe('ok');
    const relabelled = await signed(readCall, { label: 'mine' });
    const inputs = `${other}, ${header(relabelled, 'signature-input')}`;
    expect(await outcome(withHeaders(relabelled, { 'signature-input': inputs }))).toBe('ok');
    const signatures = `${header(relabelled, 'signature')}, p=:AAAA:`;
    expect(await outcome(withHeaders(relabelled, { 'signature-input': inputs, signature: signatures }))).toBe(
      'label_not_found',
    );
    expect(await outcome(withHeaders(message, { signature: signature.replace('sig1', 'sig2') }))).toBe(
      'label_not_found',
    );
  });

  it('joins several lines of the two headers', async () => {
    const message = await signed(readCall);
    const headers: [string, string][] = [
      ...Object.entries(message.headers),
      ['Signature-Input', 'other=("@method");keyid="k"'],
      ['Signature', 'other=:AAAA:'],
    ];
    expect(await outcome({ ...message, headers })).toBe('ok');
    headers.push(['signature', header(message, 'signature')]);
    expect(await outcome({ ...message, headers })).toBe('malformed_signature');
  });

  it('verifies the parameters as received, whatever their order and spacing', async () => {
    const key = await keyOf('ed25519');
    const params = `(  "@path"   "@method" ); nonce="n\\"1" ;keyid="${key.keyId}"`.replace(' ;', ';');
    const full = `${params};tag="t";created=${createdSeconds};x;expires=${createdSeconds + 9};alg="ed25519"`;
    const base = `"@path": /webhooks\n"@method": GET\n"@signature-params": ${full}`;
    const signature = cryptoSign(null, Buffer.from(base), key.privateKey).toString('base64');
    const headers = {
      'signature-input': ` sig1=${full}\t`,
      signature: `sig1=:${signature}:`,
      'upvest-signature-version': '15',
    };
    expect(await judge(withHeaders(readCall, headers))).toMatchObject({ ok: true, nonce: 'n"1' });
    const other = withHeaders(readCall, {
      ...headers,
      'signature-input': `sig1=${full.replace('alg="ed25519"', 'alg="ecdsa-p256-sha256"')}`,
    });
    expect(await outcome(other)).toBe('algorithm_mismatch');
  });

  it.each([
    ['a repeated label', (input: string) => `${input}, ${input}`],
    ['a repeated parameter', (input: string) => `${input};nonce="other"`],
    ['a trailing comma', (input: string) => `${input},`],
    ['an open string', (input: string) => `${input};x="`],
    ['a member that is no list', () => 'sig1="@method"'],
    ['a token as component', (input: string) => input.replace('"@path"', 'path')],
    ['a decimal as time', (input: string) => input.replace(/created=(\d+)/, 'created=$1.0')],
    ['a time as string', (input: string) => input.replace(/created=(\d+)/, 'created="$1"')],
    ['a negative time', (input: string) => input.replace('created=', 'created=-')],
    ['a number as key id', (input: string) => input.replace(/keyid="[^"]*"/, 'keyid=1')],
    ['an empty nonce', (input: string) => input.replace(/nonce="[^"]*"/, 'nonce=""')],
    ['an endless nonce', (input: string) => input.replace(/nonce="[^"]*"/, `nonce="${'n'.repeat(257)}"`)],
    ['nothing', () => ''],
  ])('refuses a signature-input with %s', async (_what, change) => {
    const message = await signed(readCall);
    const changed = change(header(message, 'signature-input'));
    expect(await outcome(withHeaders(message, { 'signature-input': changed }))).toBe('malformed_signature');
  });

  it.each(['keyid', 'created', 'nonce'])('needs the parameter %s', async (name) => {
    const message = await signed(readCall);
    const input = header(message, 'signature-input').replace(new RegExp(`;${name}=[^;]*`), '');
    expect(await outcome(withHeaders(message, { 'signature-input': input }))).toBe('missing_parameter');
  });

  it('refuses components it cannot take, and names the claimed key', async () => {
    const message = await signed(readCall);
    const change = (from: string, to: string) =>
      judge(withHeaders(message, { 'signature-input': header(message, 'signature-input').replace(from, to) }));
    const keyId = 'key-ed25519';
    expect(await change('"accept"', '"accept";sf')).toMatchObject({ reason: 'unsupported_component', keyId });
    expect(await change('"accept"', '"Accept"')).toMatchObject({ reason: 'unsupported_component', keyId });
    expect(await change('"accept"', '"@authority"')).toMatchObject({ reason: 'unsupported_component', keyId });
    expect(await change('"accept"', '"@signature-params"')).toMatchObject({ reason: 'unsupported_component', keyId });
    expect(await change('"accept"', '"@path"')).toMatchObject({ reason: 'duplicate_component', keyId });
    expect(await change('"accept"', '"date"')).toMatchObject({ reason: 'missing_component', keyId });
    expect(await change('"accept"', '"__proto__"')).toMatchObject({ reason: 'missing_component', keyId });
  });

  it.each([
    ['no padding', (text: string) => text.replace('==', '')],
    ['the URL alphabet', (text: string) => text.replace(/[+/]|.(?===)/, '_')],
    ['stray bits before the padding', (text: string) => text.replace(/.==/, 'B==')],
    ['white space inside', (text: string) => text.replace(/=:(.{4})/, '=:$1 ')],
    ['one byte less', (text: string) => text.replace(/.{2}==:/, '==:').replace(/(.{3}).==:/, '$1=:')],
    ['parameters', (text: string) => `${text};a=1`],
    ['no bytes', () => 'sig1=::'],
    ['a string', () => 'sig1="AAAA"'],
  ])('refuses a signature with %s', async (_what, change) => {
    const message = await signed(readCall);
    expect(await outcome(withHeaders(message, { signature: change(header(message, 'signature')) }))).toBe(
      'malformed_signature',
    );
  });

  it('refuses values that would forge a line of the base', async () => {
    const message = await signed(readCall);
    expect(await outcome(withHeaders(message, { accept: 'a\n"x": y' }))).toBe('malformed_message');
    expect(await outcome({ ...message, path: '/webhooks?a=b' })).toBe('malformed_message');
    expect(await outcome({ ...message, path: '/web\nhooks' })).toBe('malformed_message');
  });
});

describe('verify: cover', () => {
  const sparse = (components: string[], options: Partial<SignOptions> = {}) =>
    signed(apiCall, { components, ...options });

  it('demands method, path, query and digest', async () => {
    const all = ['@method', '@path', '@query', 'content-digest'];
    expect(await outcome(await sparse(all))).toBe('ok');
    for (const left of all) {
      expect(await outcome(await sparse(all.filter((name) => name !== left)))).toBe('insufficient_cover');
    }
    const version6 = ['@method', '@path', '@query', 'digest'];
    expect(await outcome(await sparse(version6, { version: 6 }))).toBe('ok');
    // Version 15's digest does not stand in for version 6's.
    expect(await outcome(await sparse(['@method', '@path', '@query'], { version: 6 }))).toBe('insufficient_cover');
  });

  it('demands what the caller requires, when it is there', async () => {
    const message = await sparse(['@method', '@path', '@query', 'content-digest']);
    expect(await outcome(message, { require: ['Authorization'] })).toBe('insufficient_cover');
    expect(await outcome(withHeaders(message, { authorization: undefined }), { require: ['authorization'] })).toBe(
      'ok',
    );
  });

  it('demands all documented components when strict, and nothing about a body that is not there', async () => {
    const names = ['@method', '@path', '@query', 'content-digest', 'accept', 'content-length', 'content-type'];
    const full = [...names, 'authorization', 'upvest-client-id'];
    expect(await outcome(await sparse(full), { strict: true })).toBe('ok');
    for (const left of full) {
      const message = await sparse(full.filter((name) => name !== left));
      expect(await outcome(message, { strict: true })).toBe('insufficient_cover');
    }
    const bare = await signed(withHeaders(readCall, { 'content-length': '0' }));
    expect(await outcome(bare, { strict: true })).toBe('ok');
  });

  it('takes a bare question mark as no query', async () => {
    const message = await signed({ ...readCall, query: '' });
    expect(await outcome(message)).toBe('ok');
    expect(await outcome({ ...message, query: undefined })).toBe('ok');
    expect(await outcome({ ...message, query: 'a' })).toBe('insufficient_cover');
  });
});

describe('verify: body', () => {
  it('refuses another body, no digest, another length and a body taken away', async () => {
    const message = await signed(apiCall);
    expect(await outcome({ ...message, body: Buffer.from('{"title":"Grüsse"}') })).toBe('digest_mismatch');
    expect(await outcome({ ...message, body: undefined })).toBe('digest_mismatch');
    const unsized = await signed(apiCall, { components: ['@method', '@path', '@query', 'content-digest'] });
    expect(await outcome({ ...unsized, body: new Uint8Array(0) })).toBe('digest_mismatch');
    const bare = await signed(readCall);
    expect(await outcome({ ...bare, body: Buffer.from('x') })).toBe('insufficient_cover');
    const resized = await signed(withHeaders(readCall, { 'content-length': '7' }), {
      components: ['@method', '@path', 'content-length'],
    });
    expect(await outcome(resized)).toBe('content_length_mismatch');
  });

  it('checks sha-512 among several members of content-digest and ignores the others', async () => {
    const message = await signed(apiCall);
    const value = header(message, 'content-digest');
    // The changed header is covered, so the digest passing shows as the signature failing.
    const judgeDigest = (text: string) => outcome(withHeaders(message, { 'content-digest': text }));
    expect(await judgeDigest(`sha-256=:AAAA:, ${value};a=1`.replace(';a=1', ''))).toBe('signature_mismatch');
    expect(await judgeDigest(`unknown=1, ${value}`)).toBe('signature_mismatch');
    expect(await judgeDigest('sha-256=:AAAA:')).toBe('digest_missing');
    expect(await judgeDigest(`${value}, ${value}`)).toBe('malformed_digest');
    expect(await judgeDigest(value.replace('==', ''))).toBe('malformed_digest');
    expect(await judgeDigest('sha-512="x"')).toBe('malformed_digest');
    expect(await judgeDigest('sha-512=:AAAA:')).toBe('malformed_digest');
    expect(await judgeDigest('')).toBe('malformed_digest');
    expect(await judgeDigest(value.replace('sha', 'SHA'))).toBe('malformed_digest');
  });

  it('takes the algorithm name of version 6 without case', async () => {
    const message = await signed(apiCall, { version: 6 });
    const value = digest(apiCall.body ?? new Uint8Array());
    const judgeDigest = (text: string) => outcome(withHeaders(message, { digest: text }));
    expect(await judgeDigest(value)).toBe('ok');
    expect(await judgeDigest(value.replace('SHA', 'sHa'))).toBe('signature_mismatch');
    expect(await judgeDigest(`MD5=AAAA, ${value.replace('SHA', 'sha')} ,unixsum=1`)).toBe('signature_mismatch');
    expect(await judgeDigest('SHA-512=AAAA')).toBe('digest_missing');
    expect(await judgeDigest(`${value},${value}`)).toBe('malformed_digest');
    expect(await judgeDigest(value.slice(0, -1))).toBe('malformed_digest');
    expect(await judgeDigest('SHA-256=:AAAA:')).toBe('malformed_digest');
  });
});

describe('verify: times', () => {
  it('takes created up to 30 s ahead and not a moment more', async () => {
    const message = await signed(readCall);
    expect(await outcome(message, { now: at(-30) })).toBe('ok');
    expect(await outcome(message, { now: at(-30.001) })).toBe('created_in_future');
  });

  it('takes a message until 30 s after expires', async () => {
    const message = await signed(readCall, { lifetimeSeconds: 5 });
    expect(await outcome(message, { now: at(35) })).toBe('ok');
    expect(await outcome(message, { now: at(35.001) })).toBe('expired');
    expect(await outcome(message, { now: at(6), expiredGraceSeconds: 0 })).toBe('expired');
  });

  it('takes a message without expires for 300 s', async () => {
    const message = await signed(readCall, { expires: null });
    expect(await judge(message, { now: at(300) })).toMatchObject({ ok: true, expires: undefined });
    expect(await outcome(message, { now: at(300.001) })).toBe('expired');
  });

  it('refuses lifetimes that are reversed or too long', async () => {
    expect(await outcome(await signed(readCall, { lifetimeSeconds: 300 }))).toBe('ok');
    expect(await outcome(await signed(readCall, { lifetimeSeconds: 301 }))).toBe('lifetime_too_long');
    expect(await outcome(await signed(readCall, { lifetimeSeconds: 0 }))).toBe('expires_before_created');
    expect(await outcome(await signed(readCall, { lifetimeSeconds: 301 }), { maxLifetimeSeconds: 400 })).toBe('ok');
  });

  it('rejects a window that is not a number of seconds', async () => {
    await expect(judge(await signed(readCall), { maxAgeSeconds: Number.NaN })).rejects.toThrow(TypeError);
  });
});

describe('verify: key and signature', () => {
  it('refuses a key that is unknown, another, or of an algorithm not accepted', async () => {
    const message = await signed(readCall);
    expect(await outcome(message, { keys: staticKeys([]) })).toBe('unknown_key');
    const impostor = { ...verificationKeyOf(await keyOf('ecdsa-p521')), keyId: 'key-ed25519' };
    expect(await outcome(message, { keys: staticKeys([impostor]) })).toBe('malformed_signature');
    expect(await outcome(message, { algorithms: ['ecdsa-p521'] })).toBe('algorithm_not_accepted');
  });

  it('gives a value when the key set cannot be had, and rejects when the lookup breaks', async () => {
    const message = await signed(readCall);
    const failing = (error: Error): VerifyOptions['keys'] => ({ find: () => Promise.reject(error) });
    expect(await outcome(message, { keys: failing(new KeySetError('keys_unavailable', 'away')) })).toBe(
      'keys_unavailable',
    );
    await expect(judge(message, { keys: failing(new Error('database')) })).rejects.toThrow('database');
  });

  it('refuses ECDSA signatures that are not strict DER', async () => {
    const message = await signed(readCall, { algorithm: 'ecdsa-p256' });
    const der = Buffer.from(header(message, 'signature').slice(6, -1), 'base64');
    const [tag, length, ...content] = der;
    if (tag === undefined || length === undefined) throw new Error('not DER');
    const variants = [
      [...der, 0],
      [tag, length + 1, ...content, 0],
      [tag, 0x81, length, ...content],
      [tag, length, ...content.slice(0, -1)],
      [0x31, length, ...content],
      [tag, 0],
      [tag],
      // r = -1, s = 1
      [tag, 6, 2, 1, 0xff, 2, 1, 1],
    ];
    for (const variant of variants) {
      const signature = `sig1=:${Buffer.from(variant).toString('base64')}:`;
      expect(await outcome(withHeaders(message, { signature }), { algorithm: 'ecdsa-p256' })).toBe(
        'malformed_signature',
      );
    }
    const zeros = `sig1=:${Buffer.from([tag, 6, 2, 1, 0, 2, 1, 0]).toString('base64')}:`;
    const ones = `sig1=:${Buffer.from([tag, 6, 2, 1, 1, 2, 1, 1]).toString('base64')}:`;
    expect(await outcome(withHeaders(message, { signature: ones }), { algorithm: 'ecdsa-p256' })).toBe(
      'signature_mismatch',
    );
    expect(await outcome(withHeaders(message, { signature: zeros }), { algorithm: 'ecdsa-p256' })).not.toBe('ok');
  });

  it('tries the decoded path only when asked to', async () => {
    const message = { ...(await signed({ ...readCall, path: '/hooks/a b' })), path: '/hooks/a%20b' };
    expect(await outcome(message)).toBe('signature_mismatch');
    expect(await outcome(message, { tryDecodedPath: true })).toBe('ok');
    expect(await outcome({ ...message, path: '/hooks/%E0%A4%A' }, { tryDecodedPath: true })).toBe('signature_mismatch');
    expect(await outcome({ ...message, path: '/hooks/%0A' }, { tryDecodedPath: true })).toBe('signature_mismatch');
  });
});

describe('verify: replay', () => {
  it('refuses the same nonce of the same key, for as long as the message itself would pass', async () => {
    let seconds = 1;
    const now = () => (createdSeconds + seconds) * 1000;
    const nonces = memoryNonces({ now });
    const message = await signed(readCall, { nonce: 'once', lifetimeSeconds: 10 });
    expect(await outcome(message, { nonces, now })).toBe('ok');
    for (seconds of [1, 2, 20, 39.5, 40]) expect(await outcome(message, { nonces, now })).toBe('replayed');
    seconds = 40.001;
    expect(await outcome(message, { nonces, now })).toBe('expired');
    seconds = 160;
    await nonces.remember('other', 'later', createdSeconds + 1000);
    expect(nonces.size()).toBe(2);
    seconds = 162;
    await nonces.remember('other', 'last', createdSeconds + 1000);
    expect(nonces.size()).toBe(2);
  });

  it('refuses it also where the memory is swept by a clock that is a minute ahead', async () => {
    // Two processes 50 s apart: one had forgotten the nonce while the other still took the message.
    let seconds = 1;
    const now = () => (createdSeconds + seconds) * 1000;
    const nonces = memoryNonces({ now: () => now() + 60_000 });
    const message = await signed(readCall, { nonce: 'once', lifetimeSeconds: 10 });
    expect(await outcome(message, { nonces, now })).toBe('ok');
    for (seconds of [2, 20, 40]) expect(await outcome(message, { nonces, now })).toBe('replayed');
  });

  it('asks for no key and verifies nothing when the memory knows the nonce beforehand', async () => {
    // A captured message, repeated thousands of times, cost its receiver as many look-ups and verifications.
    let lookUps = 0;
    const known = staticKeys([verificationKeyOf(await keyOf('ed25519'))]);
    const keys = {
      find(keyId: string) {
        lookUps += 1;
        return known.find(keyId);
      },
    };
    const nonces = memoryNonces({ now: clock });
    const message = await signed(readCall, { nonce: 'once' });
    const forged = withHeaders(message, { accept: 'other' });
    expect(await outcome(forged, { keys, nonces })).toBe('signature_mismatch');
    expect(await outcome(message, { keys, nonces })).toBe('ok');
    for (const again of [message, forged]) expect(await outcome(again, { keys, nonces })).toBe('replayed');
    expect(lookUps).toBe(2);
    expect(await outcome(await signed(readCall, { nonce: 'other' }), { keys, nonces })).toBe('ok');
  });

  it('remembers a nonce only once its signature was found true', async () => {
    const remembered: unknown[] = [];
    const nonces = { remember: async (...args: unknown[]) => remembered.push(args) > 0 };
    const message = await signed(readCall, { nonce: 'n', lifetimeSeconds: 10 });
    expect(await outcome(withHeaders(message, { accept: 'other' }), { nonces })).toBe('signature_mismatch');
    expect(remembered).toEqual([]);
    expect(await outcome(message, { nonces })).toBe('ok');
    expect(await outcome(await signed(readCall, { nonce: 'm', expires: null }), { nonces })).toBe('ok');
    expect(remembered).toEqual([
      ['key-ed25519', 'n', createdSeconds + 160],
      ['key-ed25519', 'm', createdSeconds + 450],
    ]);
  });
});

describe('verify: wrong calls', () => {
  it('rejects with a TypeError', async () => {
    const options = { keys: staticKeys([]), now: clock };
    // @ts-expect-error a parsed body is the classic mistake
    await expect(verify({ ...apiCall, body: {} }, options)).rejects.toThrow(TypeError);
    // @ts-expect-error a request has a method
    await expect(verify({ ...apiCall, method: undefined }, options)).rejects.toThrow(TypeError);
  });
});
