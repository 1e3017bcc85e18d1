import postgres from 'postgres';
import { describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from './support/postgres.ts';
import { startCluster } from './support/postgres-cluster.ts';

describe.skipIf(!postgresUrl())(`the test server ${needsPostgres}`, () => {
  it('gives every caller an empty database of its own on a server that syncs', async () => {
    const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
    const sql = postgres(one.url, { max: 1 });
    const other = postgres(two.url, { max: 1 });
    try {
      await sql`create table only_here (n int)`;
      expect(await sql`select to_regclass('only_here')::text as name`).toEqual([{ name: 'only_here' }]);
      expect(await other`select to_regclass('only_here')::text as name`).toEqual([{ name: null }]);
      expect(await sql`show fsync`).toEqual([{ fsync: 'on' }]);
    } finally {
      await sql.end();
      await other.end();
      await Promise.all([one.drop(), two.drop()]);
    }
    const gone = postgres(one.url, { max: 1 });
    await expect(gone`select 1`).rejects.toMatchObject({ code: '3D000' });
    await gone.end();
  });

  it('keeps committed rows over a crash and a new start', async () => {
    const cluster = await startCluster();
    try {
      const before = postgres(cluster.url, { max: 1 });
      await before`create table kept (n int)`;
      await before`insert into kept values (7)`;
      await cluster.crash();
      await before.end({ timeout: 0 });
      await cluster.start();
      const after = postgres(cluster.url, { max: 1 });
      expect(await after`select n from kept`).toEqual([{ n: 7 }]);
      await after.end();
    } finally {
      await cluster.remove();
    }
  });
});
