import type { Transaction } from '@electric-sql/pglite';
import { PGlite } from '@electric-sql/pglite';
import type { PoolClient } from 'pg';
import pg from 'pg';
import type { Sql, TransactionSql } from 'postgres';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import type { FreshDatabase } from '../../../../test/support/postgres.ts';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import { createHandler } from '../create-handler.ts';
import { durableContract } from './durable.contract.ts';
import { entry, inboxContract } from './inbox.contract.ts';
import type { Inbox, Job } from './inbox.ts';
import type { PostgresHandle, PostgresInbox, PostgresInboxOptions, TransactionOf } from './postgres.ts';
import { postgresInbox, postgresInboxSchema } from './postgres.ts';

let tables = 0;

/** A fresh table on the handle, for each call. */
async function freshTable<H extends PostgresHandle>(handle: H): Promise<string> {
  tables += 1;
  const table = `inbox_${tables}`;
  await postgresInbox(handle, { table }).migrate();
  return table;
}

async function claimOne(inbox: Omit<Inbox<unknown>, 'complete'>, id: string, key: string | null = null): Promise<Job> {
  await inbox.store([entry(id, key)]);
  const [job] = (await inbox.claim({ limit: 1, now: new Date() })).jobs;
  if (job === undefined) throw new Error('nothing was claimed');
  return job;
}

describe('the inbox on PGlite', () => {
  let db: PGlite | undefined;
  const handle = (): PGlite => {
    if (db === undefined) throw new Error('not opened');
    return db;
  };
  beforeAll(async () => {
    db = await PGlite.create();
  });
  afterAll(() => db?.close());

  inboxContract(async () => postgresInbox(handle(), { table: await freshTable(handle()) }), 20);
  durableContract(async () => {
    const table = await freshTable(handle());
    return { open: (options) => postgresInbox(handle(), { ...options, table }) };
  });

  it('gives the listener the transaction of PGlite', async () => {
    const inbox = postgresInbox(handle(), { table: await freshTable(handle()) });
    expectTypeOf(inbox).toEqualTypeOf<PostgresInbox<Transaction>>();
    await inbox.complete(await claimOne(inbox, 'a'), async (tx) => {
      expect((await tx.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      return 'done';
    });
    expect(inbox.maxConcurrency).toBe(1);
  });

  it('is migrated by the printed statements just as well, and as often as one likes', async () => {
    await handle().exec('create schema mine');
    await handle().exec(postgresInboxSchema({ table: 'mine.events' }));
    const inbox = postgresInbox(handle(), { table: 'mine.events' });
    await inbox.migrate();
    await inbox.migrate();
    expect(await inbox.store([entry('a')])).toEqual({ stored: 1, duplicates: 0 });
  });

  it.each(['release', 'fail'] as const)(
    'goes on with a key whose older event became visible while a newer one ran, after %s',
    async (end) => {
      const table = await freshTable(handle());
      const inbox = postgresInbox(handle(), { table });
      const now = new Date();
      const running = await claimOne(inbox, 'newer', 'k');
      await inbox.store([entry('older', 'k')]);
      // What a package does whose transaction began first and was committed last.
      await handle().query(`update ${table} set seq = 1 where id = 'older'`);
      expect((await inbox.claim({ limit: 5, now })).jobs).toEqual([]);
      if (end === 'release') await inbox.release(running);
      else await inbox.fail(running, { error: 'no', retryAt: now });
      const order: string[] = [];
      for (let round = 0; round < 2; round += 1) {
        const { jobs } = await inbox.claim({ limit: 5, now });
        order.push(...jobs.map(({ event }) => event.id));
        for (const job of jobs) await inbox.complete(job, async () => 'done');
      }
      expect(order).toEqual(['newer', 'older']);
    },
  );

  it('takes no name that is none, and no handle that is none', () => {
    for (const table of ['a b', 'Inbox', 'x;drop', '', 'a.b.c']) {
      expect(() => postgresInbox(handle(), { table })).toThrow(TypeError);
    }
    // @ts-expect-error for callers without types
    expect(() => postgresInbox({})).toThrow(TypeError);
    expect(() => postgresInbox(handle(), { leaseMs: 0 })).toThrow(TypeError);
  });
});

describe.skipIf(!postgresUrl())(`the inbox on PostgreSQL ${needsPostgres}`, () => {
  let database: FreshDatabase | undefined;
  let pool: pg.Pool | undefined;
  let sql: Sql | undefined;
  const poolOf = (): pg.Pool => {
    if (pool === undefined) throw new Error('not opened');
    return pool;
  };
  const sqlOf = (): Sql => {
    if (sql === undefined) throw new Error('not opened');
    return sql;
  };
  beforeAll(async () => {
    database = await freshDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 10 });
    sql = postgres(database.url, { max: 10, transform: postgres.camel });
  });
  afterAll(async () => {
    await Promise.all([pool?.end(), sql?.end()]);
    await database?.drop();
  });

  describe('through pg', () => {
    inboxContract(async () => postgresInbox(poolOf(), { table: await freshTable(poolOf()) }), 15);
    durableContract(async () => {
      const table = await freshTable(poolOf());
      return { open: (options) => postgresInbox(poolOf(), { ...options, table }) };
    });

    it('gives the listener a client of the pool, in the transaction that marks the event done', async () => {
      const inbox = postgresInbox(poolOf(), { table: await freshTable(poolOf()) });
      expectTypeOf(inbox).toEqualTypeOf<PostgresInbox<PoolClient>>();
      const job = await claimOne(inbox, 'a');
      await poolOf().query('create table pg_effects (id text)');
      const failing = inbox.complete(job, async (tx) => {
        await tx.query('insert into pg_effects values ($1)', ['a']);
        throw new Error('undone');
      });
      await expect(failing).rejects.toThrow('undone');
      await inbox.complete(job, async (tx) => {
        await tx.query('insert into pg_effects values ($1)', ['a']);
        return 'done';
      });
      expect((await poolOf().query('select id from pg_effects')).rows).toEqual([{ id: 'a' }]);
      expect(inbox.maxConcurrency).toBe(8);
    });

    it('does not take an event for done whose transaction an error had undone, though the listener went on', async () => {
      const inbox = postgresInbox(poolOf(), { table: await freshTable(poolOf()) });
      const job = await claimOne(inbox, 'a');
      const swallowing = inbox.complete(job, async (tx) => {
        await tx.query('select 1 / 0').catch(() => undefined);
        return 'done';
      });
      await expect(swallowing).rejects.toMatchObject({ code: '25P02' });
      expect(await inbox.stats(new Date())).toMatchObject({ running: 1 });
    });

    it('goes on storing while as many listeners hang as may run', async () => {
      const small = new pg.Pool({ connectionString: database?.url, max: 4 });
      const inbox = postgresInbox(small, { table: await freshTable(small) });
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      let running = 0;
      const handler = createHandler({ keys: { find: async () => undefined }, inbox, concurrency: 10 });
      handler.on('*', async () => {
        running += 1;
        await released;
      });
      await inbox.store(Array.from({ length: 5 }, (_, index) => entry(`e${index}`)));
      await handler.start();
      await expect.poll(() => running).toBe(2);
      expect(await inbox.store([entry('meanwhile')])).toEqual({ stored: 1, duplicates: 0 });
      expect(await handler.inbox.stats()).toMatchObject({ running: 2, waiting: 4 });
      release();
      await handler.drain();
      expect(running).toBe(6);
      await handler.stop();
      await small.end();
    });

    it('survives a connection that breaks under a listener, and runs it again', async () => {
      const inbox = postgresInbox(poolOf(), { table: await freshTable(poolOf()) });
      const job = await claimOne(inbox, 'a');
      const broken = inbox.complete(job, async (tx) => {
        const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
        const gone = new Promise<void>((resolve) => tx.once('end', resolve));
        await poolOf().query('select pg_terminate_backend($1)', [rows[0]?.pid]);
        await gone;
        return 'done';
      });
      await expect(broken).rejects.toThrow();
      await inbox.release(job);
      expect((await inbox.claim({ limit: 1, now: new Date() })).jobs).toMatchObject([{ event: { id: 'a' } }]);
    });
  });

  describe('through postgres.js', () => {
    const options = (table: string, more: PostgresInboxOptions = {}): PostgresInboxOptions => ({ ...more, table });
    inboxContract(async () => postgresInbox(sqlOf(), options(await freshTable(sqlOf()))), 15);
    durableContract(async () => {
      const table = await freshTable(sqlOf());
      return { open: (more) => postgresInbox(sqlOf(), options(table, more)) };
    });

    it('gives the listener the sql of the transaction that marks the event done', async () => {
      const inbox = postgresInbox(sqlOf(), { table: await freshTable(sqlOf()) });
      expectTypeOf(inbox).toEqualTypeOf<PostgresInbox<TransactionOf<Sql>>>();
      expectTypeOf<TransactionOf<Sql>>().toExtend<TransactionSql>();
      const job = await claimOne(inbox, 'a');
      await sqlOf()`create table js_effects (id text)`;
      const failing = inbox.complete(job, async (tx) => {
        await tx`insert into js_effects values (${'a'})`;
        throw new Error('undone');
      });
      await expect(failing).rejects.toThrow('undone');
      await inbox.complete(job, async (tx) => {
        await tx`insert into js_effects values (${'a'})`;
        return 'done';
      });
      expect(await sqlOf()`select id from js_effects`).toEqual([{ id: 'a' }]);
      expect(inbox.maxConcurrency).toBe(8);
    });

    it('gives nobody an event whose listener still runs in its transaction, lease or not', async () => {
      const table = await freshTable(sqlOf());
      const inbox = postgresInbox(sqlOf(), { table, leaseMs: 1 });
      const job = await claimOne(inbox, 'a', 'k');
      const isMine = await inbox.complete(job, async () => {
        expect((await inbox.claim({ limit: 1, now: new Date(Date.now() + 60_000) })).jobs).toEqual([]);
        return 'done';
      });
      expect(isMine).toBe(true);
    });

    it('refuses a package that the database refuses, whole, and none of those beside it', async () => {
      const table = await freshTable(sqlOf());
      await sqlOf().unsafe(`alter table ${table} add check (id not like 'bad%')`);
      const inbox = postgresInbox(sqlOf(), { table });
      const packages = [['a1', 'a2'], ['b1', 'bad', 'b2'], ['c1']];
      const results = await Promise.allSettled(packages.map((ids) => inbox.store(ids.map((id) => entry(id)))));
      expect(results).toMatchObject([
        { value: { stored: 2, duplicates: 0 } },
        { status: 'rejected', reason: { code: '23514' } },
        { value: { stored: 1, duplicates: 0 } },
      ]);
      const { items } = await inbox.list({});
      expect(items.map(({ event }) => event.id).sort()).toEqual(['a1', 'a2', 'c1']);
    });

    it('is migrated by many at once', async () => {
      const inboxes = Array.from({ length: 6 }, () => postgresInbox(sqlOf(), { table: 'together' }));
      await Promise.all(inboxes.map((inbox) => inbox.migrate()));
      expect(await inboxes[0]?.store([entry('a')])).toEqual({ stored: 1, duplicates: 0 });
    });
  });
});
