// The service's own keys in the database (design.md "Service keys"): one active, one next that is published already, and
// retired ones that stay published for a day. The first call makes the first two; processes that race agree, because the
// status of both is unique.
//
// Private keys are encrypted when a key-encryption key is given, and gone once a key is retired. Rotation waits until the
// next key has been published long enough for every receiver to have seen it, unless it is forced. A key that is withdrawn
// leaves the published ones with the commit, in every process: they are read each time.

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
import type { Signals } from '../store/signals.ts';
import { openPrivateKey, sealPrivateKey } from './private-key-seal.ts';
import type { PublicKey, RotateOptions, RotateResult, ServiceKeys, WithdrawResult } from './service-keys.ts';

export interface ServiceKeysOptions {
  readonly database: Database;
  /** Tell of other processes' changes; absent: they are seen within a minute. */
  readonly signals?: Pick<Signals, 'onSigningKeysChanged' | 'onReconnected'> | undefined;
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
const isPublished = "(status <> 'retired' or (retired_at > $1 and withdrawn_at is null))";

export function createServiceKeys(options: ServiceKeysOptions): ServiceKeys {
  const { database, signals, algorithm = 'ecdsa-p521', keyEncryptionKey, previousKeyEncryptionKey } = options;
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
    await retire(tx, active);
    const made = await replace(tx, 'active');
    return { rotated: true, retired: active.key_id, active: next.key_id, next: made };
  }

  async function retire(tx: Queryable, { key_id }: KeyRow): Promise<void> {
    // What never signs again is not kept to be stolen.
    await tx.query(
      "update signing_keys set status = 'retired', retired_at = coalesce(retired_at, $2), private_key = '' where key_id = $1",
      [key_id, new Date(now())],
    );
  }

  /** After the key of this status retired. */
  async function replace(tx: Queryable, status: 'active' | 'next'): Promise<string> {
    if (status === 'active') {
      const at = new Date(now());
      await tx.query("update signing_keys set status = 'active', activated_at = $1 where status = 'next'", [at]);
    }
    return insertKey(tx, 'next');
  }

  async function withdraw(tx: Queryable, keyId: string): Promise<WithdrawResult | undefined> {
    await tx.query('select pg_advisory_xact_lock($1)', [rotationLockKey]);
    const published = await tx.query<KeyRow>(`select * from signing_keys where ${isPublished}`, [oldestRetired()]);
    const key = published.find((row) => row.key_id === keyId);
    if (!key) return undefined;
    const idOf = (status: KeyRow['status']) => published.find((row) => row.status === status)?.key_id;
    const [active, next] = [idOf('active'), idOf('next')];
    if (active === undefined || next === undefined) throw new TypeError('There is no pair of signing keys');
    await retire(tx, key);
    await tx.query('update signing_keys set withdrawn_at = $2 where key_id = $1', [keyId, new Date(now())]);
    const { status } = key;
    if (status === 'retired') return { status, active, next };
    const made = await replace(tx, status);
    return { status, active: status === 'active' ? next : active, next: made };
  }

  function oldestRetired(): Date {
    return new Date(now() - dayMs);
  }

  function forget(): void {
    cached = undefined;
  }
  signals?.onSigningKeysChanged(forget);
  // What was said while nobody listened is lost.
  signals?.onReconnected(forget);

  return {
    active: async () => (await current()).active,
    next: async () => (await current()).next,
    async published() {
      await current();
      const rows = await database.query<Pick<KeyRow, 'public_jwk'>>(
        `select public_jwk from signing_keys where ${isPublished}
         order by case status when 'active' then 0 when 'next' then 1 else 2 end, retired_at desc`,
        [oldestRetired()],
      );
      return rows.map((row) => row.public_jwk);
    },
    rotate,
    withdraw,
    forget,
  };
}
