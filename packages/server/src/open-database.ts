// The database as the service starts with it: waited for, and brought to the newest schema. What goes wrong on the way ends
// the start with what to do about it; the database's password is in no message.

import type { Logger } from 'pino';
import { type ServiceConfig, StartError } from './config.ts';
import { PrivateKeySealError } from './keys/private-key-seal.ts';
import { type Database, DatabaseError, type DatabaseErrorCode } from './store/database.ts';
import { migrate } from './store/migrate.ts';
import { openPglite } from './store/pglite.ts';
import { openPostgres } from './store/postgres.ts';
import { waitForDatabase } from './store/wait-for-database.ts';

/** A migration may read the largest table, or wait for a process that does: within the time-out of a call it would fail, and
 * so would every start after it. */
const migrationTimeoutMs = 6 * 60 * 60_000;

type DatabaseConfig = Pick<ServiceConfig, 'databaseUrl' | 'databaseWaitMs' | 'databaseConnections' | 'dataDir'>;

export async function openDatabase(config: DatabaseConfig, logger: Logger, signal?: AbortSignal): Promise<Database> {
  const { databaseUrl: url, databaseWaitMs = 30_000, databaseConnections: maxConnections } = config;
  const onUpgrade = (name: string) =>
    logger.info({ migration: name }, 'the database is brought to a newer schema, which may take a while');
  if (url === undefined) {
    const database = await openPglite({ dataDir: config.dataDir });
    return migrated(database, () => migrate(database, onUpgrade));
  }
  const database = await waitForDatabase(() => openPostgres({ url, maxConnections }), {
    waitMs: databaseWaitMs,
    signal,
    onAway: (error, remainingMs) =>
      logger.warn(
        { reason: withoutPassword(error.message, url), remainingMs: Math.round(remainingMs) },
        'the database does not answer yet, trying again',
      ),
  });
  return migrated(database, async () => {
    const patient = await openPostgres({ url, maxConnections: 1, statementTimeoutMs: migrationTimeoutMs });
    await migrate(patient, onUpgrade).finally(() => patient.close());
  });
}

async function migrated(database: Database, run: () => Promise<void>): Promise<Database> {
  try {
    await run();
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

const hints: Partial<Record<DatabaseErrorCode, string>> = {
  data_dir_in_use: 'Stop that process, or choose another folder with --data-dir.',
  data_dir_unwritable: 'Choose a folder that can be written with --data-dir.',
  data_dir_foreign: 'Choose an empty folder with --data-dir.',
  unavailable: 'Start PostgreSQL, or correct --database-url.',
  schema_newer: 'Run the Bellhop version that migrated this database, or a newer one.',
  rejected: 'Check the rights of the database user and the server log.',
};

export function toStartError(error: unknown, config: ServiceConfig): unknown {
  if (error instanceof PrivateKeySealError) {
    const hint = 'Give the key that they were encrypted with.';
    return new StartError('key_encryption_key', `${error.message}.`, hint, { cause: error });
  }
  if (!(error instanceof DatabaseError)) return error;
  const hint = hints[error.code] ?? '';
  const message = withoutPassword(error.message, config.databaseUrl);
  if (error.code === 'unavailable') return new StartError('database_unavailable', message, hint, { cause: error });
  if (error.code === 'rejected') return new StartError('database_rejected', message, hint, { cause: error });
  return new StartError(error.code, message, hint, { cause: error });
}

function withoutPassword(message: string, databaseUrl: string | undefined): string {
  const password = databaseUrl && URL.canParse(databaseUrl) ? decodeURIComponent(new URL(databaseUrl).password) : '';
  return password ? message.replaceAll(password, '***') : message;
}
