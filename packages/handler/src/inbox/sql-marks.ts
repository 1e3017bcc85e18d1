// Marks of the work (`latest`): the latest instant under a name, written in the transaction of the listener. Instants are
// brought to one form, UTC with nine digits, so that the database can compare them as texts.
import { columnText } from './column-text.ts';
import { comparableInstant } from './comparable-instant.ts';
import type { Marks } from './inbox.ts';
import type { Queries, Tables } from './sql-database.ts';

export function sqlMarks(queries: Queries, tables: Tables, now: () => number): Marks {
  return {
    async advance(name, instant) {
      const advanced = await queries.query(
        `insert into ${tables.marks} as m (name, instant, used_at) values ($1, $2, $3)
         on conflict (name) do update set instant = excluded.instant, used_at = excluded.used_at
         where m.instant <= excluded.instant returning 1`,
        [columnText(name), comparableInstant(instant), now()],
      );
      return advanced.length > 0;
    },
  };
}
