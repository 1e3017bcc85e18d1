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
import { metricHooks } from '../metrics.ts';
import { durableContract } from './durable.contract.ts';
import { entry, inboxContract } from './inbox.contract.ts';
import type { Inbox, InboxEvent, Job } from './inbox.ts';
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

  it('shares no packages with an inbox of the same name in another schema of the search path', async () => {
    // Broke: the look for the table found the other one, so packages of one service were processed by another.
    const own = await PGlite.create();
    const [one, other] = [postgresInbox(own), postgresInbox(own)];
    await one.migrate();
    await own.exec('create schema first; set search_path = first, public');
    await other.migrate();
    await other.store([entry('mine')]);
    await own.exec('set search_path = public');
    expect((await one.list({})).items).toEqual([]);
    await own.close();
  });

  it('goes on with what are rows already while the table refuses what comes', async () => {
    // Broke: the refused row undid the whole claim, so that nothing at all was processed.
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table });
    await inbox.store([entry('good', 'k'), entry('next', 'k')]);
    const [first] = (await inbox.claim({ limit: 1, now: new Date() })).jobs;
    if (first === undefined) throw new Error('nothing was claimed');
    await handle().query(`alter table ${table} add constraint refusing check (id <> 'bad')`);
    await inbox.store([entry('bad')]);
    await inbox.complete(first, async () => 'done');
    const { jobs } = await inbox.claim({ limit: 5, now: new Date() });
    expect(jobs.map(({ event }) => event.id)).toEqual(['next']);
    await expect(inbox.claim({ limit: 5, now: new Date() })).rejects.toThrow('refusing');
    expect((await inbox.list({ states: ['running'] })).items).toHaveLength(1);
    await handle().query(`alter table ${table} drop constraint refusing`);
    expect((await inbox.claim({ limit: 5, now: new Date() })).jobs.map(({ event }) => event.id)).toEqual(['bad']);
  });

  it('makes no more rows than a question needs, and counts what waits in packages', async () => {
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table });
    const failed = await claimOne(inbox, 'head', 'k');
    await inbox.fail(failed, { error: 'no', retryAt: new Date(Date.now() + 60_000) });
    for (const name of ['k', 'l', 'm']) await inbox.store(packageOf(name, 600).map((each) => ({ ...each, key: 'k' })));
    expect((await inbox.list({ states: ['parked'] })).items).toEqual([]);
    expect(await inbox.blockedKeys(5)).toMatchObject([{ key: 'k', waiting: 1_800 }]);
    expect(await inbox.retry({ ids: ['head'] }, new Date(), { dryRun: true })).toEqual({ count: 1 });
    expect((await contents(table)).whole).toBe(3);
    expect((await inbox.list({ limit: 10 })).items.map(({ event }) => event.id).slice(0, 2)).toEqual(['head', 'k0']);
    expect((await contents(table)).whole).toBe(2);
    expect((await inbox.list({ limit: 5_000 })).items).toHaveLength(1_801);
  });

  it('forgets no id that a package may bring again which is still whole', async () => {
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table, retentionMs: 1 });
    await inbox.complete(await claimOne(inbox, 'a'), async () => 'done');
    const long = new Date(Date.now() + 60_000);
    await inbox.store([entry('a')]);
    await inbox.sweep?.(long);
    expect((await inbox.claim({ limit: 1, now: long })).jobs).toEqual([]);
    await inbox.store([entry('a')]);
    expect(await inbox.purge(long, {})).toEqual({ count: 1 });
    expect((await inbox.claim({ limit: 1, now: long })).jobs).toEqual([]);
    await inbox.store([entry('a')]);
    expect((await inbox.claim({ limit: 1, now: long })).jobs).toHaveLength(1);
  });

  /** How many packages are kept whole, and what is in the inbox in the order of storing. */
  async function contents(table: string): Promise<{ whole: number; rows: string[] }> {
    const whole = await handle().query<{ count: number }>(`select count(*)::integer as count from ${table}_packages`);
    const rows = await handle().query<{ id: string }>(`select id from ${table} order by seq`);
    return { whole: whole.rows[0]?.count ?? 0, rows: rows.rows.map(({ id }) => id) };
  }

  const packageOf = (name: string, count: number): InboxEvent[] =>
    Array.from({ length: count }, (_, index) => entry(`${name}${index}`, name));

  it('keeps packages whole until a claim lacks work, and takes them apart a few at a time, oldest first', async () => {
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table });
    const packages = [packageOf('a', 450), packageOf('b', 60), packageOf('c', 2), packageOf('d', 1)];
    for (const each of packages) await inbox.store(each);
    expect(await contents(table)).toEqual({ whole: 4, rows: [] });
    expect(await inbox.stats(new Date())).toMatchObject({ waiting: 513 });

    const first = await inbox.claim({ limit: 2, now: new Date() });
    expect(first.jobs.map(({ event }) => event.id)).toEqual(['a0', 'b0']);
    const [rows, rest] = [packages.slice(0, 2).flat(), packages.slice(2).flat()].map((some) =>
      some.map((one) => one.event.id),
    );
    expect(await contents(table)).toEqual({ whole: 2, rows });
    expect(await inbox.stats(new Date())).toMatchObject({ waiting: 511, running: 2 });

    for (const job of first.jobs) await inbox.complete(job, async () => 'done');
    expect((await inbox.claim({ limit: 2, now: new Date() })).jobs.map(({ event }) => event.id)).toEqual(['a1', 'b1']);
    expect((await contents(table)).whole).toBe(2);
    expect((await inbox.claim({ limit: 2, now: new Date() })).jobs.map(({ event }) => event.id)).toEqual(['c0', 'd0']);
    expect(await contents(table)).toEqual({ whole: 0, rows: [...(rows ?? []), ...(rest ?? [])] });
  });

  it('goes on to the packages behind a crowd that may not run', async () => {
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table });
    const blocked = await claimOne(inbox, 'head', 'k');
    for (let number = 0; number < 4; number += 1) {
      await inbox.store(Array.from({ length: 300 }, (_, index) => entry(`k${number}-${index}`, 'k')));
    }
    await inbox.store([entry('free', 'other')]);
    const { jobs } = await inbox.claim({ limit: 1, now: new Date() });
    expect(jobs.map(({ event }) => event.id)).toEqual(['free']);
    await inbox.complete(blocked, async () => 'done');
    expect((await inbox.claim({ limit: 1, now: new Date() })).jobs.map(({ event }) => event.id)).toEqual(['k0-0']);
  });

  it('leaves packages whole when taking them apart fails, and loses nothing of them', async () => {
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table });
    await inbox.store([entry('a', 'k'), entry('bad', 'k'), entry('c')]);
    await handle().query(`alter table ${table} add constraint refusing check (id <> 'bad')`);
    await expect(inbox.claim({ limit: 5, now: new Date() })).rejects.toThrow('refusing');
    await expect(inbox.list({})).rejects.toThrow('refusing');
    expect(await contents(table)).toEqual({ whole: 1, rows: [] });
    await handle().query(`alter table ${table} drop constraint refusing`);
    expect((await inbox.claim({ limit: 5, now: new Date() })).jobs.map(({ event }) => event.id)).toEqual(['a', 'c']);
  });

  it('tells which events were known already with the claim that finds it out, once', async () => {
    const table = await freshTable(handle());
    const inbox = postgresInbox(handle(), { table });
    await inbox.store([entry('a'), entry('b')]);
    expect(await inbox.store([entry('b'), entry('c'), entry('c')])).toEqual({ stored: 2, duplicates: 1 });
    expect(await inbox.claim({ limit: 5, now: new Date() })).toMatchObject({ jobs: [{}, {}, {}], duplicates: 1 });
    await inbox.store([entry('a')]);
    expect((await inbox.list({})).items).toHaveLength(3);
    expect(await inbox.claim({ limit: 5, now: new Date() })).toEqual({ jobs: [], nextDueAt: null, duplicates: 1 });
    expect(await inbox.claim({ limit: 5, now: new Date() })).toEqual({ jobs: [], nextDueAt: null });
  });

  it('tells hooks and metrics of known events when it finds them', async () => {
    const inbox = postgresInbox(handle(), { table: await freshTable(handle()) });
    const told: number[] = [];
    const counted: [string, number][] = [];
    const metrics = metricHooks({
      count: ({ name }, by) => void counted.push([name, by]),
      observe: () => undefined,
      gauge: () => undefined,
    });
    const hooks = { onDuplicates: ({ count }: { readonly count: number }) => void told.push(count) };
    const handler = createHandler({ keys: { find: async () => undefined }, inbox, hooks, metrics });
    await inbox.store([entry('a'), entry('b')]);
    await inbox.store([entry('b'), entry('a'), entry('c')]);
    await handler.drain();
    expect(told).toEqual([2]);
    expect(counted).toContainEqual(['bellhop_handler_events_duplicate_total', 2]);
    expect((await inbox.list({ states: ['ignored'] })).items.map(({ event }) => event.id)).toEqual(['a', 'b', 'c']);
  });

  it('replays behind packages that were stored before', async () => {
    const inbox = postgresInbox(handle(), { table: await freshTable(handle()) });
    await inbox.complete(await claimOne(inbox, 'old', 'k'), async () => 'done');
    await inbox.store([entry('new', 'k')]);
    expect(await inbox.replay({ ids: ['old'] }, new Date(), {})).toEqual({ count: 1 });
    expect((await inbox.list({})).items.map(({ event }) => event.id)).toEqual(['new', 'old']);
  });

  it('takes no name that is none, and no handle that is none', () => {
    for (const table of ['a b', 'Inbox', 'x;drop', '', 'a.b.c']) {
      expect(() => postgresInbox(handle(), { table })).toThrow(TypeError);
    }
    // @ts-expect-error for callers without types
    expect(() => postgresInbox({})).toThrow(TypeError);
    for (const none of ['postgres://', undefined, null, new pg.Client()]) {
      // @ts-expect-error for callers without types
      expect(() => postgresInbox(none)).toThrow('takes a Pool of pg');
    }
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
      await sqlOf().unsafe(`alter table ${table}_packages add check (ids not like '%bad%')`);
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
