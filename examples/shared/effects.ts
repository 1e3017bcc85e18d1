// The effects of the examples: a row for each processed event, in the order of processing, in the file of the inbox.
// Listeners write them through their transaction; `GET /effects` reads them through a connection of its own.
import type { SqliteTx } from '@bellhop/handler/sqlite';
import Database from 'libsql';

export interface Effect {
  readonly id: string;
  readonly type: string;
  readonly at: string;
}

export interface Effects {
  list(): readonly Effect[];
  close(): void;
}

export function openEffects(file: string): Effects {
  const database = new Database(file);
  database.exec('pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full;');
  database.exec(
    'create table if not exists effects (seq integer primary key autoincrement, id text, type text, at text)',
  );
  const select = database.prepare('select id, type, at from effects order by seq');
  return {
    list: () => select.all() as Effect[],
    close: () => void database.close(),
  };
}

export async function recordEffect(tx: SqliteTx, { id, type }: { readonly id: string; readonly type: string }) {
  await tx.run('insert into effects (id, type, at) values (?, ?, ?)', [id, type, new Date().toISOString()]);
}
