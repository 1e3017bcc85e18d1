// The handles that people have for PostgreSQL, as one: a Pool of `pg`, a `sql` of postgres.js, or PGlite. Described by the
// little that is needed of them, so that none is a dependency. Statements run with rows as lists and, in a transaction, at
// read committed: after a lock was waited for, the next statement must see what was committed meanwhile.
import { warn } from '../hooks.ts';
import { Abandoned } from './abandoned.ts';
import type { Queries, Row, SqlDatabase, Value } from './sql-database.ts';

interface PgQuery {
  readonly text: string;
  readonly values: unknown[];
  readonly rowMode: 'array';
}

interface PgQueryable {
  query(query: PgQuery): Promise<{ readonly rows: readonly unknown[][] }>;
}

interface PgClientLike extends PgQueryable {
  release(error?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** `new Pool()` of pg. */
export interface PgPoolLike extends PgQueryable {
  connect(): Promise<PgClientLike>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  listenerCount(event: 'error'): number;
  readonly options: { readonly max?: number | undefined };
}

interface UnsafeLike {
  unsafe(
    text: string,
    values: (string | number | null)[],
    options: { prepare: boolean },
  ): {
    values(): PromiseLike<readonly unknown[][]>;
  };
}

/** `postgres()` of postgres.js. */
export interface PostgresJsLike extends UnsafeLike {
  begin<T>(options: string, work: (sql: UnsafeLike) => Promise<T>): Promise<unknown>;
  readonly options: { readonly max: number; readonly prepare?: boolean };
}

interface PgliteQueryable {
  query(text: string, values: unknown[], options: { rowMode: 'array' }): Promise<{ readonly rows: readonly unknown[] }>;
}

/** `new PGlite()`. */
export interface PgliteLike extends PgliteQueryable {
  transaction<T>(work: (tx: PgliteQueryable) => Promise<T>): Promise<T>;
  readonly waitReady: Promise<void>;
}

export type PostgresHandle = PgPoolLike | PostgresJsLike | PgliteLike;

/** The transaction that the handle's own library gives. */
export type TransactionOf<Handle> = Handle extends { connect: { (): Promise<infer Client>; (...rest: never): void } }
  ? Client
  : Handle extends { begin: { (...rest: never): unknown; (options: string, work: (sql: infer Sql) => never): unknown } }
    ? Sql
    : Handle extends { transaction: (work: (tx: infer Tx) => Promise<unknown>) => unknown }
      ? Tx
      : never;

export interface PostgresDriver extends SqlDatabase<unknown> {
  /** Connections that transactions may hold at the same time so that there still is one to store with. */
  readonly maxTransactions: number;
}

export function postgresDriver(handle: PostgresHandle): PostgresDriver {
  const isHandle = (typeof handle === 'object' && handle !== null) || typeof handle === 'function';
  if (isHandle && 'unsafe' in handle && 'begin' in handle) return fromPostgresJs(handle);
  if (isHandle && 'waitReady' in handle && 'transaction' in handle) return fromPglite(handle);
  // A Client of pg can connect and query as well; it has no `totalCount`, and one connection is not enough.
  if (isHandle && 'connect' in handle && 'query' in handle && 'totalCount' in handle) return fromPgPool(handle);
  throw new TypeError('postgresInbox() takes a Pool of pg, the sql of postgres.js, or a PGlite');
}

/** One connection to store with and one to claim with stay free. */
const spared = (max: number): number => Math.max(1, max - 2);

const heard = new WeakSet<PgPoolLike>();

/**
 * An idle connection that the server ends (a restart does) is an error event of the pool, and unheard it ends the process. The
 * pool drops that connection and makes another one when it is needed, so that a warning is enough where nobody else listens.
 */
function hearErrors(pool: PgPoolLike): void {
  if (heard.has(pool)) return;
  heard.add(pool);
  pool.on('error', (error) => {
    if (pool.listenerCount('error') > 1) return;
    warn(`A connection of the inbox broke: ${error.message}`, 'BELLHOP_INBOX_CONNECTION');
  });
}

function fromPgPool(pool: PgPoolLike): PostgresDriver {
  const on = (queryable: PgQueryable): Queries => ({
    async query(text, values = []) {
      return (await queryable.query({ text, values: [...values], rowMode: 'array' })).rows;
    },
  });

  hearErrors(pool);

  return {
    ...on(pool),
    maxTransactions: spared(pool.options.max ?? 10),

    async transaction(work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      // A connection that breaks while the listener does something else has no query to reject; unheard it ends the process.
      const onError = (error: Error): void => {
        // The first says why; after it comes that the connection is gone.
        broken ??= error;
      };
      client.on('error', onError);
      try {
        const queries = on(client);
        await queries.query('begin isolation level read committed');
        const result = await work(queries, client);
        await queries.query('commit');
        return result;
      } catch (error) {
        if (error instanceof Abandoned) {
          broken = error;
          throw error;
        }
        // What pg says of a connection that is gone hides why it went.
        const reason = broken === undefined ? error : new Error(broken.message, { cause: error });
        await on(client)
          .query('rollback')
          .catch((unusable: Error) => {
            broken ??= unusable;
          });
        throw reason;
      } finally {
        client.removeListener('error', onError);
        client.release(broken);
      }
    },
  };
}

function fromPostgresJs(sql: PostgresJsLike): PostgresDriver {
  const prepare = sql.options.prepare ?? true;
  const on = (queryable: UnsafeLike): Queries => ({
    query: async (text, values = []) => queryable.unsafe(text, [...values], { prepare }).values(),
  });

  return {
    ...on(sql),
    maxTransactions: spared(sql.options.max),

    async transaction<T>(work: (queries: Queries, tx: unknown) => Promise<T>) {
      // Its own result type unwraps lists of promises; the value goes past it.
      let result: { readonly value: T } | undefined;
      await sql.begin('isolation level read committed', async (tx) => {
        let isOver = false;
        try {
          result = {
            value: await work(
              on(tx),
              whileOpen(tx, () => isOver),
            ),
          };
        } finally {
          isOver = true;
        }
      });
      if (result === undefined) throw new Error('The transaction ended without having run');
      return result.value;
    },
  };
}

/**
 * postgres.js goes on sending what is written through a transaction that is over, on its connection, which by then serves
 * somebody else. What it makes of a savepoint is a transaction too.
 */
function whileOpen<T extends object>(tx: T, isOver: () => boolean): T {
  const check = (): void => {
    if (isOver()) throw new Error('This transaction is over: await all that the listener does with it');
  };
  return new Proxy(tx, {
    apply(target, self, values) {
      check();
      return Reflect.apply(target as (...values: unknown[]) => unknown, self, values);
    },
    get(target, name) {
      check();
      const value: unknown = Reflect.get(target, name);
      if (name !== 'savepoint' || typeof value !== 'function') return value;
      return (...values: unknown[]) =>
        Reflect.apply(
          value,
          target,
          values.map((each) =>
            typeof each === 'function'
              ? (inner: object) => Reflect.apply(each, undefined, [whileOpen(inner, isOver)])
              : each,
          ),
        );
    },
  });
}

function fromPglite(pglite: PgliteLike): PostgresDriver {
  const on = (queryable: PgliteQueryable): Queries => ({
    async query(text: string, values: readonly Value[] = []) {
      const { rows } = await queryable.query(text, [...values], { rowMode: 'array' });
      return rows.filter((row): row is Row => Array.isArray(row));
    },
  });

  return {
    ...on(pglite),
    maxTransactions: 1,
    transaction: (work) => pglite.transaction((tx) => work(on(tx), tx)),
  };
}
