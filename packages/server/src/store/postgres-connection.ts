// What every connection to PostgreSQL has in common: its settings, its types, and what its errors mean.

import pg from 'pg';
import { DatabaseError } from './database.ts';

/** Shorter than a lease: a process that stops in the middle of a transaction must not hold its locks over a take-over (ADR 2). */
const idleInTransactionMs = 4_000;
/** A server that does not even end a statement that took too long is given up this much later. */
const answerGraceMs = 5_000;

const { INT8 } = pg.types.builtins;
const int8ArrayOid = 1016;
const numbersOf = (text: string): number[] => (text === '{}' ? [] : text.slice(1, -1).split(',').map(Number));

/** bigint as number: offsets, versions and counts stay far below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: string) {
    if (oid === INT8) return Number;
    if (oid === int8ArrayOid) return numbersOf;
    return pg.types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text');
  },
};

export function connectionSettings(options: {
  readonly url: string;
  readonly connectTimeoutMs?: number | undefined;
  readonly statementTimeoutMs?: number | undefined;
}): pg.ClientConfig & { query_timeout: number } {
  const { url, connectTimeoutMs = 5_000, statementTimeoutMs = 30_000 } = options;
  const connection = new URL(url);
  // Without jit: the planner cannot see that a look-up is bounded, and compiling takes ten times as long as running it.
  // What the URL says wins over what is given beside it.
  const given = connection.searchParams.get('options');
  connection.searchParams.set('options', `${given ?? ''} -c TimeZone=UTC -c jit=off`.trim());
  return {
    connectionString: connection.href,
    application_name: 'bellhop',
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + answerGraceMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    keepAlive: true,
    types,
  };
}

/**
 * SQLSTATEs that say "not now" instead of "not this": connection, resources, operator intervention (with it statements
 * that took too long), trouble of the system below.
 */
const unavailableStates = /^(08|53|57|58)/;

/** What the driver says without a code when a connection is gone or does not come about. */
const lostConnection = /terminated|timeout|not queryable|Cannot use a pool after/i;

/** Errors that are not of the database (a TypeError of the caller) stay as they are. */
export function toDatabaseError(error: unknown): unknown {
  if (error instanceof DatabaseError || !(error instanceof Error)) return error;
  if (error instanceof pg.DatabaseError) {
    const sqlState = error.code;
    const kind = sqlState !== undefined && unavailableStates.test(sqlState) ? 'unavailable' : 'rejected';
    return new DatabaseError(kind, error.message, { cause: error, sqlState });
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if ((code !== undefined && !code.startsWith('ERR_')) || lostConnection.test(error.message)) {
    return new DatabaseError('unavailable', `The database cannot be reached: ${error.message || code}`, {
      cause: error,
    });
  }
  return error;
}
