// The database port: the few calls that the service makes of PostgreSQL, kept by PostgreSQL itself (`postgres.ts`) and by
// the embedded PGlite (`pglite.ts`). One SQL text serves both, always with numbered parameters. bigint comes back as
// number (offsets stay far below 2^53), timestamptz as Date, jsonb parsed, bytea as Uint8Array. A jsonb parameter is sent
// as text, `$1::text::jsonb` with JSON.stringify: what a string for jsonb means is not the same for all drivers.
//
// It does not hide the database: callers write SQL. Errors are `DatabaseError` with the SQLSTATE where the server gave one.

export type Parameter =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | null
  | readonly string[]
  | readonly number[];

/** Anything that runs one statement: the database itself or a transaction on it. */
export interface Queryable {
  query<Row = Record<string, unknown>>(text: string, parameters?: readonly Parameter[]): Promise<Row[]>;
}

export interface Database extends Queryable {
  readonly kind: 'postgres' | 'pglite';
  /** Commits when `work` resolves, rolls back when it rejects. Statements of `work` must go through its argument. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Hints from other processes. Best effort: what is sent while the connection is down is lost, `onReconnected` says so. */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
    onReconnected: () => void,
  ): Promise<() => Promise<void>>;
  notify(channel: string, payload: string): Promise<void>;
  close(): Promise<void>;
}

export type DatabaseErrorCode =
  /** The server cannot be reached or the connection broke: the outcome of a running commit is unknown. */
  | 'unavailable'
  /** The server refused the statement (`sqlState` says why): nothing was stored. */
  | 'rejected'
  /** Another process holds the data directory. */
  | 'data_dir_in_use'
  /** The data directory cannot be made or written. */
  | 'data_dir_unwritable'
  /** The data directory holds something that is not a database of this program, or is damaged. */
  | 'data_dir_foreign'
  /** The schema is newer than this program. */
  | 'schema_newer';

export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  readonly code: DatabaseErrorCode;
  readonly sqlState: string | undefined;

  constructor(
    code: DatabaseErrorCode,
    message: string,
    options: { cause?: unknown; sqlState?: string | undefined } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.sqlState = options.sqlState;
  }
}

/** SQLSTATE 23505: a row with this key is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof DatabaseError && error.sqlState === '23505';
}
