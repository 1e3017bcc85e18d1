import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durableContract } from './durable.contract.ts';
import { entry, inboxContract } from './inbox.contract.ts';
import type { Job } from './inbox.ts';
import type { SqliteInbox, SqliteInboxOptions } from './sqlite.ts';
import { sqliteInbox } from './sqlite.ts';

let folder = '';
let files = 0;
const opened: SqliteInbox[] = [];

function open(file: string, options?: SqliteInboxOptions): SqliteInbox {
  const inbox = sqliteInbox(file, options);
  opened.push(inbox);
  return inbox;
}

function freshFile(): string {
  files += 1;
  return join(folder, `inbox-${files}.db`);
}

const now = new Date();

async function claimed(inbox: SqliteInbox, ...ids: string[]): Promise<readonly Job[]> {
  await inbox.store(ids.map((id) => ({ ...entry(id), receivedAt: now })));
  return (await inbox.claim({ limit: ids.length, now })).jobs;
}

describe('the inbox in SQLite', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handler-sqlite-'));
  });
  afterAll(async () => {
    for (const inbox of opened) inbox.close();
    await rm(folder, { recursive: true });
  });

  inboxContract(async () => open(':memory:'));
  durableContract(async () => {
    const file = freshFile();
    return { open: (options) => open(file, options) };
  });

  it('commits what was written through tx with the mark that the event is done, or undoes both', async () => {
    const inbox = open(freshFile());
    const [a, b] = await claimed(inbox, 'a', 'b');
    if (a === undefined || b === undefined) throw new Error('two were stored');
    await inbox.complete(a, async (tx) => {
      await tx.run('create table effects (id text)');
      expect(await tx.run('insert into effects values (?), (?)', ['a', 'a'])).toBe(2);
      return 'done';
    });
    const failing = inbox.complete(b, async (tx) => {
      await tx.run('insert into effects values (:id)'.replace(':id', '?1'), ['b']);
      throw new Error('undone');
    });
    await expect(failing).rejects.toThrow('undone');
    await inbox.complete(b, async (tx) => {
      expect(await tx.all('select id, count(*) as n from effects group by id')).toEqual([{ id: 'a', n: 2 }]);
      return 'done';
    });
    expect(await inbox.list({ states: ['done'] })).toMatchObject({ items: [{}, {}] });
  });

  it('undoes the effects of a claim that was lost while its listener ran', async () => {
    const inbox = open(freshFile(), { leaseMs: 10 });
    const [late] = await claimed(inbox, 'a');
    if (late === undefined) throw new Error('one was stored');
    const isMine = await inbox.complete(late, async (tx) => {
      const [taken] = (await inbox.claim({ limit: 1, now: new Date(now.getTime() + 10) })).jobs;
      expect(taken?.attempt).toBe(2);
      await tx.run('create table effects (id text)');
      return 'done';
    });
    expect(isMine).toBe(false);
    const [again] = (await inbox.claim({ limit: 1, now: new Date(now.getTime() + 1_000) })).jobs;
    if (again === undefined) throw new Error('the lease is over');
    await inbox.complete(again, async (tx) => {
      expect(await tx.all(`select name from sqlite_master where name = 'effects'`)).toEqual([]);
      return 'done';
    });
  });

  it('tells each of the packages that come at once what was new in it, the first one first', async () => {
    const inbox = open(freshFile());
    const packages = [['a', 'b'], ['b', 'c', 'c'], ['c'], [], ['d']];
    const results = await Promise.all(packages.map((ids) => inbox.store(ids.map((id) => entry(id)))));
    expect(results).toEqual([
      { stored: 2, duplicates: 0 },
      { stored: 1, duplicates: 2 },
      { stored: 0, duplicates: 1 },
      { stored: 0, duplicates: 0 },
      { stored: 1, duplicates: 0 },
    ]);
    const { items } = await inbox.list({});
    expect(items.map(({ event }) => event.id)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('stores while a listener runs that has not yet used tx, and after the one that has', async () => {
    const inbox = open(freshFile());
    const [job] = await claimed(inbox, 'a');
    if (job === undefined) throw new Error('one was stored');
    let stored: Promise<unknown> | undefined;
    let isStored = false;
    await inbox.complete(job, async (tx) => {
      expect(await inbox.store([entry('b')])).toEqual({ stored: 1, duplicates: 0 });
      await tx.run('create table effects (id text)');
      stored = inbox.store([entry('c')]).then(() => {
        isStored = true;
      });
      await tx.run('insert into effects values (1)');
      expect(isStored).toBe(false);
      return 'done';
    });
    await stored;
    expect(isStored).toBe(true);
  });

  it('refuses a use of tx that comes after the end of its listener', async () => {
    const inbox = open(freshFile());
    const [job] = await claimed(inbox, 'a');
    if (job === undefined) throw new Error('one was stored');
    let late: (() => Promise<unknown>) | undefined;
    await inbox.complete(job, async (tx) => {
      late = () => tx.run('create table late (id text)');
      return 'done';
    });
    await expect(late?.()).rejects.toThrow('over');
  });

  it('refuses a package that the database refuses, whole, and none of those beside it', async () => {
    const inbox = open(freshFile());
    const [job] = await claimed(inbox, 'first');
    if (job === undefined) throw new Error('one was stored');
    await inbox.complete(job, async (tx) => {
      await tx.run(`create trigger refusing before insert on bellhop_inbox when new.id like 'bad%'
        begin select raise(abort, 'refused by the trigger'); end`);
      return 'done';
    });
    const packages = [['a1', 'a2'], ['b1', 'bad', 'b2'], ['c1']];
    const results = await Promise.allSettled(packages.map((ids) => inbox.store(ids.map((id) => entry(id)))));
    expect(results).toMatchObject([
      { value: { stored: 2, duplicates: 0 } },
      { status: 'rejected', reason: { message: expect.stringContaining('refused by the trigger') } },
      { value: { stored: 1, duplicates: 0 } },
    ]);
    const { items } = await inbox.list({ states: ['waiting'] });
    expect(items.map(({ event }) => event.id).sort()).toEqual(['a1', 'a2', 'c1']);
  });

  it('syncs at every commit', async () => {
    const inbox = open(freshFile());
    const [job] = await claimed(inbox, 'a');
    if (job === undefined) throw new Error('one was stored');
    await inbox.complete(job, async (tx) => {
      expect(await tx.all('pragma journal_mode')).toMatchObject([{ journal_mode: 'wal' }]);
      expect(await tx.all('pragma synchronous')).toMatchObject([{ synchronous: 2 }]);
      return 'done';
    });
  });
});
