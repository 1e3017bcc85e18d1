// The database port on a PostgreSQL server (15 or newer), through a pool of `pg`.
//
// Statements with parameters are prepared once per connection. A connection that breaks makes what runs on it fail with
// `unavailable` and is never used again; the next statement gets another. A commit without an answer is `unavailable` too:
// whether it happened is not known. `listen` has a connection of its own.

import pg from 'pg';
import { type Database, DatabaseError, type Parameter, type Queryable } from './database.ts';
import { connectionSettings, toDatabaseError } from './postgres-connection.ts';
import { listenTo } from './postgres-listen.ts';

export interface PostgresOptions {
  readonly url: string;
  readonly maxConnections?: number | undefined;
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
}

const idleTimeoutMs = 60_000;

export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const settings = connectionSettings(options);
  class Connection extends pg.Client {
    constructor() {
      super(settings);
    }
  }
  const pool = new pg.Pool({
    Client: Connection,
    idleTimeoutMillis: idleTimeoutMs,
    max: options.maxConnections ?? 10,
    // Also counts the wait for a free connection, which a thousand webhooks that load at once may need: how long a new
    // connection may take is the connection's own limit.
    connectionTimeoutMillis: settings.query_timeout,
  });
  // A connection that breaks while it idles is dropped by the pool, and one in use tells its statement: without listeners
  // either would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));

  const names = new Map<string, string>();
  async function run(client: pg.PoolClient, text: string, parameters: readonly Parameter[]): Promise<pg.QueryResult> {
    try {
      if (parameters.length === 0) {
        // The simple protocol, which takes several statements at once too (migrations).
        return lastResult(await client.query(text));
      }
      let name = names.get(text);
      if (name === undefined) {
        name = `b${names.size}`;
        names.set(text, name);
      }
      return await client.query({ name, text, values: [...parameters] });
    } catch (error) {
      throw toDatabaseError(error);
    }
  }

  async function connect(): Promise<pg.PoolClient> {
    try {
      return await pool.connect();
    } catch (error) {
      throw toDatabaseError(error);
    }
  }

  const database: Database = {
    kind: 'postgres',
    async query<Row>(text: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
      const client = await connect();
      try {
        const { rows } = await run(client, text, parameters);
        client.release();
        return rows;
      } catch (error) {
        client.release(!isRejection(error));
        throw error;
      }
    },
    async transaction(work) {
      const client = await connect();
      const tx = openTransaction((text, parameters) => run(client, text, parameters));
      let isUsable = false;
      try {
        await run(client, 'begin', []);
        const value = await work(tx);
        await tx.end();
        const { command } = await run(client, 'commit', []);
        isUsable = true;
        // The server answers the COMMIT of a failed transaction with ROLLBACK, which is no error.
        if (command !== 'COMMIT') throw new TypeError('A transaction went on after a statement of it had failed');
        return value;
      } catch (error) {
        // Dropping the connection rolls back as well, and does not wait for a server that may not answer.
        const isAway = error instanceof DatabaseError && error.code === 'unavailable';
        if (!isUsable && !isAway) {
          await tx.end();
          isUsable = await run(client, 'rollback', []).then(
            () => true,
            () => false,
          );
        }
        throw error;
      } finally {
        client.release(!isUsable);
      }
    },
    listen: (channel, onPayload, onReconnected) => listenTo(options.url, channel, onPayload, onReconnected),
    async notify(channel, payload) {
      await database.query('select pg_notify($1, $2)', [channel, payload]);
    },
    close: () => pool.end(),
  };

  try {
    await database.query('select 1');
  } catch (error) {
    await pool.end();
    throw error;
  }
  return database;
}

function lastResult(results: pg.QueryResult | readonly pg.QueryResult[]): pg.QueryResult {
  const last = 'rows' in results ? results : results.at(-1);
  if (!last) throw new TypeError('There was no statement');
  return last;
}

function isRejection(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === 'rejected';
}

/** Statements one after the other, also when they are not waited for: a connection runs one at a time. */
function openTransaction(
  run: (text: string, parameters: readonly Parameter[]) => Promise<pg.QueryResult>,
): Queryable & { end(): Promise<void> } {
  let last: Promise<unknown> = Promise.resolve();
  let isOpen = true;
  return {
    query<Row>(text: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
      if (!isOpen) throw new TypeError('A statement of a transaction that is over');
      const rows = last.then(async (): Promise<Row[]> => (await run(text, parameters)).rows);
      last = rows.catch(() => {});
      return rows;
    },
    async end() {
      isOpen = false;
      await last;
    },
  };
}
