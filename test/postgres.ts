// Global set-up of the test runner: one throw-away PostgreSQL cluster per run, removed afterwards. Where PostgreSQL is
// not installed the tests that need it skip with a stated reason; BELLHOP_TEST_POSTGRES=required makes that an error
// (continuous integration sets it). An address in BELLHOP_TEST_POSTGRES_URL is used as it is.

import { postgresUrl, postgresUrlVariable } from './support/postgres.ts';
import { findPostgresBinaries, startCluster } from './support/postgres-cluster.ts';

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (postgresUrl() !== undefined) return undefined;
  const binaries = await findPostgresBinaries();
  if (binaries === undefined) {
    if (process.env['BELLHOP_TEST_POSTGRES'] === 'required')
      throw new Error('PostgreSQL is required, none is installed');
    console.warn('PostgreSQL is not installed: tests that need a real server are skipped.');
    return undefined;
  }
  const cluster = await startCluster(binaries);
  process.env[postgresUrlVariable] = cluster.url;
  return async () => {
    delete process.env[postgresUrlVariable];
    await cluster.remove();
  };
}
