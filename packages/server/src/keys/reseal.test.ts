import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTlsContext } from '../delivery/tls.ts';
import { type Authority, createAuthority } from '../delivery/tls-certificates.fixture.ts';
import { listAudit } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import { ensurePartitions, migrate } from '../store/migrate.ts';
import { openPglite } from '../store/pglite.ts';
import { insertTenant } from '../store/tenants.ts';
import { readCertificateBundle } from './certificate-bundle.ts';
import { createServiceKeys } from './postgres-service-keys.ts';
import { type KeyEncryptionKeys, resealPrivateKeys } from './reseal.ts';
import { createTenantCertificates } from './tenant-certificates.ts';

const old = 'the old key-encryption key';
const fresh = 'the new key-encryption key';
const clientId = '00000000-0000-4000-8000-000000000001';
let database: Database;
let authority: Authority;

beforeAll(async () => {
  database = await openPglite();
  await migrate(database);
  await ensurePartitions(database, 1);
  authority = await createAuthority();
  const scopes = ['webhooks:read'];
  await insertTenant(database, { clientId, name: 'A', scopes, secretHash: 'x', now: new Date() });
});
afterAll(async () => {
  await database.close();
  await authority[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await database.query('delete from signing_keys');
  await database.query('delete from tenant_certificates');
  await database.query('delete from audit');
});

const certificatesOf = (keys: KeyEncryptionKeys) =>
  createTenantCertificates({
    database,
    ...keys,
    contextOf: (clientCert) => createTlsContext({ clientCert }),
    now: Date.now,
  });
const signingKeysOf = (keys: KeyEncryptionKeys) => createServiceKeys({ database, algorithm: 'ed25519', ...keys });
const reseal = (keys: KeyEncryptionKeys) => resealPrivateKeys(database, keys, new Date());
const stored = () =>
  database.query<{ private_key: string }>(
    'select private_key from signing_keys union all select private_key from tenant_certificates order by 1',
  );

/** Two signing keys and a certificate. */
async function fill(keyEncryptionKey: string): Promise<string> {
  const { cert, key } = await authority.issue('DNS:one.test');
  const read = readCertificateBundle(`${key}${cert}`);
  if (!read.ok) throw new TypeError(read.detail);
  await certificatesOf({ keyEncryptionKey }).put(database, clientId, read.bundle);
  return (await signingKeysOf({ keyEncryptionKey }).active()).keyId;
}

describe('private keys under a new key-encryption key', () => {
  it('are sealed anew, once, and open with the new one alone', async () => {
    const keyId = await fill(old);
    const both = { keyEncryptionKey: fresh, previousKeyEncryptionKey: old };
    expect(await reseal(both)).toBe(3);
    expect(await reseal(both)).toBe(0);
    const alone = { keyEncryptionKey: fresh };
    expect(await reseal(alone)).toBe(0);
    expect((await signingKeysOf(alone).active()).keyId).toBe(keyId);
    expect(await certificatesOf(alone).identityOf(clientId)).toBeDefined();
    await expect(signingKeysOf({ keyEncryptionKey: old }).active()).rejects.toMatchObject({
      code: 'key_encryption_key_wrong',
    });
    expect(await listAudit(database, { limit: 10 })).toMatchObject([
      { actor: 'start', action: 'private_keys.reseal', after: { resealed: 3 } },
    ]);
  });

  it('open with either while processes have both, whichever comes first', async () => {
    const keyId = await fill(old);
    const before = { keyEncryptionKey: old, previousKeyEncryptionKey: fresh };
    const after = { keyEncryptionKey: fresh, previousKeyEncryptionKey: old };
    expect(await reseal(before)).toBe(0);
    expect(await reseal(after)).toBe(3);
    for (const keys of [before, after]) {
      expect((await signingKeysOf(keys).active()).keyId).toBe(keyId);
      expect(await certificatesOf(keys).identityOf(clientId)).toBeDefined();
    }
  });

  it('stay as they are when one of them opens with neither', async () => {
    await fill(old);
    const other = { keyEncryptionKey: 'another', previousKeyEncryptionKey: fresh };
    await database.query('update signing_keys set private_key = $1 || private_key where status = $2', ['AAAA', 'next']);
    const before = await stored();
    await expect(reseal({ keyEncryptionKey: fresh, previousKeyEncryptionKey: old })).rejects.toMatchObject({
      code: 'key_encryption_key_wrong',
    });
    await expect(reseal(other)).rejects.toMatchObject({ code: 'key_encryption_key_wrong' });
    await expect(reseal({ keyEncryptionKey: fresh })).rejects.toMatchObject({ code: 'key_encryption_key_wrong' });
    expect(await stored()).toEqual(before);
    expect(await listAudit(database, { limit: 10 })).toEqual([]);
  });

  it('are sealed when there was none before', async () => {
    const keyId = (await signingKeysOf({ keyEncryptionKey: undefined }).active()).keyId;
    expect(await reseal({ keyEncryptionKey: undefined })).toBe(0);
    expect((await stored()).filter(({ private_key }) => private_key.includes('PRIVATE KEY'))).toHaveLength(2);
    expect(await reseal({ keyEncryptionKey: fresh })).toBe(2);
    expect((await stored()).filter(({ private_key }) => private_key.includes('PRIVATE KEY'))).toEqual([]);
    expect((await signingKeysOf({ keyEncryptionKey: fresh }).active()).keyId).toBe(keyId);
  });
});
