// HTTP Message Signatures (RFC 9421) with `content-digest` (RFC 9530) as a sender. ECDSA with P-256 and SHA-256, P-384 and
// SHA-384 (signatures as r||s, section 3.3) and Ed25519. This is the standard itself; the Investment API's version 15 differs
// in hash and encoding and is `upvest`.
// The digest of the body is always demanded, and so is a creation time: the RFC leaves both to the receiver.
// Without a nonce a repeat within the time window is not refused: the inbox knows its events, and it is a duplicate.
import { createHash, verify as cryptoVerify, timingSafeEqual } from 'node:crypto';
import type { KeyAlgorithm, KeyLookup, VerificationKey } from '@bellhop/signatures';
import { KeySetError, nonceMarginSeconds } from '@bellhop/signatures';
import type { ForeignOptions } from './foreign-event.ts';
import { assertName, readForeign } from './foreign-event.ts';
import type { Fault, SignatureMember } from './rfc9421-message.ts';
import { dictionary, fault, readMember, signatureBaseOf } from './rfc9421-message.ts';
import type { Sender, SenderMessage, SenderVerification, VerifyContext } from './sender.ts';

export interface Rfc9421Options extends ForeignOptions {
  readonly keys: KeyLookup;
  /**
   * Components that the signature must cover beside `content-digest`. Default: `@method` and the target (`@target-uri`,
   * `@request-target`, or `@path` and, if there is one, `@query`).
   */
  readonly require?: readonly string[];
  /** Scheme and host that the sender calls, `https://hooks.example.com`: for `@target-uri` and `@scheme` behind a proxy. */
  readonly origin?: string;
  /** Which signature is meant when there are several. Default: the only one. */
  readonly label?: string;
  /** How old `created` may be. Default 300. */
  readonly maxAgeSeconds?: number;
  /** How far the clocks may be apart. Default 30. */
  readonly skewSeconds?: number;
}

interface Scheme {
  readonly alg: string;
  readonly hash: 'sha256' | 'sha384' | null;
  readonly signatureBytes: number;
}

/** P-521 has no algorithm in the RFC's registry. */
const schemes: Readonly<Record<KeyAlgorithm, Scheme | undefined>> = {
  'ecdsa-p256': { alg: 'ecdsa-p256-sha256', hash: 'sha256', signatureBytes: 64 },
  'ecdsa-p384': { alg: 'ecdsa-p384-sha384', hash: 'sha384', signatureBytes: 96 },
  'ecdsa-p521': undefined,
  ed25519: { alg: 'ed25519', hash: null, signatureBytes: 64 },
};

export function rfc9421(options: Rfc9421Options): Sender {
  const { name, keys, require, label, maxAgeSeconds = 300, skewSeconds = 30 } = options;
  assertName(name);
  if (typeof keys?.find !== 'function') throw new TypeError('keys must be an object with find(keyId)');
  for (const seconds of [maxAgeSeconds, skewSeconds]) {
    if (!(seconds >= 0)) throw new TypeError('maxAgeSeconds and skewSeconds are numbers of seconds');
  }
  const origin = options.origin === undefined ? undefined : new URL(options.origin);

  async function verify(message: SenderMessage, { nonces, now }: VerifyContext): Promise<SenderVerification> {
    const member = readMember(message.headers, label);
    if (!member.ok) return member;
    const { keyId, created, nonce } = member;
    const flaw =
      coverFlaw(message, member, require) ??
      digestFlaw(message, keyId) ??
      timeFlaw(member, now() / 1000, { maxAgeSeconds, skewSeconds });
    if (flaw !== undefined) return flaw;
    const key = await findKey(keys, keyId);
    if ('ok' in key) return key;
    const signed = await verifyMember(message, member, key, origin);
    if (!signed.ok) return signed;
    if (nonce === undefined) return { ok: true, keyId };
    // Under the name: what one provider sends must not use up the nonces of another.
    const forgetAfter = created + maxAgeSeconds + skewSeconds + nonceMarginSeconds;
    const isNew = await nonces.remember(`${name}:${keyId}`, nonce, forgetAfter);
    return isNew
      ? { ok: true, keyId }
      : fault('replayed', 'A message with this keyid and nonce was seen before', keyId);
  }

  return {
    // Version 6 of the Investment API has the same headers, and an older digest; version 15 says that it is.
    recognises: (headers) =>
      headers.get('signature-input')?.includes('"content-digest"') === true && !headers.has('upvest-signature-version'),
    verify,
    read: (message) => {
      const member = readMember(message.headers, label);
      if (!member.ok) return { ok: false, reason: 'malformed_event', detail: member.detail };
      return readForeign(message, { createdSeconds: member.created }, options);
    },
  };
}

/** The signature itself, with a key that was found. Times, cover and digest are others' work. */
export async function verifyMember(
  message: SenderMessage,
  member: SignatureMember,
  key: VerificationKey,
  origin: URL | undefined,
): Promise<{ readonly ok: true } | Fault> {
  const { keyId, alg, signature } = member;
  const scheme = schemes[key.algorithm];
  if (scheme === undefined) return fault('algorithm_not_accepted', `RFC 9421 has no ${key.algorithm}`, keyId);
  if (alg !== undefined && alg !== scheme.alg) {
    return fault('algorithm_mismatch', 'The parameter alg does not fit the key', keyId);
  }
  if (signature.length !== scheme.signatureBytes) {
    return fault('malformed_signature', `An ${scheme.alg} signature has ${scheme.signatureBytes} bytes`, keyId);
  }
  const result = signatureBaseOf(message, member, origin);
  if (!result.ok) return result;
  const isTrue = await new Promise<boolean>((resolve, reject) => {
    const withEncoding = { key: key.publicKey, dsaEncoding: 'ieee-p1363' as const };
    cryptoVerify(scheme.hash, Buffer.from(result.base), withEncoding, signature, (error, valid) =>
      error ? reject(error) : resolve(valid),
    );
  });
  return isTrue ? { ok: true } : fault('signature_mismatch', 'The signature does not match message and key', keyId);
}

function coverFlaw(
  message: SenderMessage,
  { covered, keyId }: SignatureMember,
  require: readonly string[] | undefined,
): Fault | undefined {
  const path = message.query === undefined || message.query === '' ? ['@path'] : ['@path', '@query'];
  const targets = [['@target-uri'], ['@request-target'], path];
  const target = targets.find((names) => names.every((name) => covered.includes(name))) ?? path;
  const required = ['content-digest', ...(require ?? ['@method', ...target])];
  const missing = required.find((name) => !covered.includes(name));
  return missing === undefined
    ? undefined
    : fault('insufficient_cover', `The signature does not cover ${JSON.stringify(missing)}`, keyId);
}

/** At least one of the two current algorithms, and every one of them that is there must be true. */
function digestFlaw({ headers, body }: SenderMessage, keyId: string): Fault | undefined {
  const members = dictionary(headers.get('content-digest'));
  if (members === undefined) return fault('digest_missing', 'There is no content-digest header', keyId);
  if (members === null) return fault('malformed_digest', 'The content-digest header is malformed', keyId);
  let known = 0;
  for (const [name, hash] of [
    ['sha-256', 'sha256'],
    ['sha-512', 'sha512'],
  ] as const) {
    const value = members.get(name)?.[0];
    if (value === undefined) continue;
    known += 1;
    const actual = createHash(hash).update(body).digest();
    const claimed = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(0);
    if (claimed.length !== actual.length) return fault('malformed_digest', `The ${name} digest is malformed`, keyId);
    if (!timingSafeEqual(claimed, actual)) return fault('digest_mismatch', 'The body does not match its digest', keyId);
  }
  return known > 0 ? undefined : fault('digest_missing', 'content-digest has neither sha-256 nor sha-512', keyId);
}

function timeFlaw(
  { created, expires, keyId }: SignatureMember,
  nowSeconds: number,
  { maxAgeSeconds, skewSeconds }: { readonly maxAgeSeconds: number; readonly skewSeconds: number },
): Fault | undefined {
  if (created - nowSeconds > skewSeconds) return fault('created_in_future', 'created is ahead of this clock', keyId);
  if (expires !== undefined && expires <= created) {
    return fault('expires_before_created', 'expires is not later than created', keyId);
  }
  const isOld = nowSeconds - created > maxAgeSeconds || (expires !== undefined && nowSeconds - expires > skewSeconds);
  return isOld ? fault('expired', 'The signature is too old', keyId) : undefined;
}

async function findKey(keys: KeyLookup, keyId: string): Promise<VerificationKey | Fault> {
  try {
    return (await keys.find(keyId)) ?? fault('unknown_key', 'The key is not known', keyId);
  } catch (error) {
    if (error instanceof KeySetError) return fault('keys_unavailable', 'The keys cannot be had at the moment', keyId);
    throw error;
  }
}
