// Makes dist/pglite-template.tgz: a fresh, migrated embedded database, so that a first start need not run initdb.
// Runs after the build; does nothing when the template is newer than everything it is made of.

import { rm, stat, writeFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { ensurePartitions, migrate } from '../dist/store/migrate.js';
import { templateFile } from '../dist/store/pglite.js';

const sources = ['../sql/', '../dist/store/migrate.js', '../package.json', './make-template.js'];
const changedMs = await Promise.all(sources.map(async (path) => (await stat(new URL(path, import.meta.url))).mtimeMs));
const madeMs = await stat(templateFile).then(
  ({ mtimeMs }) => mtimeMs,
  () => 0,
);

if (madeMs < Math.max(...changedMs)) {
  await rm(templateFile, { force: true });
  const db = await PGlite.create();
  const query = async (text, parameters = []) => (await db.query(text, parameters)).rows;
  const transaction = (work) =>
    db.transaction((tx) => work({ query: async (text, parameters = []) => (await tx.query(text, parameters)).rows }));
  const database = { query, transaction };
  await migrate(database);
  await ensurePartitions(database, 64);
  const dump = await db.dumpDataDir('gzip');
  await writeFile(templateFile, new Uint8Array(await dump.arrayBuffer()));
  await db.close();
}
