// Opens the inbox of a handler in its own database, PostgreSQL or SQLite, and never makes one: a wrong name must not leave
// tables behind. What the databases say becomes one line with an exit code; a password is never repeated.

import { existsSync } from 'node:fs';
import type { InboxAdmin } from '@bellhop/handler';
import { CliError, exitCodes, usageError } from '../exit.ts';
import { isSystemError, reasonOf } from '../system-error.ts';

export interface InboxFlags {
  readonly databaseUrl?: string;
  readonly table?: string;
  readonly file?: string;
  readonly json?: boolean;
}

interface Opened {
  readonly inbox: InboxAdmin;
  close(): Promise<void>;
}

const defaultTable = 'bellhop_inbox';

export async function withOpenInbox<T>(
  flags: InboxFlags,
  env: NodeJS.ProcessEnv,
  work: (inbox: InboxAdmin) => Promise<T>,
): Promise<T> {
  const { url, file } = placeOf(flags, env);
  if (url === undefined) return working(await openFile(file, flags.table), (error) => fileFailure(error, file), work);
  const table = flags.table ?? defaultTable;
  return working(await openDatabase(url, table), (error) => databaseFailure(error, table), work);
}

async function working<T>(
  { inbox, close }: Opened,
  failureOf: (error: unknown) => unknown,
  work: (inbox: InboxAdmin) => Promise<T>,
): Promise<T> {
  try {
    return await work(inbox);
  } catch (error) {
    throw failureOf(error);
  } finally {
    await close();
  }
}

type Place = { readonly url: string; readonly file?: never } | { readonly url?: never; readonly file: string };

/** A flag goes before the variables. */
function placeOf(flags: InboxFlags, env: NodeJS.ProcessEnv): Place {
  const named = flags.databaseUrl !== undefined || flags.file !== undefined;
  const url = named ? flags.databaseUrl : env['BELLHOP_INBOX_DATABASE_URL'] || undefined;
  const file = named ? flags.file : env['BELLHOP_INBOX_FILE'] || undefined;
  if (url !== undefined && file !== undefined) throw usageError('A database and a file are two inboxes: name one.');
  if (url !== undefined) return { url };
  if (file !== undefined) return { file };
  throw usageError(
    'Which inbox? Give --database-url or --file.',
    'Or set BELLHOP_INBOX_DATABASE_URL or BELLHOP_INBOX_FILE.',
  );
}

async function openFile(file: string, table: string | undefined): Promise<Opened> {
  if (table !== undefined) throw usageError('--table belongs to --database-url.');
  if (!existsSync(file)) throw usageError(`There is no file ${file}.`);
  const [{ default: Database }, { sqliteInbox }, { inboxAdmin }] = await Promise.all([
    import('libsql'),
    import('@bellhop/handler/sqlite'),
    import('@bellhop/handler'),
  ]);
  try {
    const database = new Database(file, { readonly: true });
    try {
      const found = database.prepare(`select 1 from sqlite_master where type = 'table' and name = ?`).get(defaultTable);
      if (found === undefined) throw usageError(`There is no inbox in ${file}.`, 'Is it the file of sqliteInbox()?');
    } finally {
      database.close();
    }
    const inbox = sqliteInbox(file);
    return { inbox: inboxAdmin(inbox), close: async () => inbox.close() };
  } catch (error) {
    throw fileFailure(error, file);
  }
}

function fileFailure(error: unknown, file: string): unknown {
  // The library has no code for a file that it cannot open.
  const code = error instanceof Error && error.message.startsWith('ConnectionFailed') ? 'SQLITE_CANTOPEN' : undefined;
  const said = code ?? (isSystemError(error) ? error.code : '');
  if (!said.startsWith('SQLITE_')) return error;
  if (said === 'SQLITE_NOTADB') return usageError(`${file} is no SQLite file.`);
  const hint = said.startsWith('SQLITE_BUSY')
    ? 'Another process writes to it; try again.'
    : 'Run this as the user that your application runs as.';
  return new CliError(exitCodes.failed, `${file} cannot be used (${said}).`, hint, { cause: error });
}

async function openDatabase(url: string, table: string): Promise<Opened> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw usageError('That is no PostgreSQL address.', 'For example postgres://user@host:5432/database.');
  }
  const [{ default: pg }, { postgresInbox }, { inboxAdmin }] = await Promise.all([
    import('pg'),
    import('@bellhop/handler/postgres'),
    import('@bellhop/handler'),
  ]);
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    connectionTimeoutMillis: 10_000,
    application_name: 'bellhop inbox',
  });
  // A connection that breaks while nothing is asked of it: the next statement tells.
  pool.on('error', () => undefined);
  try {
    return { inbox: inboxAdmin(postgresInbox(pool, { table })), close: () => pool.end() };
  } catch (error) {
    await pool.end();
    // The only thing that is checked here.
    throw error instanceof TypeError ? usageError(`--table: ${error.message}.`) : error;
  }
}

/** Codes of the system and of PostgreSQL (SQLSTATE), and what the driver says where it has no code. */
const notReachable =
  /^(E(CONNREFUSED|CONNRESET|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN|PIPE|TIMEDOUT)|57P0\d|53300|timeout .*|.* terminated .*)$/;

function databaseFailure(error: unknown, table: string): unknown {
  if (!(error instanceof Error) || error instanceof CliError) return error;
  const code = reasonOf(error);
  if (notReachable.test(code)) {
    return new CliError(exitCodes.unreachable, `The database cannot be reached (${code}).`, 'Is the address right?', {
      cause: error,
    });
  }
  if (code === '3D000') return usageError('There is no such database.', 'Correct the address.');
  if (code === '42P01' || code === '3F000') {
    return usageError(`There is no inbox in the table ${table}.`, 'Name its table with --table, or run migrate().');
  }
  if (/^28|^42501$|^SASL/.test(code)) {
    return new CliError(exitCodes.unauthorised, `The database refuses: ${error.message}.`, 'Password: PGPASSWORD.', {
      cause: error,
    });
  }
  if (!isSystemError(error)) return error;
  return new CliError(exitCodes.failed, `The database failed: ${error.message} (${code}).`, undefined, {
    cause: error,
  });
}
