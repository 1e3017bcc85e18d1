// Connections that break in the middle of a transaction. With the driver alone each of these ended the process, left a
// connection that never answered again, or ran what was left of one transaction inside another.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import type { Database, Queryable } from './database.ts';
import { openPostgres } from './postgres.ts';

describe.skipIf(!postgresUrl())(`a transaction that loses its connection ${needsPostgres}`, () => {
  let fresh: FreshDatabase;
  let database: Database;
  let other: Database;

  beforeEach(async () => {
    fresh = await freshDatabase();
    // One connection for transactions: whatever is wrong with it shows in the next one.
    database = await openPostgres({ url: fresh.url, maxConnections: 2 });
    other = await openPostgres({ url: fresh.url, maxConnections: 2 });
    await database.query('create table kept (n integer)');
  });

  afterEach(async () => {
    await database.close();
    await other.close();
    await fresh.drop();
  });

  async function backendOf(tx: Queryable): Promise<number> {
    const [row] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
    return row?.pid ?? 0;
  }

  async function end(pid: number): Promise<void> {
    await other.query('select pg_terminate_backend($1)', [pid]);
    await expect.poll(() => other.query('select 1 from pg_stat_activity where pid = $1', [pid])).toEqual([]);
  }

  const kept = () => other.query<{ n: number }>('select n from kept order by n');

  async function worksAgain(): Promise<void> {
    await expect
      .poll(() =>
        database.transaction(async (tx) => (await tx.query<{ n: number }>('select 1 as n'))[0]?.n).catch(() => 0),
      )
      .toBe(1);
    await database.transaction(async (tx) => {
      await tx.query('insert into kept values (100)');
    });
    expect(await kept()).toEqual([{ n: 100 }]);
  }

  it('rejects as unavailable while a statement runs, and the next one works', async () => {
    const running = database.transaction(async (tx) => {
      await tx.query('insert into kept values (1)');
      const pid = await backendOf(tx);
      await Promise.all([tx.query('select pg_sleep(20)'), end(pid)]);
    });
    await expect(running).rejects.toMatchObject({ code: 'unavailable' });
    await worksAgain();
  });

  it('rejects as unavailable between statements, and sends nothing more', async () => {
    let after: unknown;
    const running = database.transaction(async (tx) => {
      await tx.query('insert into kept values (1)');
      await end(await backendOf(tx));
      after = await tx.query('insert into kept values (2)').then(
        () => 'stored',
        (error: unknown) => error,
      );
    });
    await expect(running).rejects.toMatchObject({ code: 'unavailable' });
    await worksAgain();
    expect(after).not.toBe('stored');
  });

  it('rejects as unavailable when the work ends well without having noticed', async () => {
    const running = database.transaction(async (tx) => {
      await tx.query('insert into kept values (1)');
      await end(await backendOf(tx));
    });
    await expect(running).rejects.toMatchObject({ code: 'unavailable' });
    await worksAgain();
  });

  it('rolls back and goes on when the work fails by itself', async () => {
    const running = database.transaction(async (tx) => {
      await tx.query('insert into kept values (1)');
      await tx.query('select 1/0');
    });
    await expect(running).rejects.toMatchObject({ code: 'rejected', sqlState: '22012' });
    await worksAgain();
  });
});
