// The registry of key algorithms: everything that differs per algorithm is a field here, so that nothing else in the
// package switches on an algorithm's name. Contract: section "Algorithms" (SHA-512 for every curve, DER for ECDSA,
// Ed25519 over the base itself). The table has no prototype: a name such as `__proto__` finds nothing.
import { sign as cryptoSign, verify as cryptoVerify, type KeyObject } from 'node:crypto';
import { isDerEcdsaSignature } from './der.ts';

export type KeyAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'ed25519';

export interface AlgorithmEntry {
  readonly name: KeyAlgorithm;
  /** As Node names the key: `asymmetricKeyType` and, for EC, `namedCurve`. */
  readonly keyType: 'ec' | 'ed25519';
  readonly namedCurve: string | undefined;
  /** Hash given to node:crypto; null where the algorithm hashes by itself. */
  readonly hash: 'sha512' | null;
  /** Values of an `alg` parameter that agree with such a key. */
  readonly algNames: readonly string[];
  /** Whether the bytes are a signature of this algorithm at all: encoding, not truth. */
  readonly isWellFormed: (signature: Uint8Array) => boolean;
  /**
   * Whether signing goes to the thread pool. Measured: the hop costs 30 to 45 us, signing with P-256 or Ed25519 costs
   * 24 to 32 us, with P-384 about 570 us and with P-521 about 1,300 us. Verifying gains from the pool for all.
   */
  readonly signInPool: boolean;
}

function ecdsa(
  name: KeyAlgorithm,
  namedCurve: string,
  coordinateBytes: number,
  algNames: readonly string[],
  signInPool: boolean,
): AlgorithmEntry {
  const isWellFormed = (signature: Uint8Array): boolean => isDerEcdsaSignature(signature, coordinateBytes);
  return { name, keyType: 'ec', namedCurve, hash: 'sha512', algNames, isWellFormed, signInPool };
}

// The names ending in the curve's usual hash are those of the HTTP signature registry: they name the right key even
// though this API hashes with SHA-512.
const entries: readonly AlgorithmEntry[] = [
  ecdsa('ecdsa-p256', 'prime256v1', 32, ['ecdsa-p256-sha512', 'ecdsa-p256-sha256'], false),
  ecdsa('ecdsa-p384', 'secp384r1', 48, ['ecdsa-p384-sha512', 'ecdsa-p384-sha384'], true),
  ecdsa('ecdsa-p521', 'secp521r1', 66, ['ecdsa-p521-sha512'], true),
  {
    name: 'ed25519',
    keyType: 'ed25519',
    namedCurve: undefined,
    hash: null,
    algNames: ['ed25519'],
    isWellFormed: (signature) => signature.length === 64,
    signInPool: false,
  },
];

const registry: Readonly<Record<string, AlgorithmEntry>> = Object.freeze(
  Object.assign(Object.create(null), Object.fromEntries(entries.map((entry) => [entry.name, Object.freeze(entry)]))),
);

/** All algorithms, in the order of the contract's vectors. */
export const keyAlgorithms: readonly KeyAlgorithm[] = Object.freeze(entries.map((entry) => entry.name));

export function algorithmEntry(name: KeyAlgorithm): AlgorithmEntry {
  const entry = registry[name];
  if (entry === undefined) throw new TypeError(`Unknown key algorithm ${JSON.stringify(name)}`);
  return entry;
}

/** The algorithm of a key, undefined for kinds this API does not use (RSA, secp256k1, Ed448, …). */
export function algorithmOf(key: KeyObject): KeyAlgorithm | undefined {
  const namedCurve = key.asymmetricKeyDetails?.namedCurve;
  return entries.find((entry) => entry.keyType === key.asymmetricKeyType && entry.namedCurve === namedCurve)?.name;
}

export function signBytes(entry: AlgorithmEntry, data: Uint8Array, privateKey: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (!entry.signInPool) return resolve(cryptoSign(entry.hash, data, privateKey));
    cryptoSign(entry.hash, data, privateKey, (error, signature) => (error ? reject(error) : resolve(signature)));
  });
}

export function verifyBytes(
  entry: AlgorithmEntry,
  data: Uint8Array,
  publicKey: KeyObject,
  signature: Uint8Array,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    cryptoVerify(entry.hash, data, publicKey, signature, (error, isValid) =>
      error ? reject(error) : resolve(isValid),
    );
  });
}
