// Keys as values: an id, an algorithm and a node:crypto KeyObject (whose private part never shows in logs or JSON).
// Making and exporting them is here, reading the many formats is in key-import.ts. Contract: section "Keys".
import { createPublicKey, generateKeyPair, type KeyObject, type KeyPairKeyObjectResult } from 'node:crypto';
import { algorithmEntry, type KeyAlgorithm } from './algorithms.ts';
import { KeyError } from './errors.ts';
import { quoted } from './signature-base.ts';
import { maxIdentifierLength } from './signature-fields.ts';

export interface SigningKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly privateKey: KeyObject;
}

export interface VerificationKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: KeyObject;
}

/** What is read of a JWK. Loose on purpose: node:crypto's and the DOM's JsonWebKey, and parsed JSON, all fit. */
export interface JwkInput {
  readonly kty?: string | undefined;
  readonly crv?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly d?: string | undefined;
  readonly kid?: unknown;
  readonly use?: unknown;
}

/** A public key as a member of a JWK set. */
export interface PublicJwk {
  kid: string;
  kty: string;
  crv: string;
  x: string;
  y?: string;
}

/** A key id travels in a quoted string of a header: printable ASCII, and not without end. */
export function assertKeyId(keyId: string): void {
  if (/^[\x20-\x7e]+$/.test(keyId) && keyId.length <= maxIdentifierLength) return;
  throw new KeyError(
    'invalid_key_id',
    `A key id is 1 to ${maxIdentifierLength} printable ASCII characters, not ${quoted(keyId)}`,
  );
}

export async function generateSigningKey(keyId: string, algorithm: KeyAlgorithm): Promise<SigningKey> {
  assertKeyId(keyId);
  const { namedCurve } = algorithmEntry(algorithm);
  const { privateKey } = await new Promise<KeyPairKeyObjectResult>((resolve, reject) => {
    const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject): void =>
      error ? reject(error) : resolve({ publicKey, privateKey });
    if (namedCurve === undefined) generateKeyPair('ed25519', undefined, done);
    else generateKeyPair('ec', { namedCurve }, done);
  });
  return Object.freeze({ keyId, algorithm, privateKey });
}

function publicKeyOf(key: SigningKey | VerificationKey): KeyObject {
  return 'publicKey' in key ? key.publicKey : createPublicKey(key.privateKey);
}

/** The public half of a signing key. */
export function verificationKeyOf(key: SigningKey): VerificationKey {
  return Object.freeze({ keyId: key.keyId, algorithm: key.algorithm, publicKey: publicKeyOf(key) });
}

/** Coordinates are padded to the size of the curve (66 bytes each for P-521), as the key set of the API has them. */
export function publicJwk(key: SigningKey | VerificationKey): PublicJwk {
  const { kty, crv, x, y } = publicKeyOf(key).export({ format: 'jwk' });
  if (kty === undefined || crv === undefined || x === undefined) throw new TypeError('Not a key of this package');
  return { kid: key.keyId, kty, crv, x, ...(y === undefined ? {} : { y }) };
}

/** SubjectPublicKeyInfo. */
export function publicPem(key: SigningKey | VerificationKey): string {
  return publicKeyOf(key).export({ type: 'spki', format: 'pem' }).toString();
}

/** PKCS#8; encrypted (AES-256-CBC) when a passphrase is given. */
export function privatePem(key: SigningKey, options: { passphrase?: string } = {}): string {
  const { passphrase } = options;
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption }).toString();
}
