// `bellhop inbox` on the inbox of a real handler, in a SQLite file and on PostgreSQL, while the handler has it open. What the
// command changed is what the handler then does.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHandler, type Handler, type Inbox, ParkError } from '@bellhop/handler';
import { postgresInbox } from '@bellhop/handler/postgres';
import { sqliteInbox } from '@bellhop/handler/sqlite';
import { deliver, example, testKeys } from '@bellhop/handler/testing';
import Database from 'libsql';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needBuild } from '../../../../test/support/build.ts';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import { temporaryFolder } from '../program.fixture.ts';
import { type Ended, ended } from '../service.fixture.ts';
import { inTerminal, keys, type TerminalRun } from '../terminal.fixture.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  needBuild();
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

interface Place {
  readonly env: NodeJS.ProcessEnv;
  readonly inbox: Inbox<unknown>;
  close(): Promise<void>;
}

/** Many runs of the command in one test, on a machine that may be busy. */
const timeout = 240_000;

let files = 0;

async function openFile(): Promise<Place> {
  files += 1;
  const file = join(folder.path, `inbox-${files}.sqlite`);
  const inbox = sqliteInbox(file);
  return { env: { BELLHOP_INBOX_FILE: file }, inbox, close: async () => inbox.close() };
}

async function openDatabase(): Promise<Place> {
  const database = await freshDatabase();
  const sql = postgres(database.url, { onnotice: () => undefined });
  const inbox = postgresInbox(sql);
  await inbox.migrate();
  const close = async (): Promise<void> => {
    await sql.end();
    await database.drop();
  };
  return { env: { BELLHOP_INBOX_DATABASE_URL: database.url }, inbox, close };
}

/** An order that fails with two events behind it, one that is parked, one that is done; and what has run. */
interface World extends Place {
  readonly handler: Handler<unknown>;
  readonly ids: Readonly<Record<'failing' | 'second' | 'third' | 'parked' | 'done', string>>;
  readonly ran: string[];
  /** The listener does its work from now on. */
  repair(): void;
  cli(...args: readonly string[]): Promise<Ended>;
  /** What a command says with --json, which has to go well. */
  json(...args: readonly string[]): Promise<unknown>;
}

const key = '120c5382-d400-4a8e-95fc-d297903f3568';

async function worldOf(place: Place): Promise<World> {
  const order = () => example('ORDER.NEW', { objectId: key });
  const [failing, second, third, parked, done] = [
    order(),
    order(),
    order(),
    example('WITHDRAWAL.NEW'),
    example('USER.CREATED'),
  ];
  const ran: string[] = [];
  let isBroken = true;
  const handler = createHandler({
    keys: testKeys,
    inbox: place.inbox,
    retry: { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
    hooks: { onFailed() {}, onParked() {} },
  });
  handler.on('*', ({ id }, { replay }) => {
    if (isBroken && id === failing.id) throw new Error('the bank\nis away');
    if (isBroken && id === parked.id) throw new ParkError('no such account');
    ran.push(replay ? `${id} again` : id);
  });
  expect((await deliver(handler, [failing, second, third, parked, done])).status).toBe(200);
  await handler.drain();
  expect(ran).toEqual([done.id]);
  const cli = (...args: readonly string[]) => ended(['inbox', ...args], place.env, folder.path);
  return {
    ...place,
    handler,
    ids: { failing: failing.id, second: second.id, third: third.id, parked: parked.id, done: done.id },
    ran,
    repair() {
      isBroken = false;
    },
    cli,
    async json(...args) {
      const { code, stdout, stderr } = await cli(...args, '--json');
      expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' });
      return JSON.parse(stdout);
    },
  };
}

describe.each([
  { where: 'a SQLite file', open: openFile, isThere: true },
  { where: `PostgreSQL ${needsPostgres}`, open: openDatabase, isThere: postgresUrl() !== undefined },
])('bellhop inbox on $where', ({ open, isThere }) => {
  it.skipIf(!isThere)('says what waits, what is blocked by what, and shows single events', { timeout }, async () => {
    const world = await worldOf(await open());
    try {
      const { ids, cli, json } = world;
      expect(await json('stats')).toEqual({
        waiting: 2,
        running: 0,
        retrying: 1,
        parked: 1,
        blocked_keys: 1,
        oldest_ms: expect.any(Number),
      });
      expect((await cli('stats')).stdout).toMatch(/^waiting +2$[\s\S]*^blocked keys +1$/m);

      const blocked = { key, id: ids.failing, type: 'ORDER.NEW', note: 'the bank\nis away', attempts: 1, waiting: 2 };
      const when = { blocked_since: expect.any(String), retry_at: expect.any(String) };
      expect(await json('blocked')).toEqual([{ ...blocked, ...when }]);
      const [row = ''] = (await cli('blocked')).stdout.split('\n');
      expect(row.split('\t')).toEqual([
        key,
        expect.stringMatching(/^\d.* (ms|s|min)$/),
        '2',
        '1',
        expect.stringMatching(/^in \d+ (min|h)$/),
        'ORDER.NEW',
        ids.failing,
        'the bank·is away',
      ]);

      const list = async (...args: readonly string[]) =>
        (await cli('list', ...args)).stdout
          .split('\n')
          .map((line) => line.split('\t')[0])
          .filter(Boolean);
      expect(await list()).toEqual([ids.failing, ids.second, ids.third, ids.parked, ids.done]);
      expect(await list('--state', 'parked')).toEqual([ids.parked]);
      // Of two states the first was dropped, and a list of them was refused.
      expect(await list('--state', 'parked', '--state', 'done')).toEqual([ids.parked, ids.done]);
      expect(await list('--state', 'parked,done', '--state', 'retrying')).toEqual([ids.failing, ids.parked, ids.done]);
      expect(await list('--type', 'ORDER', '--since', '1h', '--limit', '2')).toEqual([ids.failing, ids.second]);
      expect(await list('--type', 'USER.CREATED', '--until', '1h')).toEqual([]);
      expect(await list('--key', key, '--state', 'waiting')).toEqual([ids.second, ids.third]);
      const [, position = ''] = /--after (\d+)/.exec((await cli('list', '--limit', '3')).stderr) ?? [];
      expect(await list('--limit', '3', '--after', position)).toEqual([ids.parked, ids.done]);
      expect(await json('list', '--limit', '3')).toMatchObject({
        after: position,
        items: [{ state: 'retrying' }, {}, {}],
      });

      expect(await json('show', ids.parked)).toMatchObject({
        event: { id: ids.parked, type: 'WITHDRAWAL.NEW' },
        state: 'parked',
        attempts: 1,
        note: 'no such account',
        retry_at: null,
      });
      expect((await cli('show', ids.failing)).stdout).toMatch(/^note +the bank·is away$[\s\S]*^ {2}"id": "120c5382/m);
      const unknown = await cli('show', 'nobody', '--json');
      expect({ ...unknown, stderr: JSON.parse(unknown.stderr) }).toMatchObject({
        code: 1,
        stdout: '',
        stderr: { error: { code: 'failed', message: expect.stringMatching(/no event nobody/) } },
      });
    } finally {
      await world.close();
    }
  });

  it.skipIf(!isThere)('retries, and the key goes on in its order', { timeout }, async () => {
    const world = await worldOf(await open());
    try {
      const { ids, cli, json, handler, ran } = world;
      world.repair();
      await handler.drain();
      expect(ran).toEqual([ids.done]);
      expect(await json('retry', '--all', '--dry-run')).toEqual({ count: 2, dry_run: true });
      expect(await json('retry', '--type', 'ORDER')).toEqual({ count: 1, dry_run: false });
      await handler.drain();
      expect(ran).toEqual([ids.done, ids.failing, ids.second, ids.third]);
      // A script gives --yes to whatever changes the inbox; of retry it was an unknown option.
      expect((await cli('retry', ids.parked, '--yes')).stdout).toBe('✓ retrying 1 event\n');
      await handler.drain();
      expect(ran.slice(4)).toEqual([ids.parked]);
      expect(await cli('retry', ids.parked)).toMatchObject({ code: 1, stderr: expect.stringMatching(/None of these/) });
      expect(await json('blocked')).toEqual([]);
    } finally {
      await world.close();
    }
  });

  it.skipIf(!isThere)('skips only what was confirmed, and tells why it was skipped', { timeout }, async () => {
    const world = await worldOf(await open());
    try {
      const { ids, cli, json, handler, ran } = world;
      const unasked = await cli('skip', ids.failing, '--reason', 'settled by hand');
      expect(unasked).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/not confirmed\. Add --yes/),
      });
      expect(await json('show', ids.failing)).toMatchObject({ state: 'retrying' });
      expect((await cli('skip', ids.failing, '--reason', ' ', '--yes')).code).toBe(2);
      expect(await json('skip', ids.failing, '--reason', 'settled by hand', '--yes')).toEqual({ skipped: ids.failing });
      expect(await json('show', ids.failing)).toMatchObject({ state: 'skipped', note: 'settled by hand' });
      expect(await cli('skip', ids.failing, '--reason', 'again', '--yes')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/The event is skipped\./),
      });
      await handler.drain();
      expect(ran).toEqual([ids.done, ids.second, ids.third]);
    } finally {
      await world.close();
    }
  });

  it.skipIf(!isThere)('replays and purges after it has counted and somebody said yes', { timeout }, async () => {
    const world = await worldOf(await open());
    try {
      const { ids, cli, json, handler, ran } = world;
      expect((await cli('replay')).code).toBe(2);
      expect((await cli('replay', '--since', '1h', '--dry-run')).stdout).toBe('would replay 1 event\n');
      expect(await cli('replay', '--since', '1h')).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(/Process 1 event once more\? That was not confirmed/),
      });
      await handler.drain();
      expect(ran).toEqual([ids.done]);
      expect(await json('replay', '--type', 'USER', '--yes')).toEqual({ count: 1, dry_run: false });
      await handler.drain();
      expect(ran).toEqual([ids.done, `${ids.done} again`]);
      expect(await json('replay', '--type', 'ACCOUNT', '--yes')).toEqual({ count: 0, dry_run: false });
      expect(await cli('replay', ids.failing, '--yes')).toMatchObject({ code: 1, stdout: '' });

      const soon = new Date(Date.now() + 60_000).toISOString();
      expect(await json('purge', '--done-before', '1h', '--yes')).toEqual({ count: 0, dry_run: false });
      expect(await json('purge', '--done-before', soon, '--dry-run')).toEqual({ count: 1, dry_run: true });
      expect((await cli('purge', '--done-before', soon)).code).toBe(3);
      expect(await json('purge', '--done-before', soon, '--yes')).toEqual({ count: 1, dry_run: false });
      expect((await cli('show', ids.done)).code).toBe(1);
    } finally {
      await world.close();
    }
  });
});

describe('bellhop inbox in a terminal', () => {
  it('asks, and does nothing without a yes', { timeout }, async () => {
    const world = await worldOf(await openFile());
    const runs: TerminalRun[] = [];
    const replay = () => {
      const run = inTerminal(['inbox', 'replay', '--since', '1h'], { env: world.env, cwd: folder.path });
      runs.push(run);
      return run;
    };
    try {
      const { ids, handler, ran } = world;
      const declined = replay();
      await declined.see(/Process 1 event once more\?/);
      // No is what stands there.
      declined.type(keys.enter);
      expect(await declined.exit()).toBe(3);
      expect(declined.screen()).toMatch(/Declined; nothing was changed/);
      await handler.drain();
      expect(ran).toEqual([ids.done]);
      const agreed = replay();
      await agreed.see(/Process 1 event once more\?/);
      agreed.type('y');
      expect(await agreed.exit()).toBe(0);
      expect(agreed.screen()).toMatch(/✓ replaying 1 event/);
      await handler.drain();
      expect(ran).toEqual([ids.done, `${ids.done} again`]);
    } finally {
      for (const run of runs) await run.kill();
      await world.close();
    }
  });
});

describe('bellhop inbox without an inbox', () => {
  const at = (...args: readonly string[]) => ended(['inbox', ...args], {}, folder.path);

  const wrong: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['neither a file nor a database', ['stats'], 2, /--database-url or --file/],
    ['a file and a database', ['stats', '--file', 'a', '--database-url', 'postgres://h/d'], 2, /two inboxes/],
    ['a file that there is not', ['list', '--file', 'none.sqlite'], 2, /no file none\.sqlite/],
    ['a file of something else', ['list', '--file', 'text'], 2, /text is no SQLite file/],
    ['a folder', ['list', '--file', '.'], 1, /cannot be used \(SQLITE_CANTOPEN\)/],
    ['a database of another kind', ['stats', '--database-url', 'mysql://u:hunter2@h/d'], 2, /no PostgreSQL address/],
    ['a database that is away', ['stats', '--database-url', 'postgres://u:hunter2@127.0.0.1:9/d'], 5, /ECONNREFUSED/],
    ['a table that cannot be', ['stats', '--database-url', 'postgres://h/d', '--table', 'a b'], 2, /--table: /],
    ['a state that there is not', ['list', '--file', 'text', '--state', 'dead'], 2, /Allowed choices are waiting/],
    ['one of two states', ['list', '--file', 'text', '--state', 'done,dead'], 2, /no state 'dead'.*skipped\./],
    ['no state at all', ['list', '--file', 'text', '--state', ','], 2, /Allowed choices are waiting/],
    ['a time that is none', ['replay', '--file', 'text', '--since', 'noon'], 2, /--since must be a duration/],
    ['retry of nothing', ['retry', '--file', 'text'], 2, /or else --all/],
    ['a page that is none', ['list', '--file', 'text', '--after', 'x'], 2, /--after is/],
  ];
  it.each(wrong)('refuses %s with one line', async (_, args, code, message) => {
    await writeFile(join(folder.path, 'text'), 'This is a text and no database.\n'.repeat(10));
    const { stdout, stderr, ...run } = await at(...args);
    expect({ ...run, stdout }, stderr).toEqual({ code, stdout: '' });
    expect(stderr).toMatch(/^bellhop: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('hunter2');
  });

  it('makes none in a SQLite file of somebody else', async () => {
    const file = join(folder.path, 'other.sqlite');
    const other = new Database(file);
    other.exec('create table mine (id integer)');
    expect(await at('stats', '--file', file)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/There is no inbox/),
    });
    expect(other.prepare('select name from sqlite_master').all()).toEqual([{ name: 'mine' }]);
    other.close();
  });

  it.skipIf(postgresUrl() === undefined)(
    `makes none in a database, and says what is missing ${needsPostgres}`,
    async () => {
      const database = await freshDatabase();
      try {
        const stats = (url: string, ...args: readonly string[]) =>
          ended(['inbox', 'stats', ...args], { BELLHOP_INBOX_DATABASE_URL: url }, folder.path);
        expect(await stats(database.url)).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(/no inbox in the table/),
        });
        expect(await stats(`${database.url}_gone`)).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(/no such database/),
        });
        const sql = postgres(database.url, { onnotice: () => undefined });
        await postgresInbox(sql, { table: 'upvest_inbox' }).migrate();
        expect((await stats(database.url, '--table', 'upvest_inbox')).stdout).toMatch(/^waiting +0$/m);
        // Roles belong to the whole server: one of its own for this database.
        const role = `${new URL(database.url).pathname.slice(1)}_guest`;
        await sql.unsafe(`create role ${role} login`);
        await sql.end();
        const guest = new URL(database.url);
        guest.username = role;
        expect(await stats(guest.href, '--table', 'upvest_inbox')).toMatchObject({
          code: 4,
          stderr: expect.stringMatching(/The database refuses: permission denied/),
        });
      } finally {
        await database.drop();
      }
    },
  );
});
