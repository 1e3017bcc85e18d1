// Standard Webhooks (standardwebhooks.com, specification 1.0) as a sender: `webhook-id`, `webhook-timestamp` and
// `webhook-signature` over `id.timestamp.body`, symmetric (`v1`, HMAC-SHA256) and asymmetric (`v1a`, Ed25519). Several keys for
// the time of a rotation; any signature that fits any key is enough.
// No nonces: a repeat carries the same id, which the inbox knows, and is answered 200 like every duplicate.
import type { KeyObject } from 'node:crypto';
import { createHmac, createPublicKey, verify as cryptoVerify, timingSafeEqual } from 'node:crypto';
import type { ForeignOptions } from './foreign-event.ts';
import { assertName, readForeign } from './foreign-event.ts';
import type { Sender, SenderMessage, SenderVerification } from './sender.ts';

export interface StandardWebhooksOptions extends ForeignOptions {
  /** `whsec_…` for `v1`, `whpk_…` for `v1a`. */
  readonly keys: readonly string[];
  /** How far `webhook-timestamp` may be from now. Default 300. */
  readonly toleranceSeconds?: number;
  /** Default `webhook`; `svix` for senders that use the older names. */
  readonly headerPrefix?: 'webhook' | 'svix';
}

type Key =
  | { readonly version: 'v1'; readonly keyId: string; readonly secret: Uint8Array }
  | { readonly version: 'v1a'; readonly keyId: string; readonly publicKey: KeyObject };

/** More than any rotation needs; each costs a hash. */
const maxSignatures = 16;

export function standardWebhooks(options: StandardWebhooksOptions): Sender {
  const { name, toleranceSeconds = 300, headerPrefix = 'webhook' } = options;
  assertName(name);
  if (!(toleranceSeconds >= 0)) throw new TypeError('toleranceSeconds is a number of seconds');
  if (options.keys.length === 0) throw new TypeError('standardWebhooks() needs at least one key');
  const keys = options.keys.map((text, index) => readKey(text, `${name}#${index + 1}`));
  const headerOf = ({ headers }: SenderMessage, field: string): string => headers.get(`${headerPrefix}-${field}`) ?? '';

  async function verify(message: SenderMessage, nowSeconds: number): Promise<SenderVerification> {
    const id = headerOf(message, 'id');
    const timestamp = headerOf(message, 'timestamp');
    const signatures = headerOf(message, 'signature').split(' ').slice(0, maxSignatures);
    if (id === '' || timestamp === '')
      return refuse('missing_signature', `There is no ${headerPrefix}-id or -timestamp`);
    if (!/^\d{1,12}$/.test(timestamp) || id.length > 256) {
      return refuse('malformed_signature', 'The timestamp is no number of seconds, or the id is too long');
    }
    const aheadSeconds = Number(timestamp) - nowSeconds;
    if (aheadSeconds > toleranceSeconds) return refuse('created_in_future', 'The timestamp is ahead of this clock');
    if (-aheadSeconds > toleranceSeconds) return refuse('expired', 'The timestamp is too old');

    const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), message.body]);
    let isKnownVersion = false;
    for (const text of signatures) {
      const [version, encoded = ''] = text.split(',');
      for (const key of keys) {
        if (key.version !== version) continue;
        isKnownVersion = true;
        if (await isSignedBy(key, content, Buffer.from(encoded, 'base64'))) return { ok: true, keyId: key.keyId };
      }
    }
    if (isKnownVersion) return refuse('signature_mismatch', 'No signature matches the message and a key');
    return refuse('unsupported_version', 'There is no signature of a version that there is a key for');
  }

  return {
    recognises: (headers) => headers.has(`${headerPrefix}-signature`),
    verify: (message, { now }) => verify(message, now() / 1000),
    read: (message) => {
      const facts = { id: headerOf(message, 'id'), createdSeconds: Number(headerOf(message, 'timestamp')) };
      return readForeign(message, facts, options);
    },
  };
}

function refuse(reason: Extract<SenderVerification, { ok: false }>['reason'], detail: string): SenderVerification {
  return { ok: false, reason, detail };
}

function readKey(text: string, keyId: string): Key {
  const [, prefix, encoded] = /^(whsec|whpk)_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(encoded ?? '', 'base64');
  if (prefix === 'whsec' && bytes.length >= 16) return { version: 'v1', keyId, secret: bytes };
  if (prefix === 'whpk' && bytes.length === 32) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') };
    return { version: 'v1a', keyId, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) };
  }
  // The text is not repeated: it may be a secret with a slip in it.
  throw new TypeError(`Key ${keyId} is neither whsec_ and 16 bytes or more in base64, nor whpk_ and 32 bytes`);
}

async function isSignedBy(key: Key, content: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (key.version === 'v1') {
    const expected = createHmac('sha256', key.secret).update(content).digest();
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  }
  return new Promise((resolve, reject) => {
    cryptoVerify(null, content, key.publicKey, signature, (error, isTrue) => (error ? reject(error) : resolve(isTrue)));
  });
}
