// A listener that does not end: it is told of while it runs, and a stop leaves nothing of it behind.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FreshDatabase } from '../../../test/support/postgres.ts';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../test/support/postgres.ts';
import { messageOf } from './hooks.ts';
import { entry } from './inbox/inbox.contract.ts';
import { postgresInbox } from './inbox/postgres.ts';
import { sqliteInbox } from './inbox/sqlite.ts';
import type { Handler, Hooks, Inbox } from './index.ts';
import { createHandler, memoryInbox } from './index.ts';

afterEach(() => {
  vi.useRealTimers();
});

const never = (): Promise<void> => new Promise(() => undefined);
const keys = { find: async () => undefined };

/** Stores an event, waits until its listener hangs, and stops without patience. */
async function stopWhileHanging<Tx>(inbox: Inbox<Tx>, told: unknown[]): Promise<Handler<Tx>> {
  const hooks: Hooks = { onInboxError: ({ error }) => void told.push(error) };
  let isRunning = false;
  const handler = createHandler({ keys, inbox, hooks }).on('*', () => {
    isRunning = true;
    return never();
  });
  await inbox.store([entry('hangs', 'k')]);
  await handler.start();
  await expect.poll(() => isRunning).toBe(true);
  await handler.stop({ drainMs: 0 });
  return handler;
}

describe('a stop that a listener does not follow', () => {
  it('gives the event back to SQLite and renews nothing after it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'handler-stop-'));
    const file = join(folder, 'inbox.db');
    const told: unknown[] = [];
    const inbox = sqliteInbox(file);
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    await stopWhileHanging(inbox, told);
    expect(vi.getTimerCount()).toBe(0);
    expect(await inbox.list({})).toMatchObject({ items: [{ state: 'waiting', attempts: 0 }] });
    expect(told).toEqual([]);
    inbox.close();
    await rm(folder, { recursive: true });
  });

  describe.skipIf(!postgresUrl())(`on PostgreSQL ${needsPostgres}`, () => {
    let database: FreshDatabase | undefined;
    beforeAll(async () => {
      database = await freshDatabase();
    });
    afterAll(() => database?.drop());

    it('gives the event back, and the pool can end', async () => {
      const pool = new pg.Pool({ connectionString: database?.url });
      const inbox = postgresInbox(pool);
      await inbox.migrate();
      const told: unknown[] = [];
      await stopWhileHanging(inbox, told);
      expect(await inbox.list({})).toMatchObject({ items: [{ state: 'waiting', attempts: 0 }] });
      // Waits for connections that are out.
      await pool.end();
      expect(told).toEqual([]);
    });

    it('does not wait for a listener that hangs in a statement: its lease gives the event back', async () => {
      // Broke: giving it back waited for the row, which the hanging statement keeps.
      const pool = new pg.Pool({ connectionString: database?.url });
      const inbox = postgresInbox(pool, { table: 'hanging' });
      await inbox.migrate();
      const told: unknown[] = [];
      const hooks: Hooks = { onInboxError: ({ operation, error }) => void told.push([operation, messageOf(error)]) };
      const lock = new pg.Client({ connectionString: database?.url });
      await lock.connect();
      await lock.query('select pg_advisory_lock(1)');
      const handler = createHandler({ keys, inbox, hooks }).on('*', async (_event, { tx }) => {
        await tx.query('select pg_advisory_lock(1)');
      });
      await inbox.store([entry('hangs', 'k')]);
      await handler.start();
      const waits = `select count(*)::integer as n from pg_stat_activity where wait_event_type = 'Lock' and wait_event = 'advisory'`;
      await expect.poll(async () => (await lock.query(waits)).rows).toEqual([{ n: 1 }]);
      await handler.stop({ drainMs: 0 });
      await expect.poll(() => told).toEqual([['release', expect.stringContaining('lock timeout')]]);
      await pool.end();
      await lock.end();
    });

    it('lets nothing through the transaction of postgres.js once it is over', async () => {
      // Broke: an abandoned listener wrote on, in its own transactions or in those of others.
      const sql = postgres(database?.url ?? '', { max: 3, onnotice: () => undefined });
      const inbox = postgresInbox(sql, { table: 'over' });
      await inbox.migrate();
      await sql`create table effects (id text)`;
      await inbox.store([entry('late', 'k')]);
      let wake = (): void => undefined;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      let isRunning = false;
      const ended: unknown[] = [];
      const handler = createHandler({ keys, inbox }).on('*', async (_event, { tx }) => {
        await tx.savepoint(async (nested) => {
          await nested`insert into effects values ('in time')`;
          isRunning = true;
          await woken;
          for (const late of [tx, nested]) {
            await Promise.resolve()
              .then(() => late`insert into effects values ('late')`)
              .catch((error: unknown) => ended.push(messageOf(error)));
            await Promise.resolve()
              .then(() => late.unsafe(`insert into effects values ('late')`))
              .catch((error: unknown) => ended.push(messageOf(error)));
          }
        });
      });
      await handler.start();
      await expect.poll(() => isRunning).toBe(true);
      await handler.stop({ drainMs: 0 });
      wake();
      await expect.poll(() => ended).toEqual(Array.from({ length: 4 }, () => expect.stringContaining('is over')));
      expect(await sql`select id from effects`).toEqual([]);
      await sql.end();
    });

    it('says why the connection of a listener went', async () => {
      const pool = new pg.Pool({ connectionString: database?.url });
      const inbox = postgresInbox(pool, { table: 'reasons' });
      await inbox.migrate();
      await inbox.store([entry('slow')]);
      const [job] = (await inbox.claim({ limit: 1, now: new Date() })).jobs;
      if (job === undefined) throw new Error('nothing was claimed');
      const broken = inbox.complete(job, async (tx) => {
        // Not `once`, which the error itself would reject.
        const gone = new Promise((resolve) => tx.once('end', resolve));
        await tx.query('set local idle_in_transaction_session_timeout = 10');
        await gone;
        await tx.query('select 1');
        return 'done';
      });
      await expect(broken).rejects.toThrow(/idle-in-transaction timeout/);
      await pool.end();
    });

    it('survives that the server ends idle connections, with a warning', async () => {
      const pool = new pg.Pool({ connectionString: database?.url });
      const inbox = postgresInbox(pool, { table: 'restarted' });
      await inbox.migrate();
      expect(pool.idleCount).toBe(1);
      const warned = once(process, 'warning');
      const admin = new pg.Client({ connectionString: database?.url });
      await admin.connect();
      await admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
      expect(await warned).toMatchObject([{ code: 'BELLHOP_INBOX_CONNECTION' }]);
      await inbox.store([entry('after')]);
      expect(await inbox.stats(new Date())).toMatchObject({ waiting: 1 });
      await admin.end();
      await pool.end();
    });
  });
});

describe('a drain after a stop that left a listener behind', () => {
  it('runs what is left once', async () => {
    // Broke: the signals of the stop were still set, so the event was claimed and given back without end.
    const inbox = memoryInbox();
    await inbox.store([entry('a', 'k')]);
    let runs = 0;
    const handler = createHandler({ keys, inbox }).on('*', (_event, { signal }) => {
      runs += 1;
      if (runs === 1) return never();
      expect(signal.aborted).toBe(false);
      return;
    });
    await handler.start();
    await expect.poll(() => runs).toBe(1);
    await handler.stop({ drainMs: 0 });
    await handler.drain();
    expect(runs).toBe(2);
    expect(await inbox.stats(new Date())).toMatchObject({ waiting: 0, running: 0 });
  });
});

describe('a listener that takes long', () => {
  it('is told of once while it runs', async () => {
    const told: unknown[] = [];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const hooks: Hooks = { onSlow: (fact) => void told.push(fact) };
    const inbox = memoryInbox();
    const handler = createHandler({ keys, inbox, hooks, slowListenerMs: 1 }).on('*', () => released);
    await inbox.store([entry('a', 'k')]);
    const drained = handler.drain();
    await expect.poll(() => told).toEqual([{ id: 'a', type: 'ORDER.FILLED', key: 'k', attempt: 1, runningMs: 1 }]);
    release();
    await drained;
    expect(told).toHaveLength(1);
    expect(() => createHandler({ keys, slowListenerMs: 0 })).toThrow(TypeError);
  });
});
