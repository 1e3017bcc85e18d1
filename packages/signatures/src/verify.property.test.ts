// Properties: whatever is signed verifies; one flipped bit in anything covered does not; nothing received can throw.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDerEcdsaSignature } from './der.ts';
import { keyAlgorithms, readSignature, type SignatureVersion } from './index.ts';
import { apiCall, clock, judge, keyOf, outcome, type PlainMessage, signed, withHeaders } from './messages.fixture.ts';
import { parseMembers } from './structured-members.ts';

const chars = (from: number, to: number, extra = ''): string[] => [
  ...Array.from({ length: to - from + 1 }, (_, index) => String.fromCharCode(from + index)),
  ...extra,
];
const textOf = (units: readonly string[], minLength = 0, maxLength = 20): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...units), minLength, maxLength });

const path = textOf(chars(0x21, 0x7e).filter((char) => char !== '?')).map((text) => `/${text}`);
const query = fc.option(textOf(chars(0x21, 0x7e)), { nil: undefined });
const value = textOf(chars(0x20, 0x7e, '\tüÿ'));
const name = fc.oneof(
  fc.constantFrom('accept', 'authorization', 'content-type', 'idempotency-key', 'upvest-client-id', 'Date', 'X-Mine'),
  textOf(chars(0x61, 0x7a, '-_0'), 1, 8).map((text) => `h${text}`),
);
const body = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined });
const version = fc.constantFrom<SignatureVersion>(15, 6);
const message: fc.Arbitrary<PlainMessage> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE', 'PURGE'),
  path,
  query,
  headers: fc
    .uniqueArray(fc.tuple(name, value), { selector: ([header]) => header.toLowerCase(), maxLength: 8 })
    .map((entries): Record<string, string> => Object.fromEntries(entries)),
  body,
});

/** One bit of a text's UTF-16 units flipped. */
function flipBit(text: string, seed: number, bits: readonly number[]): string {
  const at = seed % text.length;
  const bit = bits[seed % bits.length] ?? 0;
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1);
}

const allBits = [0, 1, 2, 3, 4, 5, 6, 7];
// Bit 5 is the case of a letter, and the method is compared in upper case.
const caselessBits = [0, 1, 2, 3, 4, 6, 7];

describe('properties', () => {
  it('any request round-trips, with every algorithm and both versions', async () => {
    await fc.assert(
      fc.asyncProperty(message, version, fc.constantFrom(...keyAlgorithms), async (request, version, algorithm) => {
        const sent = await signed(request, { version, algorithm });
        expect(await judge(sent, { algorithm, strict: true })).toMatchObject({ ok: true, version, algorithm });
      }),
      { numRuns: 150 },
    );
  });

  it('one flipped bit in anything covered, or in the signature itself, fails', async () => {
    await fc.assert(
      fc.asyncProperty(message, version, fc.nat(), fc.nat(), async (request, version, where, seed) => {
        const sent = await signed(request, { version });
        const fields = readSignature(sent);
        if (!fields.ok) throw new Error(fields.detail);
        const covered = new Set([...fields.coveredComponents, 'signature', 'signature-input']);
        const flips: (() => PlainMessage)[] = [
          () => ({ ...sent, method: flipBit(sent.method, seed, caselessBits) }),
          () => ({ ...sent, path: flipBit(sent.path, seed, allBits) }),
        ];
        const { query, body } = sent;
        if (query !== undefined && query !== '') flips.push(() => ({ ...sent, query: flipBit(query, seed, allBits) }));
        if (body !== undefined && body.length > 0) {
          const at = seed % body.length;
          flips.push(() => ({
            ...sent,
            body: body.map((byte, index) => (index === at ? byte ^ (1 << (seed % 8)) : byte)),
          }));
        }
        for (const [header, text] of Object.entries(sent.headers)) {
          // Outer white space is no part of a value, so it is not covered.
          if (!covered.has(header.toLowerCase()) || text.trim() === '' || text !== text.trim()) continue;
          flips.push(() => withHeaders(sent, { [header]: flipBit(text, seed, allBits) }));
        }
        const flip = flips[where % flips.length];
        expect(flip === undefined ? 'ok' : await outcome(flip())).not.toBe('ok');
      }),
      { numRuns: 1500 },
    );
  });

  it('never throws and never accepts, whatever the headers hold', async () => {
    const fragment = fc.constantFrom(
      ...['sig1', '=', '(', ')', '"@method"', '"@path"', '"', '\\', ';', ',', ' ', ':', 'AAAA', 'keyid="key-ed25519"'],
      ...[
        ';created=1780000000',
        ';nonce="n"',
        '%"',
        '?1',
        '@1',
        '\t',
        '\0',
        '\n',
        'ü',
        '*',
        '-1.0',
        '__proto__',
        '\ud800',
      ],
    );
    const noise = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fragment, { maxLength: 20 }).map((all) => all.join('')),
    );
    const nameOf = fc.oneof(
      fc.constantFrom(
        'signature',
        'signature-input',
        'content-digest',
        'digest',
        'upvest-signature-version',
        '__proto__',
      ),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          method: fc.string(),
          path: fc.string(),
          query: fc.option(fc.string(), { nil: undefined }),
          headers: fc.array(fc.tuple(nameOf, noise), { maxLength: 12 }),
          body,
        }),
        async (received) => {
          const result = await judge(received, { tryDecodedPath: true });
          expect(result.ok).toBe(false);
          // Safe to log and to show: printable, one line, short.
          expect(result.ok ? '' : result.detail).toMatch(/^[\x20-\x7e…]{1,200}$/);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('never throws for a mutilated genuine message', async () => {
    const sent = await signed(apiCall);
    const names = Object.keys(sent.headers);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.nat(),
        fc.nat(5),
        fc.string({ maxLength: 5 }),
        async (header, at, cut, paste) => {
          const text = sent.headers[header] ?? '';
          const from = at % (text.length + 1);
          const changed = text.slice(0, from) + paste + text.slice(from + cut);
          const result = await outcome(withHeaders(sent, { [header]: changed }), { now: clock });
          // What is put around a member can be a member of its own, which is fine.
          if (!changed.includes(text)) expect(result).not.toBe('ok');
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('reads dictionary members with their raw text, whatever strings they hold', () => {
    const text = textOf(chars(0x20, 0x7e));
    const quote = (content: string): string => `"${content.replace(/["\\]/g, '\\$&')}"`;
    const key = textOf(chars(0x61, 0x7a, '0-_.*'), 1, 6).map((key) => `k${key}`);
    const member = fc.tuple(key, fc.array(text, { maxLength: 3 }), text).map(([key, items, param]) => ({
      key,
      raw: `(${items.map(quote).join(' ')});p=${quote(param)};q`,
    }));
    fc.assert(
      fc.property(fc.uniqueArray(member, { selector: ({ key }) => key, minLength: 1 }), (members) => {
        const parsed = parseMembers(members.map(({ key, raw }) => `${key}=${raw}`).join(' ,\t'));
        expect([...(parsed ?? [])].map(([key, { raw }]) => ({ key, raw }))).toEqual(members);
      }),
    );
  });

  it('accepts as DER exactly what a genuine signature is', async () => {
    const { sign } = await import('node:crypto');
    const key = await keyOf('ecdsa-p256');
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(), fc.integer({ min: 1, max: 255 }), (data, at, change) => {
        const der = sign('sha512', data, key.privateKey);
        expect(isDerEcdsaSignature(der, 32)).toBe(true);
        expect(isDerEcdsaSignature(der.subarray(0, -1), 32)).toBe(false);
        // The first three bytes are tags and the outer length: any change there breaks the form.
        const broken = Uint8Array.from(der);
        broken[at % 3] = (broken[at % 3] ?? 0) ^ change;
        expect(isDerEcdsaSignature(broken, 32)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
