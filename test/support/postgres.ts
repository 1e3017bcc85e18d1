// Real PostgreSQL for tests. `test/postgres.ts` starts one cluster per run of the test runner and names it in the
// environment; a test file asks for a database of its own and drops it when it is done.
//
// Without PostgreSQL on the machine `postgresUrl()` is undefined: use `describe.skipIf(!postgresUrl())` with
// `needsPostgres` in the title, so that a skip states its reason.

import { randomBytes } from 'node:crypto';
import postgres from 'postgres';

export const postgresUrlVariable = 'BELLHOP_TEST_POSTGRES_URL';

export const needsPostgres = '(needs a PostgreSQL server on this machine)';

/** URL of a superuser connection to the test server, or undefined when there is none. */
export function postgresUrl(): string | undefined {
  return process.env[postgresUrlVariable] || undefined;
}

export interface FreshDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** A new, empty database on the test server. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = postgresUrl();
  if (server === undefined) throw new Error(`${postgresUrlVariable} is not set: no PostgreSQL server`);
  const name = `bellhop_test_${randomBytes(8).toString('hex')}`;
  await asSuperuser(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => asSuperuser(server, `drop database if exists ${name} with (force)`) };
}

async function asSuperuser(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
