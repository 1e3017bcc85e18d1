// The contract's vectors, both directions, and every mutation the contract says must fail.
import { createHash, type JsonWebKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64 } from './base64.ts';
import {
  contentDigest,
  digest,
  generateSigningKey,
  importVerificationKey,
  type KeyAlgorithm,
  memoryNonces,
  messageTarget,
  publicJwk,
  publicPem,
  remoteKeySet,
  type SignatureParameter,
  type SignatureVersion,
  sign,
  signatureBase,
  staticKeys,
  type VerifyOptions,
  verificationKeyOf,
  verify,
} from './index.ts';
import { type PlainMessage, withHeaders } from './messages.fixture.ts';

const vectorFile = new URL('../../../../shared/contract/signature-vectors.json', import.meta.url);
const isPresent = existsSync(vectorFile);

interface Vector {
  readonly id: string;
  readonly signature_version: SignatureVersion;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers_before_signing: Readonly<Record<string, string>>;
    readonly body_base64: string | null;
  };
  readonly headers_added_by_signing: Readonly<Record<string, string>>;
  readonly covered_components: readonly string[];
  readonly parameters: {
    readonly keyid: string;
    readonly created: number;
    readonly expires: number;
    readonly nonce: string;
  };
  readonly signature_params: string;
  readonly signature_base: string;
  readonly signature_base_sha512_hex: string;
  readonly signature_base64: string;
  readonly public_key: { readonly keyid: string; readonly jwk: JsonWebKey; readonly pem: string };
}

interface VectorFile {
  readonly clock: number;
  readonly vectors: readonly Vector[];
  readonly verify_keys_response: { readonly keys: readonly JsonWebKey[] };
  readonly must_fail: readonly { readonly vector: string; readonly mutation: string }[];
  readonly digest_vectors: readonly {
    readonly body: string;
    readonly content_length: number;
    readonly 'content-digest': string;
    readonly digest: string;
  }[];
  readonly base64_vectors: readonly { readonly value: string; readonly base64: string }[];
}

const empty: VectorFile = {
  clock: 0,
  vectors: [],
  verify_keys_response: { keys: [] },
  must_fail: [],
  digest_vectors: [],
  base64_vectors: [],
};
const file: VectorFile = isPresent ? JSON.parse(readFileSync(vectorFile, 'utf8')) : empty;

function unsigned(vector: Vector): PlainMessage {
  const { method, url, headers_before_signing: headers, body_base64: body } = vector.request;
  return {
    method,
    ...messageTarget(url),
    headers,
    body: body === null ? undefined : Buffer.from(body, 'base64'),
  };
}

function received(vector: Vector): PlainMessage {
  return withHeaders(unsigned(vector), vector.headers_added_by_signing);
}

function options(vector: Vector, more: Partial<VerifyOptions> = {}): VerifyOptions {
  const keys = staticKeys([importVerificationKey(vector.public_key.keyid, vector.public_key.jwk)]);
  return { keys, now: () => file.clock * 1000, ...more };
}

async function reason(message: PlainMessage, vector: Vector, more: Partial<VerifyOptions> = {}): Promise<string> {
  const result = await verify(message, options(vector, more));
  return result.ok ? 'ok' : result.reason;
}

function algorithmOf(vector: Vector): KeyAlgorithm {
  return importVerificationKey('any', vector.public_key.pem).algorithm;
}

function flipped(text: string): string {
  const last = text.slice(-1);
  return `${text.slice(0, -1)}${last === 'A' ? 'B' : 'A'}`;
}

function flippedByte(body: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(body);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
}

/** r and s of a DER signature, each padded to the curve's size: what WebCrypto would have made. */
function rawSignature(der: Buffer, coordinateBytes: number): Buffer {
  const rStart = (der[1] ?? 0) >= 0x80 ? 3 : 2;
  const rLength = der[rStart + 1] ?? 0;
  const sStart = rStart + 2 + rLength;
  const integers = [der.subarray(rStart + 2, sStart), der.subarray(sStart + 2)];
  return Buffer.concat(
    integers.map((integer) => {
      const digits = integer.subarray(integer[0] === 0 ? 1 : 0);
      return Buffer.concat([Buffer.alloc(coordinateBytes - digits.length), digits]);
    }),
  );
}

function parameterOrder(vector: Vector): SignatureParameter[] {
  const order = ['keyid', 'created', 'expires', 'nonce'] as const;
  return [...order].sort(
    (a, b) => vector.signature_params.indexOf(`;${a}=`) - vector.signature_params.indexOf(`;${b}=`),
  );
}

type Mutation = (vector: Vector) => Promise<string>[];

/** What each mutation of the contract means, by its text there; every result must be a refusal. */
const mutations: Record<string, Mutation> = {
  'flip one byte of the body': (vector) => {
    const message = received(vector);
    return message.body === undefined ? [] : [reason({ ...message, body: flippedByte(message.body) }, vector)];
  },
  'flip one byte of any covered header value': (vector) =>
    vector.covered_components
      .filter((name) => !name.startsWith('@'))
      .map((name) => {
        const message = received(vector);
        return reason(withHeaders(message, { [name]: flipped(message.headers[name] ?? '') }), vector);
      }),
  'change the request method, path or query': (vector) => {
    const message = received(vector);
    return [
      reason({ ...message, method: 'PUT' }, vector),
      reason({ ...message, path: `${message.path}/x` }, vector),
      reason({ ...message, query: `${message.query ?? ''}x=1` }, vector),
      ...(message.query === undefined ? [] : [reason({ ...message, query: undefined }, vector)]),
    ];
  },
  'swap two names in the signature-input list': (vector) => {
    const [first, second, ...rest] = vector.covered_components.map((name) => `"${name}"`);
    const input = vector.headers_added_by_signing['signature-input'] ?? '';
    const swapped = input.replace(/\([^)]*\)/, `(${[second, first, ...rest].join(' ')})`);
    return [reason(withHeaders(received(vector), { 'signature-input': swapped }), vector)];
  },
  'change created, expires or nonce in signature-input': (vector) => {
    const input = vector.headers_added_by_signing['signature-input'] ?? '';
    const { created, expires, nonce } = vector.parameters;
    return [
      input.replace(`created=${created}`, `created=${created + 1}`),
      input.replace(`expires=${expires}`, `expires=${expires + 1}`),
      input.replace(`nonce="${nonce}"`, `nonce="${flipped(nonce)}"`),
    ].map((changed) => reason(withHeaders(received(vector), { 'signature-input': changed }), vector));
  },
  'build the base with quoted names': (vector) => [signedOverOtherForm(vector)],
  'build the base with unquoted names': (vector) => [signedOverOtherForm(vector)],
  'clock later than expires': (vector) => [
    // 30 s of grace by default; without grace the very next moment is too late.
    reason(received(vector), vector, { now: () => (vector.parameters.expires + 30) * 1000 + 1 }),
    reason(received(vector), vector, { now: () => vector.parameters.expires * 1000 + 1, expiredGraceSeconds: 0 }),
  ],
  'same keyid and nonce a second time': (vector) => {
    const nonces = memoryNonces({ now: () => file.clock * 1000 });
    const first = reason(received(vector), vector, { nonces });
    return [
      first.then(async (outcome) => {
        expect(outcome).toBe('ok');
        return reason(received(vector), vector, { nonces });
      }),
    ];
  },
  'keyid not in the key set': (vector) => [reason(received(vector), vector, { keys: staticKeys([]) })],
  'signature re-encoded as raw r||s': (vector) => {
    const coordinateBytes = { 'ecdsa-p256': 32, 'ecdsa-p384': 48, 'ecdsa-p521': 66, ed25519: 0 }[algorithmOf(vector)];
    const raw = rawSignature(Buffer.from(vector.signature_base64, 'base64'), coordinateBytes);
    return [reason(withHeaders(received(vector), { signature: `sig1=:${raw.toString('base64')}:` }), vector)];
  },
};

/** The request signed by a key of ours over the base in the other version's form. */
async function signedOverOtherForm(vector: Vector): Promise<string> {
  const key = await generateSigningKey(vector.parameters.keyid, algorithmOf(vector));
  const other = vector.signature_version === 15 ? 6 : 15;
  // The other version is told to sign what this one names; only the form of the base (and its selector) differs.
  const headers = await sign(unsigned(vector), {
    ...vector.parameters,
    key,
    version: other,
    components: vector.covered_components,
  });
  const { signature = '' } = headers;
  const message = withHeaders(received(vector), { signature });
  return reason(message, vector, { keys: staticKeys([verificationKeyOf(key)]) });
}

const expectedReasons: Record<string, readonly string[]> = {
  'flip one byte of the body': ['digest_mismatch'],
  'flip one byte of any covered header value': ['signature_mismatch', 'malformed_digest', 'content_length_mismatch'],
  'change the request method, path or query': ['signature_mismatch', 'insufficient_cover'],
  'swap two names in the signature-input list': ['signature_mismatch'],
  'change created, expires or nonce in signature-input': ['signature_mismatch'],
  'build the base with quoted names': ['signature_mismatch'],
  'build the base with unquoted names': ['signature_mismatch'],
  'clock later than expires': ['expired'],
  'same keyid and nonce a second time': ['replayed'],
  'keyid not in the key set': ['unknown_key'],
  'signature re-encoded as raw r||s': ['malformed_signature'],
};

function matches(pattern: string, id: string): boolean {
  return new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(id);
}

// Skipped where the contract folder is not beside the repository.
describe.skipIf(!isPresent)('contract vectors (skipped without the contract folder)', () => {
  it('has vectors', () => {
    expect(file.vectors.length).toBeGreaterThan(0);
  });

  describe.each(file.vectors.map((vector) => [vector.id, vector] as const))('%s', (_id, vector) => {
    it('rebuilds the signature base to the byte', () => {
      const base = signatureBase(
        received(vector),
        vector.signature_version,
        vector.covered_components,
        vector.signature_params,
      );
      expect(base).toBe(vector.signature_base);
      expect(createHash('sha512').update(base).digest('hex')).toBe(vector.signature_base_sha512_hex);
    });

    it('verifies, with the key from JWK and from PEM', async () => {
      const { jwk, pem, keyid } = vector.public_key;
      for (const input of [jwk, pem]) {
        const keys = staticKeys([importVerificationKey(keyid, input)]);
        const result = await verify(received(vector), options(vector, { keys }));
        expect(result).toEqual({
          ok: true,
          keyId: keyid,
          version: vector.signature_version,
          algorithm: algorithmOf(vector),
          created: vector.parameters.created,
          expires: vector.parameters.expires,
          nonce: vector.parameters.nonce,
          coveredComponents: vector.covered_components,
        });
      }
      expect(publicJwk(importVerificationKey(keyid, pem))).toEqual(jwk);
      expect(publicPem(importVerificationKey(keyid, jwk))).toBe(pem);
    });

    it('signs the same request to the same headers, and what it signs verifies', async () => {
      // The vectors hold no private keys, so the signature's bytes are another key's.
      const key = await generateSigningKey(vector.parameters.keyid, algorithmOf(vector));
      const headers = await sign(unsigned(vector), {
        ...vector.parameters,
        key,
        version: vector.signature_version,
        components: vector.covered_components,
        parameterOrder: parameterOrder(vector),
      });
      const { signature, ...others } = headers;
      const expected = withHeaders(received(vector), { signature: undefined }).headers;
      expect(expected).toMatchObject(others);
      expect({ ...unsigned(vector).headers, ...others }).toEqual(expected);
      const message = withHeaders(unsigned(vector), headers);
      expect(await reason(message, vector, { keys: staticKeys([verificationKeyOf(key)]) })).toBe('ok');
      expect(signature).toMatch(/^sig1=:[A-Za-z0-9+/]+={0,2}:$/);
    });

    it.each(
      file.must_fail.filter(({ vector: pattern }) => matches(pattern, vector.id)).map(({ mutation }) => mutation),
    )('refuses: %s', async (mutation) => {
      const mutate = mutations[mutation];
      expect(mutate, `the mutation "${mutation}" is not written here`).toBeDefined();
      for (const outcome of await Promise.all(mutate?.(vector) ?? [])) {
        expect(expectedReasons[mutation]).toContain(outcome);
      }
    });
  });

  it('takes the keys of the verify_keys answer', async () => {
    const keys = remoteKeySet({ fetchKeys: async () => file.verify_keys_response });
    const vector = file.vectors.find(({ id }) => id === 'v6-ecdsa-p521-webhook-delivery');
    expect(vector).toBeDefined();
    if (vector === undefined) return;
    expect(await reason(received(vector), vector, { keys })).toBe('ok');
    expect(keys.keys().map(publicJwk)).toEqual(file.verify_keys_response.keys);
  });

  it.each(file.digest_vectors)('makes both digests of $body', (vector) => {
    const body = Buffer.from(vector.body);
    expect(body.length).toBe(vector.content_length);
    expect(contentDigest(body)).toBe(vector['content-digest']);
    expect(digest(body)).toBe(vector.digest);
  });

  it.each(file.base64_vectors)('encodes $value as $base64 and back', ({ value, base64 }) => {
    expect(encodeBase64(Buffer.from(value))).toBe(base64);
    expect(decodeBase64(base64)?.toString()).toBe(value);
  });
});
