// The database port on a PostgreSQL server (15 or newer), through postgres.js.
//
// Statements with parameters are prepared and cached per connection. A broken connection makes the running statement
// fail with `unavailable`; the pool reconnects by itself. `listen` keeps a connection of its own and listens again
// after a reconnect.

import postgres from 'postgres';
import { type Database, DatabaseError, type Parameter } from './database.ts';
import { openPool } from './postgres-pool.ts';

export interface PostgresOptions {
  readonly url: string;
  readonly maxConnections?: number;
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
}

/** Shorter than a lease. */
const idleInTransactionMs = 4_000;

/** bigint as number: offsets, versions and counts stay far below 2^53. */
const bigintType = {
  to: 20,
  from: [20],
  serialize: (value: number | bigint) => String(value),
  parse: (text: string) => Number(text),
};

export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url, maxConnections = 10, connectTimeoutMs = 5_000, statementTimeoutMs = 30_000 } = options;
  const settings = {
    connect_timeout: connectTimeoutMs / 1000,
    idle_timeout: 60,
    backoff: reconnectDelaySeconds,
    onnotice: () => {},
    types: { bigint: bigintType },
    connection: {
      application_name: 'bellhop',
      statement_timeout: statementTimeoutMs,
      // A process that stops in the middle of a transaction must not hold its locks over a take-over (ADR 2).
      idle_in_transaction_session_timeout: idleInTransactionMs,
      TimeZone: 'UTC',
    },
  };
  const pool = openPool(url, settings, maxConnections);

  const run = async <Row>(
    on: postgres.Sql | postgres.TransactionSql,
    text: string,
    parameters: readonly Parameter[],
  ) => {
    try {
      // A copy frees the rows of the driver's result object (statement, columns, count).
      return Array.from(
        await on.unsafe<Row[] & object[]>(text, parameters as postgres.ParameterOrJSON<never>[], { prepare: true }),
      ) as Row[];
    } catch (error) {
      throw toDatabaseError(error);
    }
  };

  const database: Database = {
    kind: 'postgres',
    query: (text, parameters = []) => pool.use((sql) => run(sql, text, parameters)),
    async transaction(work) {
      // postgres.js wraps what `work` returns in Promise.all semantics; a box keeps arrays of promises as they are.
      const box: { value?: Awaited<ReturnType<typeof work>> } = {};
      try {
        await pool.begin(async (send) => {
          box.value = await work({ query: (text, parameters = []) => send((tx) => run(tx, text, parameters)) });
        });
      } catch (error) {
        throw toDatabaseError(error);
      }
      return box.value as Awaited<ReturnType<typeof work>>;
    },
    async listen(channel, onPayload, onReconnected) {
      try {
        let connected = false;
        const { unlisten } = await pool.sql.listen(channel, onPayload, () => {
          if (connected) onReconnected();
          connected = true;
        });
        return unlisten;
      } catch (error) {
        throw toDatabaseError(error);
      }
    },
    async notify(channel, payload) {
      await pool.use((sql) => run(sql, 'select pg_notify($1, $2)', [channel, payload]));
    },
    async close() {
      await pool.end(5);
    },
  };

  try {
    await database.query('select 1');
  } catch (error) {
    await pool.end(0);
    throw error;
  }
  return database;
}

/** The driver's own goes up to 20 s: a server that is back would be waited for. */
function reconnectDelaySeconds(failures: number): number {
  return (0.5 + Math.random() / 2) * Math.min(0.02 * 2 ** failures, 1);
}

/**
 * SQLSTATEs that say "not now" instead of "not this": connection, resources, operator intervention (with it statements
 * that took too long), trouble of the system below.
 */
const unavailableStates = /^(08|53|57|58)/;

function toDatabaseError(error: unknown): unknown {
  if (error instanceof DatabaseError) return error;
  if (!(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (error instanceof postgres.PostgresError) {
    const kind = unavailableStates.test(error.code) ? 'unavailable' : 'rejected';
    return new DatabaseError(kind, error.message, { cause: error, sqlState: error.code });
  }
  if (code && /^(CONNECT|CONNECTION_|E[A-Z]{3,})/.test(code)) {
    return new DatabaseError('unavailable', `The database cannot be reached: ${error.message || code}`, {
      cause: error,
    });
  }
  return error;
}
