// The inbox in a SQLite file: `@bellhop/handler/sqlite`, on the package `libsql`. WAL with synchronous FULL: what was
// acknowledged survives a power cut. Several processes of one machine may share the file; SQLite before 3.51.3, which libsql
// 0.5 holds, has a rare fault then (https://sqlite.org/wal.html#walresetbug): it wants a commit of one at the very moment in
// which a checkpoint of another begins.
//
// SQLite has one writer at a time. So a listener's transaction begins at the first use of `ctx.tx` and not before: do slow
// calls first and write at the end, because between the first use and the end of the listener nothing else is written, not
// even an incoming package. Another process that writes is waited for without blocking this one's event loop.
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import type { Inbox } from './inbox.ts';
import type { Dialect, Queries, Row, SqlDatabase, Tables, Value } from './sql-database.ts';
import { tablesOf } from './sql-database.ts';
import type { SqlInboxOptions } from './sql-inbox.ts';
import { sqlInbox } from './sql-inbox.ts';
import { turns } from './turns.ts';

export type SqliteValue = string | number | bigint | Uint8Array | null;

/** The transaction in which the event is marked done. Placeholders are `?`, `?1` or `:name` as in SQLite. */
export interface SqliteTx {
  /** Returns how many rows were changed. */
  run(text: string, values?: readonly SqliteValue[]): Promise<number>;
  /** The rows, as objects. */
  all(text: string, values?: readonly SqliteValue[]): Promise<readonly Record<string, unknown>[]>;
}

export interface SqliteInboxOptions extends SqlInboxOptions {
  /** How long another process that writes is waited for. Default 10,000. */
  readonly busyTimeoutMs?: number;
}

export interface SqliteInbox extends Inbox<SqliteTx> {
  /** After the handler has stopped. */
  close(): void;
}

const tables = tablesOf('bellhop_inbox');

export function sqliteInbox(file: string, options: SqliteInboxOptions = {}): SqliteInbox {
  const connection = new Database(file);
  try {
    const database = sqliteDatabase(connection, options.busyTimeoutMs ?? 10_000);
    prepareFile(connection);
    const inbox = sqlInbox(database, sqliteDialect(database, tables), tables, options);
    return { ...inbox, close: () => void connection.close() };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Once, before anything runs: here a short wait for another process may block. */
function prepareFile(connection: Database.Database): void {
  connection.exec('pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full;');
  connection.exec('begin immediate');
  for (const statement of schema(tables)) connection.exec(statement);
  connection.exec('commit');
  connection.exec('pragma busy_timeout = 0');
}

interface SqliteDatabase extends SqlDatabase<SqliteTx> {
  /** One statement for many rows, in one transaction; how many rows each group of them changed. */
  runEach(text: string, groups: readonly (readonly (readonly Value[])[])[]): Promise<readonly number[]>;
}

function sqliteDatabase(connection: Database.Database, busyTimeoutMs: number): SqliteDatabase {
  const takeTurn = turns();
  const prepared = new Map<string, Database.Statement>();

  function statement(text: string): Database.Statement {
    const known = prepared.get(text);
    if (known !== undefined) return known;
    const made = connection.prepare(text.replace(/\$(\d+)/g, '?$1'));
    // Lists of ids make statements of many lengths; the few that matter come back at once.
    if (prepared.size >= 200) prepared.clear();
    prepared.set(text, made);
    return made;
  }

  function queryNow(text: string, values: readonly Value[]): readonly Row[] {
    const ready = statement(text);
    if (!ready.reader) {
      ready.run(...values);
      return [];
    }
    return ready
      .raw()
      .all(...values)
      .filter((row): row is Row => Array.isArray(row));
  }

  /** Begins as soon as no other process writes; this process's turn is held meanwhile. */
  async function begin(): Promise<void> {
    const until = performance.now() + busyTimeoutMs;
    for (let waitMs = 1; ; waitMs = Math.min(50, waitMs * 2)) {
      try {
        connection.exec('begin immediate');
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() > until) throw error;
        await sleep(waitMs);
      }
    }
  }

  async function write<T>(work: () => T): Promise<T> {
    const endTurn = await takeTurn();
    try {
      await begin();
      try {
        const result = work();
        connection.exec('commit');
        return result;
      } catch (error) {
        rollback();
        throw error;
      }
    } finally {
      endTurn();
    }
  }

  function rollback(): void {
    if (connection.inTransaction) connection.exec('rollback');
  }

  return {
    query: (text, values = []) => write(() => queryNow(text, values)),

    runEach: (text, groups) =>
      write(() => {
        const ready = statement(text);
        return groups.map((rows) => rows.reduce((changes, values) => changes + ready.run(...values).changes, 0));
      }),

    async transaction(work, { isDurable = true } = {}) {
      let endTurn: (() => void) | undefined;
      let begun: Promise<void> | undefined;
      let isOver = false;

      const open = async (): Promise<void> => {
        endTurn = await takeTurn();
        if (!isDurable) connection.exec('pragma synchronous = normal');
        await begin();
      };
      /** The transaction begins when somebody first needs it. */
      const ready = async (): Promise<void> => {
        if (isOver) throw new Error('The transaction is over: await every use of ctx.tx');
        begun ??= open();
        await begun;
        if (isOver) throw new Error('The transaction is over: await every use of ctx.tx');
        // Some errors (a full disk) undo it at once; what came then would be written outside of any.
        if (!connection.inTransaction) throw new Error('The transaction was undone by an earlier error');
      };
      const queries: Queries = {
        async query(text, values = []) {
          await ready();
          return queryNow(text, values);
        },
      };
      const tx: SqliteTx = {
        async run(text, values = []) {
          await ready();
          return connection.prepare(text).run(...values).changes;
        },
        async all(text, values = []) {
          await ready();
          return connection
            .prepare(text)
            .all(...values)
            .filter(isRecord);
        },
      };
      try {
        const result = await work(queries, tx);
        isOver = true;
        await begun;
        if (begun !== undefined) connection.exec('commit');
        return result;
      } catch (error) {
        isOver = true;
        await begun?.catch(() => undefined);
        if (endTurn !== undefined) rollback();
        throw error;
      } finally {
        if (endTurn !== undefined && !isDurable) connection.exec('pragma synchronous = full');
        endTurn?.();
      }
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function schema({ inbox, nonces, marks }: Tables): string[] {
  return [
    `create table if not exists ${inbox} (
       id text primary key, seq integer not null, key text, type text not null, event text not null, state text not null,
       received_at integer not null, due_at integer not null, attempts integer not null default 0,
       replay integer not null default 0, lease text, failed_at integer, closed_at integer, note text)`,
    `create index if not exists ${inbox}_seq on ${inbox} (seq)`,
    `create index if not exists ${inbox}_due on ${inbox} (due_at, seq) where state in ('waiting', 'running', 'retrying')`,
    `create index if not exists ${inbox}_key on ${inbox} (key, seq) where closed_at is null`,
    `create unique index if not exists ${inbox}_running on ${inbox} (key) where state = 'running'`,
    `create index if not exists ${inbox}_closed on ${inbox} (closed_at) where closed_at is not null`,
    `create table if not exists ${nonces} (
       key_id text not null, nonce text not null, forget_after integer not null, primary key (key_id, nonce))`,
    `create index if not exists ${nonces}_forget on ${nonces} (forget_after)`,
    `create table if not exists ${marks} (name text primary key, instant text not null, used_at integer not null)`,
    `create index if not exists ${marks}_used on ${marks} (used_at)`,
  ];
}

function sqliteDialect(database: SqliteDatabase, { inbox, nonces }: Tables): Dialect {
  return {
    rowLocks: false,
    skipLocked: '',
    maxWrites: 1,
    lock: async () => undefined,

    insert: (packages) =>
      database.runEach(
        `insert into ${inbox} (id, seq, key, type, event, state, received_at, due_at)
         values ($1, (select coalesce(max(seq), 0) + 1 from ${inbox}), $2, $3, $4, 'waiting', $5, $5)
         on conflict (id) do nothing`,
        packages.map((rows) =>
          rows.map(({ id, key, type, event, receivedAtMs }) => [id, key, type, event, receivedAtMs]),
        ),
      ),

    async nextBase(queries) {
      const [row] = await queries.query(`select coalesce(max(seq), 0) from ${inbox}`);
      return Number(row?.[0] ?? 0);
    },

    // Without waiting for the disk: see sql-nonces.ts.
    rememberNonces: (rows) =>
      database.transaction(
        async (queries) => {
          const answers: boolean[] = [];
          for (const { keyId, nonce, forgetAfter } of rows) {
            const added = await queries.query(
              `insert into ${nonces} (key_id, nonce, forget_after) values ($1, $2, $3) on conflict do nothing returning 1`,
              [keyId, nonce, forgetAfter],
            );
            answers.push(added.length > 0);
          }
          return answers;
        },
        { isDurable: false },
      ),
  };
}
