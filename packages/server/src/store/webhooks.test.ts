// Every function takes the client id beside the id of the webhook. The routes look before they ask these, so their tests do
// not see whether the statements themselves keep tenants apart: here nobody looks first.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { ensurePartitions, migrate } from './migrate.ts';
import { openPglite } from './pglite.ts';
import { insertTenant } from './tenants.ts';
import { deleteWebhook, findWebhook, insertWebhook, listWebhooks, updateWebhook } from './webhooks.ts';

let database: Database;
const now = new Date('2026-05-01T12:00:00Z');

beforeAll(async () => {
  database = await openPglite();
  await migrate(database);
  await ensurePartitions(database, 1);
});
afterAll(() => database.close());

async function tenant(): Promise<string> {
  const clientId = randomUUID();
  await insertTenant(database, { clientId, name: 'A', scopes: [], secretHash: 'x', now });
  return clientId;
}

async function webhook(clientId: string): Promise<string> {
  const id = randomUUID();
  const fields = {
    id,
    clientId,
    title: 'A',
    url: 'https://a.test/',
    type: ['ALL'],
    delay: '1s',
    maxPackageSize: 1_000,
  };
  const inserted = await database.transaction((tx) =>
    insertWebhook(tx, { ...fields, excludeType: undefined, now }, 1_000),
  );
  expect(inserted).toMatchObject({ id });
  return id;
}

it("a webhook is read, listed, changed and deleted by its tenant only, also by who knows another's id", async () => {
  const [owner, stranger] = [await tenant(), await tenant()];
  const id = await webhook(owner);
  expect(await findWebhook(database, stranger, id)).toBeUndefined();
  const page = { sort: 'created_at', order: 'ASC', offset: 0, limit: 10 } as const;
  expect(await listWebhooks(database, stranger, page)).toEqual({ webhooks: [], total: 0 });
  for (const change of [{ title: 'B' }, { enabled: true }]) {
    expect(await updateWebhook(database, stranger, id, { ...change, now })).toBeUndefined();
  }
  expect(await deleteWebhook(database, stranger, id)).toBeUndefined();
  expect(await findWebhook(database, owner, id)).toMatchObject({ id, title: 'A', enabled: false });
  expect(await deleteWebhook(database, owner, id)).toBe(0);
  expect(await findWebhook(database, owner, id)).toBeUndefined();
});

it('a tenant that is not there gets none', async () => {
  const fields = { id: randomUUID(), clientId: randomUUID(), title: 'A', url: 'https://a.test/', type: ['ALL'] };
  const more = { excludeType: undefined, delay: '1s', maxPackageSize: 1_000, now };
  expect(await database.transaction((tx) => insertWebhook(tx, { ...fields, ...more }, 1_000))).toBe('no_tenant');
});
