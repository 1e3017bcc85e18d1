// Forward-only migrations: the numbered files of `sql/`, each in a transaction of its own together with its row in
// `migrations`. A second process that migrates at the same time waits on the lock and then finds the work done.
// A database that is newer than this program is refused, and nothing is touched.

import { readdir, readFile } from 'node:fs/promises';
import { type Database, DatabaseError } from './database.ts';

const folder = new URL('../../sql/', import.meta.url);
/** Any fixed number: the key of the advisory lock that migrators take in turn. */
const migrationLockKey = 4_027_315;

/** `onUpgrade` hears of each file before it runs on a database that was used before. */
export async function migrate(database: Database, onUpgrade: (name: string) => void = () => {}): Promise<void> {
  const files = (await readdir(folder)).filter((name) => /^\d{4}-.+\.sql$/.test(name)).sort();
  const known = files.map((name) => Number(name.slice(0, 4)));
  const newest = known.at(-1) ?? 0;

  await database.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [migrationLockKey]);
    await tx.query(
      'create table if not exists migrations (id integer primary key, applied_at timestamptz not null default now())',
    );
  });
  const rows = await database.query<{ id: number }>('select id from migrations order by id');
  const applied = new Set(rows.map((row) => row.id));
  const newer = rows.find((row) => row.id > newest);
  if (newer) {
    throw new DatabaseError(
      'schema_newer',
      `The database was migrated by a newer Bellhop (migration ${newer.id}, this program knows ${newest}).`,
    );
  }

  for (const [index, name] of files.entries()) {
    const id = known[index] ?? 0;
    if (applied.has(id)) continue;
    const script = await readFile(new URL(name, folder), 'utf8');
    await database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock($1)', [migrationLockKey]);
      const claimed = await tx.query('insert into migrations (id) values ($1) on conflict do nothing returning id', [
        id,
      ]);
      if (claimed.length === 0) return;
      if (applied.size > 0) onUpgrade(name);
      for (const statement of splitStatements(script)) await tx.query(statement);
    });
  }
}

/** Splits at semicolons that end a line: the migrations of this project hold no function bodies. */
function splitStatements(script: string): string[] {
  return script
    .replace(/--.*$/gm, '')
    .split(/;[ \t]*(?:\r?\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement.length > 0);
}

/** Partition rows are made once; the count can grow, tenants stay where they are. */
export async function ensurePartitions(database: Database, count: number): Promise<void> {
  await database.query(
    'insert into partitions (id) select generate_series(0, $1::integer - 1) on conflict do nothing',
    [count],
  );
}
