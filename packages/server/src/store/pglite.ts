// The database port on the embedded PGlite: nothing to install, right for development, demos and tests. One connection, so
// every transaction waits for the one before. It never fsyncs: it survives a killed process, not a power cut.
//
// A data directory is guarded by `data-dir-lock.ts`: PGlite has no lock of its own and two processes on one folder lose
// rows. Every statement gives the event loop a breath first, because PGlite runs in this thread: 3,000 queued queries
// froze timers for 870 ms without it, 18 ms with it.

import { readFile } from 'node:fs/promises';
import { setImmediate as breathe } from 'node:timers/promises';
import { PGlite, types } from '@electric-sql/pglite';
import { lockDataDir } from './data-dir-lock.ts';
import { type Database, DatabaseError, type Parameter } from './database.ts';

export interface PgliteOptions {
  /** Where the data lives; undefined keeps it in memory. */
  readonly dataDir?: string | undefined;
}

/**
 * A dump of a fresh, migrated database (gzipped tar), made when the package is built: a first start unpacks it instead of
 * running initdb (1.6 s against 9.6 s on a busy machine). Without it everything works, only slower.
 */
export const templateFile = new URL('../../dist/pglite-template.tgz', import.meta.url);

export async function openPglite(options: PgliteOptions = {}): Promise<Database> {
  const lock = options.dataDir === undefined ? undefined : await lockDataDir(options.dataDir);
  let db: PGlite;
  try {
    const template = (lock?.fresh ?? true) ? await readTemplate() : undefined;
    db = await PGlite.create({
      ...(lock ? { dataDir: lock.databaseDir } : {}),
      ...(template ? { loadDataDir: template } : {}),
      parsers: { [types.INT8]: (text: string) => Number(text) },
    });
    await db.exec(`set timezone = 'UTC'`);
    await lock?.made();
  } catch (error) {
    await lock?.release();
    throw new DatabaseError('data_dir_foreign', `The embedded database cannot be opened: ${String(error)}`, {
      cause: error,
    });
  }

  const run = async <Row>(
    on: Pick<PGlite, 'query'>,
    text: string,
    parameters: readonly Parameter[],
  ): Promise<Row[]> => {
    await breathe();
    try {
      return (await on.query<Row>(text, parameters as unknown[])).rows;
    } catch (error) {
      throw toDatabaseError(error);
    }
  };

  return {
    kind: 'pglite',
    query: (text, parameters = []) => run(db, text, parameters),
    async transaction(work) {
      try {
        return await db.transaction((tx) => work({ query: (text, parameters = []) => run(tx, text, parameters) }));
      } catch (error) {
        throw toDatabaseError(error);
      }
    },
    listen: (channel, onPayload) => db.listen(channel, onPayload),
    async notify(channel, payload) {
      await run(db, 'select pg_notify($1, $2)', [channel, payload]);
    },
    async close() {
      await db.close();
      await lock?.release();
    },
  };
}

async function readTemplate(): Promise<Blob | undefined> {
  try {
    return new Blob([new Uint8Array(await readFile(templateFile))], { type: 'application/gzip' });
  } catch (error) {
    // Without the template the first start is slower, nothing else.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function toDatabaseError(error: unknown): unknown {
  if (error instanceof DatabaseError || !(error instanceof Error)) return error;
  if ('code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)) {
    return new DatabaseError('rejected', error.message, { cause: error, sqlState: error.code });
  }
  return error;
}
