// Connections that break: in the middle of a transaction, and hundreds at any moment. What ran on one is `unavailable`, never
// done by half, and neither the process nor the next statement notices.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../../../../test/faults/tcp-proxy.ts';
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

describe.skipIf(!postgresUrl())(`connections that are cut at any moment ${needsPostgres}`, () => {
  let fresh: FreshDatabase;
  let proxy: TcpProxy;
  let database: Database;

  beforeEach(async () => {
    fresh = await freshDatabase();
    const url = new URL(fresh.url);
    proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    database = await openPostgres({ url: url.href, maxConnections: 6 });
    await database.query('create table pairs (id bigint, half integer)');
  });

  afterEach(async () => {
    await database.close();
    await proxy.close();
    await fresh.drop();
  });

  it('leave a pool that works, and no transaction done by half', { timeout: 120_000 }, async () => {
    const cuts = 150;
    let done = 0;
    let unavailable = 0;
    let cutting = true;
    const count = (error: unknown): void => {
      expect(error).toMatchObject({ code: 'unavailable' });
      unavailable += 1;
    };
    async function work(writer: number): Promise<void> {
      for (let n = 0; cutting; n += 1) {
        const id = writer * 1_000_000 + n;
        await database
          .transaction(async (tx) => {
            await tx.query('insert into pairs values ($1, 1)', [id]);
            await Promise.all([tx.query('select pg_sleep(0.001)'), tx.query('insert into pairs values ($1, 2)', [id])]);
          })
          .then(() => {
            done += 1;
          }, count);
        await database.query('select $1::integer as n', [n]).then((rows) => expect(rows).toEqual([{ n }]), count);
      }
    }
    const writers = Array.from({ length: 8 }, (_, writer) => work(writer));
    for (let cut = 0; cut < cuts; cut += 1) {
      const before = done;
      proxy.cut(() => Math.random() < 0.5);
      // At any moment of the work, not of the clock: after nought to three more transactions.
      await expect.poll(() => done, { interval: 1, timeout: 30_000 }).toBeGreaterThanOrEqual(before + (cut % 4));
    }
    cutting = false;
    await Promise.all(writers);
    expect(unavailable).toBeGreaterThan(0);
    const halves = await database.query('select id from pairs group by id having count(*) <> 2');
    expect(halves).toEqual([]);
  });

  it('are listened on again', { timeout: 60_000 }, async () => {
    const heard: string[] = [];
    let reconnected = 0;
    const unlisten = await database.listen(
      'test_channel',
      (payload) => heard.push(payload),
      () => {
        reconnected += 1;
      },
    );
    for (let cut = 1; cut <= 5; cut += 1) {
      proxy.cut();
      await expect.poll(() => reconnected, { timeout: 20_000 }).toBe(cut);
      // The pool's connections were cut too, and say so once each.
      await expect
        .poll(
          () =>
            database.notify('test_channel', String(cut)).then(
              () => true,
              () => false,
            ),
          { timeout: 20_000 },
        )
        .toBe(true);
      await expect.poll(() => heard.at(-1), { timeout: 20_000 }).toBe(String(cut));
    }
    await unlisten();
    await database.notify('test_channel', 'after');
    expect(heard.at(-1)).toBe('5');
  });
});
