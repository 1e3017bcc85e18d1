// Reads keys in every form the API and its users have them: PEM (SEC1, PKCS#8, both also encrypted, the legacy
// `Proc-Type: 4,ENCRYPTED` form, SubjectPublicKeyInfo), JWK, a KeyObject, and the 32 raw bytes of an Ed25519 public key
// in base64. Contract: section "Keys". Every failure is a KeyError with a code.
// A private key offered as a public one is refused rather than reduced: it has leaked, and its owner should know.
import { createPrivateKey, createPublicKey, type JsonWebKey, KeyObject } from 'node:crypto';
import { algorithmOf, type KeyAlgorithm } from './algorithms.ts';
import { decodeBase64 } from './base64.ts';
import { KeyError } from './errors.ts';
import { assertKeyId, type JwkInput, type SigningKey, type VerificationKey } from './keys.ts';

const algorithmNames = 'EC P-256, P-384, P-521 and Ed25519';

export function importSigningKey(
  keyId: string,
  input: string | JwkInput | KeyObject,
  options: { passphrase?: string } = {},
): SigningKey {
  assertKeyId(keyId);
  const privateKey = readPrivateKey(input, options.passphrase);
  return Object.freeze({ keyId, algorithm: supportedAlgorithm(privateKey), privateKey });
}

export function importVerificationKey(keyId: string, input: string | JwkInput | KeyObject): VerificationKey {
  assertKeyId(keyId);
  const publicKey = readPublicKey(input);
  return Object.freeze({ keyId, algorithm: supportedAlgorithm(publicKey), publicKey });
}

function supportedAlgorithm(key: KeyObject): KeyAlgorithm {
  const algorithm = algorithmOf(key);
  if (algorithm !== undefined) return algorithm;
  const kind = [key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve].filter((part) => part !== undefined);
  throw new KeyError('unsupported_algorithm', `Keys are ${algorithmNames}, not ${kind.join(' ')}`);
}

function readPrivateKey(input: string | JwkInput | KeyObject, passphrase: string | undefined): KeyObject {
  if (input instanceof KeyObject) {
    if (input.type !== 'private')
      throw new KeyError('not_a_private_key', `A private key is needed, not a ${input.type} one`);
    return input;
  }
  if (typeof input !== 'string') {
    const jwk = jwkObject(input);
    if (jwk.d === undefined) throw new KeyError('not_a_private_key', 'The JWK has no private part');
    return attempt('The JWK is not a private key', () => createPrivateKey({ key: jwk, format: 'jwk' }));
  }
  const pem = findPem(input, (label) => label.endsWith('PRIVATE KEY'));
  if (pem === undefined) throw new KeyError(...withoutPem(input, 'not_a_private_key', 'private'));
  if (!pem.isEncrypted) return attempt('The PEM is not a private key', () => createPrivateKey(pem.text));
  // Without one OpenSSL would ask on the terminal of whoever runs the process.
  if (passphrase === undefined)
    throw new KeyError('passphrase_missing', 'The private key is encrypted: a passphrase is needed');
  try {
    return createPrivateKey({ key: pem.text, passphrase });
  } catch (cause) {
    // A wrong passphrase mostly shows as bad padding, but one in 256 gives valid padding around garbage, so the two
    // cannot be told apart for certain; the code names by far the likelier.
    throw new KeyError('passphrase_wrong', 'The private key does not open with this passphrase', { cause });
  }
}

function readPublicKey(input: string | JwkInput | KeyObject): KeyObject {
  if (input instanceof KeyObject) {
    if (input.type !== 'public')
      throw new KeyError('not_a_public_key', `A public key is needed, not a ${input.type} one`);
    return input;
  }
  if (typeof input !== 'string') {
    const jwk = jwkObject(input);
    if (jwk.d !== undefined) throw new KeyError('not_a_public_key', 'The JWK holds a private key');
    return attempt('The JWK is not a public key', () => createPublicKey({ key: jwk, format: 'jwk' }));
  }
  const raw = decodeBase64(input.trim());
  if (raw?.length === 32) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') };
    return attempt('The 32 bytes are not an Ed25519 key', () => createPublicKey({ key: jwk, format: 'jwk' }));
  }
  const pem = findPem(input, (label) => label.endsWith('PUBLIC KEY'));
  if (pem === undefined) throw new KeyError(...withoutPem(input, 'not_a_public_key', 'public'));
  // A file with both halves is a private key file, whatever stands first in it.
  if (findPem(input, (label) => label.endsWith('PRIVATE KEY')) !== undefined) {
    throw new KeyError('not_a_public_key', 'The PEM holds a private key');
  }
  return attempt('The PEM is not a public key', () => createPublicKey(pem.text));
}

function jwkObject(input: unknown): JsonWebKey {
  if (typeof input !== 'object' || input === null) throw new TypeError('A key is a string, a JWK or a KeyObject');
  return { ...input };
}

/** OpenSSL's message becomes the cause, not the message: it may name bytes of the input. */
function attempt(message: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (cause) {
    throw new KeyError('malformed_key', message, { cause });
  }
}

function withoutPem(
  input: string,
  code: 'not_a_private_key' | 'not_a_public_key',
  kind: 'private' | 'public',
): ['not_a_private_key' | 'not_a_public_key' | 'malformed_key', string] {
  const label = findPem(input, () => true)?.label;
  if (label === undefined) return ['malformed_key', `This is not a ${kind} key in PEM form`];
  return [code, `A ${kind} key is needed, not a PEM of the kind ${label}`];
}

interface Pem {
  readonly label: string;
  readonly text: string;
  readonly isEncrypted: boolean;
}

/** Longest text read as PEM: the largest key here has some 800 characters. */
const maxPemLength = 16_384;

/** The first PEM block of the wanted kind. `openssl ecparam -genkey` writes a block of parameters before the key. */
function findPem(input: string, isWanted: (label: string) => boolean): Pem | undefined {
  if (input.length > maxPemLength) throw new KeyError('malformed_key', 'The text is too long for a key');
  // Indented and CRLF text comes from YAML and environment variables; OpenSSL takes neither indentation nor tabs.
  const text = input.replace(/\r\n?/g, '\n').replace(/^[ \t]+|[ \t]+$/gm, '');
  for (const match of text.matchAll(/^-----BEGIN ([A-Z0-9 ]{1,40})-----\n([\s\S]*?)\n-----END \1-----$/gm)) {
    const [block, label, content] = match;
    if (label === undefined || content === undefined || !isWanted(label)) continue;
    const isEncrypted = label.startsWith('ENCRYPTED') || /^Proc-Type:.*ENCRYPTED/m.test(content);
    return { label, text: `${block}\n`, isEncrypted };
  }
  return undefined;
}
