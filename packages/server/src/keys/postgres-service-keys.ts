// The service's own keys in the database (design.md "Service keys"): one active, one next that is published already, and
// retired ones that stay published for a day. The first call makes the first two; processes that race agree, because the
// status of both is unique.
//
// Private keys are encrypted when a key-encryption key is given, and gone once a key is retired. Rotation waits until the
// next key has been published long enough for every receiver to have seen it, unless it is forced.

import {
  generateSigningKey,
  importSigningKey,
  type KeyAlgorithm,
  privatePem,
  publicJwk,
  type SigningKey,
} from '@bellhop/signatures';
import { v4 as uuidv4 } from 'uuid';
import type { Database, Queryable } from '../store/database.ts';
import { isUniqueViolation } from '../store/database.ts';
import { openPrivateKey, sealPrivateKey } from './private-key-seal.ts';
import type { PublicKey, RotateOptions, RotateResult, ServiceKeys } from './service-keys.ts';

export interface ServiceKeysOptions {
  readonly database: Database;
  /** Of keys made from now on. */
  readonly algorithm?: KeyAlgorithm;
  /** Any secret text; absent: private keys are stored as they are. */
  readonly keyEncryptionKey?: string | undefined;
  /** Opens what was encrypted before a change of it. */
  readonly previousKeyEncryptionKey?: string | undefined;
  /** How long a key is published before it may sign. */
  readonly minPublishedMs?: number;
  readonly now?: () => number;
}

interface KeyRow {
  readonly key_id: string;
  readonly public_jwk: PublicKey;
  readonly private_key: string;
  readonly encrypted: boolean;
  readonly status: 'active' | 'next' | 'retired';
  readonly published_at: Date;
  readonly activated_at: Date | null;
}

const dayMs = 24 * 60 * 60 * 1000;
const cacheMs = 60_000;
/** Any fixed number, different from the other advisory locks of the service. */
const rotationLockKey = 4_027_317;

export function createServiceKeys(options: ServiceKeysOptions): ServiceKeys {
  const { database, algorithm = 'ecdsa-p521', keyEncryptionKey, previousKeyEncryptionKey } = options;
  const { minPublishedMs = dayMs, now = Date.now } = options;
  let cached: { readonly atMs: number; readonly keys: Promise<CurrentKeys> } | undefined;

  interface CurrentKeys {
    readonly active: SigningKey;
    readonly next: SigningKey;
  }

  function current(): Promise<CurrentKeys> {
    if (cached && now() - cached.atMs < cacheMs) return cached.keys;
    const entry = { atMs: now(), keys: loadOrMake() };
    cached = entry;
    entry.keys.catch(() => {
      // A failed load is not remembered; whoever awaits the promise gets the error.
      if (cached === entry) cached = undefined;
    });
    return entry.keys;
  }

  async function loadOrMake(): Promise<CurrentKeys> {
    const found = await load();
    if (found) return found;
    try {
      await database.transaction(async (tx) => {
        await insertKey(tx, 'active');
        await insertKey(tx, 'next');
      });
    } catch (error) {
      // Another process made them at the same moment.
      if (!isUniqueViolation(error)) throw error;
    }
    const made = await load();
    if (!made) throw new TypeError('The signing keys are not a pair of one active and one next key');
    return made;
  }

  async function load(): Promise<CurrentKeys | undefined> {
    const rows = await database.query<KeyRow>("select * from signing_keys where status in ('active', 'next')");
    const active = rows.find((row) => row.status === 'active');
    const next = rows.find((row) => row.status === 'next');
    return active && next ? { active: readKey(active), next: readKey(next) } : undefined;
  }

  function readKey(row: KeyRow): SigningKey {
    const pem = row.encrypted
      ? openPrivateKey(row.private_key, keyEncryptionKey, previousKeyEncryptionKey)
      : row.private_key;
    return importSigningKey(row.key_id, pem);
  }

  async function insertKey(tx: Queryable, status: 'active' | 'next'): Promise<string> {
    const key = await generateSigningKey(uuidv4(), algorithm);
    const pem = privatePem(key);
    const stored = keyEncryptionKey === undefined ? pem : sealPrivateKey(pem, keyEncryptionKey);
    const at = new Date(now());
    await tx.query(
      `insert into signing_keys (key_id, algorithm, public_jwk, private_key, encrypted, status, published_at, activated_at)
       values ($1, $2, $3::text::jsonb, $4, $5, $6, $7, $8)`,
      [
        key.keyId,
        algorithm,
        JSON.stringify(publicJwk(key)),
        stored,
        keyEncryptionKey !== undefined,
        status,
        at,
        status === 'active' ? at : null,
      ],
    );
    return key.keyId;
  }

  async function rotate(tx: Queryable, { force = false, activeForMs = 0 }: RotateOptions = {}): Promise<RotateResult> {
    // Rotations take turns: a row lock would let the second one wait for a row that is no longer `next` and miss the new one.
    await tx.query('select pg_advisory_xact_lock($1)', [rotationLockKey]);
    const rows = await tx.query<KeyRow>("select * from signing_keys where status in ('active', 'next')");
    const next = rows.find((row) => row.status === 'next');
    const active = rows.find((row) => row.status === 'active');
    if (!next || !active?.activated_at) throw new TypeError('There is no pair of an active and a next signing key');
    const dueAtMs = active.activated_at.getTime() + activeForMs;
    if (dueAtMs > now()) return { rotated: false, reason: 'active_key_too_young', readyAt: new Date(dueAtMs) };
    const readyAtMs = next.published_at.getTime() + minPublishedMs;
    if (!force && readyAtMs > now()) {
      return { rotated: false, reason: 'next_key_too_young', readyAt: new Date(readyAtMs) };
    }
    const at = new Date(now());
    await tx.query("update signing_keys set status = 'retired', retired_at = $1 where status = 'active'", [at]);
    // What never signs again is not kept to be stolen.
    await tx.query("update signing_keys set private_key = '' where status = 'retired' and private_key <> ''");
    await tx.query("update signing_keys set status = 'active', activated_at = $1 where status = 'next'", [at]);
    const made = await insertKey(tx, 'next');
    return { rotated: true, retired: active.key_id, active: next.key_id, next: made };
  }

  return {
    active: async () => (await current()).active,
    next: async () => (await current()).next,
    async published() {
      await current();
      const rows = await database.query<Pick<KeyRow, 'public_jwk'>>(
        `select public_jwk from signing_keys where status <> 'retired' or retired_at > $1
         order by case status when 'active' then 0 when 'next' then 1 else 2 end, retired_at desc`,
        [new Date(now() - dayMs)],
      );
      return rows.map((row) => row.public_jwk);
    },
    rotate,
    forget() {
      cached = undefined;
    },
  };
}
