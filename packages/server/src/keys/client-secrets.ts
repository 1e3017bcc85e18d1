// Client secrets and access tokens: made from the system's random source, stored only as hashes. A secret is hashed with
// scrypt, because a person may have chosen it; a token has 256 random bits, so one SHA-256 is enough.
// scrypt takes all of a core for some 50 ms: two of them at a time in a process, one of each client (`scryptTurns`).
//
// Comparisons take the same time whatever differs.

import { createHash, hkdfSync, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { createFairTurns } from '../fair-turns.ts';

const cost = { N: 16_384, r: 8, p: 1 };
const hashBytes = 32;

/** The thread pool has four threads by default, and two of them stay free for signatures. */
export const scryptTurns = createFairTurns({
  slots: 2,
  slotsEach: 1,
  maxWaiting: 64,
  maxWaitingEach: 4,
  maxWaitMs: 10_000,
});

function derive(secret: string, salt: Uint8Array, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, hashBytes, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

export function newClientSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** The text for `tenants.secret_hash`: parameters, salt and hash, so that the cost can grow later. */
export async function hashClientSecret(secret: string): Promise<string> {
  const salt = randomBytes(16);
  // The secrets of new tenants: operators make them, and wait for each other.
  const hash = await scryptTurns.run('operators', () => derive(secret, salt, cost));
  return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

/**
 * Whoever calls this has a turn of `scryptTurns`. Throws a TypeError for a hash that this module did not make: that is a broken row, not a wrong secret.
 */
export async function isClientSecret(secret: string, stored: string): Promise<boolean> {
  const [scheme, N, r, p, salt, hash] = stored.split('$');
  if (scheme !== 'scrypt' || salt === undefined || hash === undefined) throw new TypeError('Not a client secret hash');
  const expected = Buffer.from(hash, 'base64');
  const actual = await derive(secret, Buffer.from(salt, 'base64'), { N: Number(N), r: Number(r), p: Number(p) });
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

export function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token, 'utf8').digest();
}

/** What rests on the configured operator token keeps this of it; no token of the database is found by it. */
export function hashConfiguredToken(token: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', token, '', 'bellhop configured operator token', hashBytes));
}

/** Equality of two secrets of any length, in constant time. */
export function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(hashToken(given), hashToken(expected));
}
