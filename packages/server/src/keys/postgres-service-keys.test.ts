import { publicJwk } from '@bellhop/signatures';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { openPglite } from '../store/pglite.ts';
import { createServiceKeys } from './postgres-service-keys.ts';
import type { RotateOptions, RotateResult, ServiceKeys } from './service-keys.ts';

let database: Database;
let nowMs = Date.parse('2026-05-01T12:00:00Z');
const now = () => nowMs;
const dayMs = 24 * 60 * 60 * 1000;

beforeAll(async () => {
  database = await openPglite();
  await migrate(database);
});
beforeEach(() => database.query('delete from signing_keys'));
afterAll(() => database.close());

async function rotate(keys: ServiceKeys, options?: RotateOptions): Promise<RotateResult> {
  await keys.active();
  const result = await database.transaction((tx) => keys.rotate(tx, options));
  keys.forget();
  return result;
}

describe('service keys', () => {
  it('are an active and a next key, made once, the same for every process', async () => {
    const [one, two] = [createServiceKeys({ database, now }), createServiceKeys({ database, now })];
    const actives = await Promise.all([one.active(), two.active(), one.active()]);
    expect(new Set(actives.map((key) => key.keyId)).size).toBe(1);
    expect((await one.next()).keyId).not.toBe(actives[0].keyId);
    expect(actives[0].algorithm).toBe('ecdsa-p521');
    expect(await one.published()).toEqual([publicJwk(actives[0]), publicJwk(await two.next())]);
  });

  it('can be Ed25519', async () => {
    const keys = createServiceKeys({ database, now, algorithm: 'ed25519' });
    expect((await keys.published()).map(({ kty, crv }) => `${kty} ${crv}`)).toEqual(['OKP Ed25519', 'OKP Ed25519']);
  });

  it('rotate not before the next key is published for a day', async () => {
    const keys = createServiceKeys({ database, now });
    const [active, next] = [await keys.active(), await keys.next()];
    const readyAt = new Date(nowMs + dayMs);
    nowMs += dayMs - 1;
    expect(await rotate(keys)).toEqual({ rotated: false, reason: 'next_key_too_young', readyAt });
    expect((await keys.active()).keyId).toBe(active.keyId);
    nowMs += 1;
    expect(await rotate(keys)).toMatchObject({ rotated: true, retired: active.keyId, active: next.keyId });
    expect((await keys.active()).keyId).toBe(next.keyId);
    expect((await keys.next()).keyId).not.toBe(next.keyId);
  });

  it('rotate at once when forced, or when the service was told so', async () => {
    const keys = createServiceKeys({ database, now });
    await keys.active();
    expect(await rotate(keys, { force: true })).toMatchObject({ rotated: true });
    const eager = createServiceKeys({ database, now, minPublishedMs: 0 });
    expect(await rotate(eager)).toMatchObject({ rotated: true });
  });

  it('stay published for a day after they retired', async () => {
    const keys = createServiceKeys({ database, now });
    const retired = await keys.active();
    await rotate(keys, { force: true });
    const ids = async () => (await keys.published()).map((key) => key.kid);
    expect(await ids()).toEqual([(await keys.active()).keyId, (await keys.next()).keyId, retired.keyId]);
    nowMs += dayMs - 1;
    expect(await ids()).toContain(retired.keyId);
    nowMs += 1;
    expect(await ids()).toHaveLength(2);
  });

  it('are published and kept no longer once withdrawn, whatever they were, and a pair is left that signs', async () => {
    const keys = createServiceKeys({ database, now });
    const withdraw = async (keyId: string) => {
      const result = await database.transaction((tx) => keys.withdraw(tx, keyId));
      keys.forget();
      return result;
    };
    const published = async () => (await keys.published()).map(({ kid }) => kid);
    const [first, second] = [(await keys.active()).keyId, (await keys.next()).keyId];
    const third = (await withdraw(first))?.next;
    expect(third).not.toBe(first);
    expect((await keys.active()).keyId).toBe(second);
    expect(await published()).toEqual([second, third]);

    const fourth = (await withdraw(String(third)))?.next;
    expect((await keys.active()).keyId).toBe(second);
    expect(await published()).toEqual([second, fourth]);

    await rotate(keys, { force: true });
    expect(await published()).toContain(second);
    expect(await withdraw(second)).toMatchObject({ status: 'retired', active: fourth });
    expect(await published()).toEqual([fourth, (await keys.next()).keyId]);

    // What is not published cannot be withdrawn: a second time, an unknown one, one that retired a day ago.
    const before = await database.query('select * from signing_keys order by key_id');
    expect(await withdraw(second)).toBeUndefined();
    expect(await withdraw(crypto.randomUUID())).toBeUndefined();
    expect(await database.query('select * from signing_keys order by key_id')).toEqual(before);
    await rotate(keys, { force: true });
    nowMs += dayMs;
    expect(await withdraw(String(fourth))).toBeUndefined();
    const left = await database.query<{ status: string }>("select status from signing_keys where private_key <> ''");
    expect(left.map(({ status }) => status).sort()).toEqual(['active', 'next']);
  });

  it('of another process are seen within a minute of its rotation', async () => {
    const [here, there] = [createServiceKeys({ database, now }), createServiceKeys({ database, now })];
    const before = await here.active();
    await rotate(there, { force: true });
    expect((await here.active()).keyId).toBe(before.keyId);
    nowMs += 60_000;
    expect((await here.active()).keyId).toBe((await there.active()).keyId);
    expect((await here.active()).keyId).not.toBe(before.keyId);
  });

  it('lie encrypted in the database when a key-encryption key is given, and open with that one only', async () => {
    const keyEncryptionKey = 'a key-encryption key';
    const made = await createServiceKeys({ database, now, keyEncryptionKey }).active();
    const rows = await database.query<{ text: string }>('select k::text as text from signing_keys k');
    expect(rows.filter(({ text }) => text.includes('PRIVATE KEY'))).toEqual([]);
    expect((await createServiceKeys({ database, now, keyEncryptionKey }).active()).keyId).toBe(made.keyId);
    const wrong = createServiceKeys({ database, now, keyEncryptionKey: 'another' });
    await expect(wrong.active()).rejects.toMatchObject({ code: 'key_encryption_key_wrong' });
    const none = createServiceKeys({ database, now });
    await expect(none.active()).rejects.toMatchObject({ code: 'key_encryption_key_missing' });
    // The failure is not remembered.
    await expect(none.active()).rejects.toMatchObject({ code: 'key_encryption_key_missing' });
  });
});
