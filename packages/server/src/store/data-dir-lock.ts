// One process per data directory. PGlite itself has no lock: two processes on one folder gave no error and lost rows.
//
// On Linux the lock is a socket in the abstract namespace: the kernel releases it with the process, however it dies.
// Elsewhere a pid file stands in; a stale one (its process is gone) is taken over.

import { createHash } from 'node:crypto';
import { access, constants, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { DatabaseError } from './database.ts';
import { makeFolder } from './make-folder.ts';

export interface DataDirLock {
  /** Where PGlite keeps its files, below the data directory. */
  readonly databaseDir: string;
  /** Nothing is in it yet. */
  readonly fresh: boolean;
  /** The database is complete: a later start keeps it. */
  made(): Promise<void>;
  release(): Promise<void>;
}

export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  const databaseDir = join(dataDir, 'db');
  try {
    await makeFolder(dataDir, 0o700);
    await access(dataDir, constants.W_OK);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new DatabaseError('data_dir_unwritable', `The data directory ${dataDir} cannot be written (${why}).`, {
      cause: error,
    });
  }
  const real = await realpath(dataDir);
  const release = process.platform === 'linux' ? await lockBySocket(real, dataDir) : await lockByPidFile(real, dataDir);
  // A first start that was killed halfway left this file: nothing was ever stored there, so it begins anew.
  const making = join(real, 'db.making');
  const entries: string[] = await readdir(databaseDir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const unfinished = await access(making).then(
    () => true,
    () => false,
  );
  if (entries.length > 0 && !unfinished && !entries.includes('PG_VERSION')) {
    await release();
    throw new DatabaseError('data_dir_foreign', `${databaseDir} holds files, but no Bellhop database.`);
  }
  const fresh = unfinished || entries.length === 0;
  if (fresh) {
    await writeFile(making, '', { mode: 0o600 });
    await rm(databaseDir, { recursive: true, force: true });
  }
  return { databaseDir, fresh, made: () => rm(making, { force: true }), release };
}

function inUse(dataDir: string, cause: unknown): DatabaseError {
  return new DatabaseError('data_dir_in_use', `The data directory ${dataDir} is in use by another process.`, { cause });
}

async function lockBySocket(realDir: string, dataDir: string): Promise<() => Promise<void>> {
  const name = `\0bellhop-${createHash('sha256').update(realDir).digest('hex').slice(0, 40)}`;
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(inUse(dataDir, error)));
    server.listen(name, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

async function lockByPidFile(realDir: string, dataDir: string): Promise<() => Promise<void>> {
  const file = join(realDir, 'bellhop.pid');
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx', mode: 0o600 });
      return () => rm(file, { force: true });
    } catch (error) {
      const holder = Number(await readFile(file, 'utf8').catch(() => ''));
      if (isAlive(holder)) throw inUse(dataDir, error);
      await rm(file, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
