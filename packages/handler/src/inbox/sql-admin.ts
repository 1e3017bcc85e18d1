// What people ask of an inbox on SQL and do to it: counts, lists, blocked keys, retry, replay, skip, purge. Whatever opens an
// event again puts it at the end of its key, so that there never are two that may run. The changes exclude claims.
import { columnText, noteText } from './column-text.ts';
import type { Inbox, InboxFilter, InboxItem, InboxState } from './inbox.ts';
import type { Dialect, Queries, Row, SqlDatabase, Tables, Value } from './sql-database.ts';
import { placeholders } from './sql-database.ts';
import { eventOf } from './sql-inbox.ts';

type Admin = Pick<Inbox<unknown>, 'stats' | 'list' | 'blockedKeys' | 'retry' | 'replay' | 'skip' | 'purge'>;

interface Surroundings {
  readonly now: () => number;
  readonly wakeNext: (queries: Queries, key: unknown) => Promise<void>;
  /** Makes rows of the packages that are there now. */
  readonly unpackUntil: (isEnough: () => Promise<boolean> | boolean) => Promise<void>;
}

/** Rows changed by one statement; the locks of all of them are held until the end. */
const changeBatch = 5_000;
const closed = `state in ('done', 'ignored', 'skipped')`;

export function sqlAdmin(
  database: SqlDatabase<unknown>,
  dialect: Dialect,
  { inbox: table, packages }: Tables,
  { now, wakeNext, unpackUntil }: Surroundings,
): Admin {
  const whole =
    dialect.unpack === undefined
      ? ''
      : `union all select 'waiting', sum(count), min(received_at), 0 from ${packages} having count(*) > 0`;

  async function count(filter: InboxFilter, states: string): Promise<number> {
    const { text, values } = where(filter);
    const [row] = await database.query(`select count(*) from ${table} where ${text} and ${states}`, values);
    return Number(row?.[0] ?? 0);
  }

  /** Opens what matches, in the order it had, behind everything that is open. */
  async function reopen(queries: Queries, filter: InboxFilter, states: string, replay: 0 | 1): Promise<number> {
    let reopened = 0;
    for (;;) {
      const { text, values } = where(filter);
      const base = await dialect.nextBase(queries);
      const [n, dueAt] = [`$${values.length + 1}`, `$${values.length + 2}`];
      const rows = await queries.query(
        `update ${table} set state = 'waiting', seq = n.seq, due_at = ${dueAt}, attempts = 0, note = null,
           failed_at = null, closed_at = null, lease = null, replay = ${replay}
         from (select id, ${n} + row_number() over (order by seq) as seq from ${table}
               where ${text} and ${states} order by seq limit ${changeBatch}) n
         where n.id = ${table}.id returning 1`,
        [...values, base, now()],
      );
      reopened += rows.length;
      if (rows.length < changeBatch) return reopened;
    }
  }

  async function waitingInPackages(keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (dialect.unpack === undefined || keys.length === 0) return new Map();
    const rows = await database.query(
      `select line, count(*) from ${packages}, unnest(string_to_array(keys, E'\\n')) as line
       where line in (${placeholders(keys.length, 0)}) group by line`,
      keys,
    );
    return new Map(rows.map(([key, count]) => [String(key), Number(count)]));
  }

  return {
    async stats(at) {
      const rows = await database.query(
        `select state, count(*), min(received_at), count(case when failed_at is not null then key end)
         from ${table} where closed_at is null group by state ${whole}`,
      );
      const of = (column: number, ...states: string[]): number =>
        rows.filter((row) => states.includes(String(row[0]))).reduce((sum, row) => sum + Number(row[column]), 0);
      const oldest = rows.filter((row) => row[0] !== 'parked').map((row) => Number(row[2]));
      return {
        waiting: of(1, 'waiting', 'behind'),
        running: of(1, 'running'),
        retrying: of(1, 'retrying'),
        parked: of(1, 'parked'),
        blockedKeys: of(3, 'retrying', 'running'),
        oldestMs: oldest.length === 0 ? 0 : Math.max(0, at.getTime() - Math.min(...oldest)),
      };
    },

    async list({ states, limit = 100, after, ...filter }) {
      const { text, values } = where(filter);
      const from = after === undefined ? undefined : positionOf(after);
      const terms = [text];
      if (states !== undefined) {
        const names = states.flatMap((state) => (state === 'waiting' ? ['waiting', 'behind'] : [state]));
        terms.push(names.length === 0 ? '1 = 0' : `state in (${placeholders(names.length, values.length)})`);
        values.push(...names);
      }
      if (from !== undefined) {
        values.push(from);
        terms.push(`seq > $${values.length}`);
      }
      const read = () =>
        database.query(
          `select event, key, state, received_at, attempts, note, due_at, seq from ${table}
           where ${terms.join(' and ')} order by seq limit ${limit + 1}`,
          values,
        );
      // What is whole yet waits, behind all rows: only a page that is not full may want some of it.
      if (states === undefined || states.includes('waiting')) {
        await unpackUntil(async () => (await read()).length > limit);
      }
      const rows = await read();
      const items = rows.slice(0, limit).map(itemOf);
      const last = rows[limit - 1];
      return rows.length > limit && last !== undefined ? { items, after: String(last[7]) } : { items };
    },

    async blockedKeys(limit) {
      const rows = await database.query(
        `select b.key, b.id, b.type, b.note, b.attempts, b.failed_at, b.due_at,
           (select count(*) from ${table} w where w.key = b.key and w.closed_at is null
              and w.state in ('waiting', 'behind'))
         from ${table} b
         where b.closed_at is null and b.key is not null and b.failed_at is not null
           and b.state in ('retrying', 'running')
         order by b.failed_at, b.seq limit ${limit}`,
      );
      const more = await waitingInPackages(rows.map(([key]) => String(key)));
      return rows.map(([key, id, type, note, attempts, failedAt, dueAt, waiting]) => ({
        key: String(key),
        id: String(id),
        type: String(type),
        note: String(note),
        attempts: Number(attempts),
        blockedSince: new Date(Number(failedAt)),
        retryAt: new Date(Number(dueAt)),
        waiting: Number(waiting) + (more.get(String(key)) ?? 0),
      }));
    },

    async retry(filter, at, { dryRun = false }) {
      if (dryRun) return { count: await count(filter, `state in ('retrying', 'parked')`) };
      // What is opened again comes behind all that is stored.
      await unpackUntil(() => false);
      return database.transaction(async (queries) => {
        await dialect.lock(queries, 'change');
        const { text, values } = where(filter);
        const due = await queries.query(
          `update ${table} set due_at = $${values.length + 1} where ${text} and state = 'retrying' returning 1`,
          [...values, at.getTime()],
        );
        return { count: due.length + (await reopen(queries, filter, `state = 'parked'`, 0)) };
      });
    },

    async replay(filter, _at, { dryRun = false }) {
      if (dryRun) return { count: await count(filter, closed) };
      await unpackUntil(() => false);
      return database.transaction(async (queries) => {
        await dialect.lock(queries, 'change');
        return { count: await reopen(queries, filter, closed, 1) };
      });
    },

    async skip(id, reason) {
      const skipRow = () =>
        database.transaction(async (queries) => {
          await dialect.lock(queries, 'change');
          const [skipped] = await queries.query(
            `update ${table} set state = 'skipped', note = $1, closed_at = $2
             where id = $3 and state in ('waiting', 'behind', 'retrying', 'parked') returning key`,
            [noteText(reason), now(), columnText(id)],
          );
          if (skipped === undefined) return false;
          await wakeNext(queries, skipped[0]);
          return true;
        });
      if (await skipRow()) return true;
      await unpackUntil(() => false);
      return skipRow();
    },

    async purge(doneBefore, { dryRun = false }) {
      const before = doneBefore.getTime();
      if (dryRun) {
        const [row] = await database.query(`select count(*) from ${table} where closed_at < $1`, [before]);
        return { count: Number(row?.[0] ?? 0) };
      }
      // Known ids are known until what was stored meanwhile has been compared with them.
      await unpackUntil(() => false);
      let purged = 0;
      for (;;) {
        const rows = await database.query(
          `delete from ${table} where id in (
             select id from ${table} where closed_at < $1 order by closed_at limit ${changeBatch} ${dialect.skipLocked})
           returning 1`,
          [before],
        );
        purged += rows.length;
        if (rows.length < changeBatch) return { count: purged };
      }
    },
  };
}

function where({ ids, type, key, since, until }: InboxFilter): { text: string; values: Value[] } {
  const values: Value[] = [];
  const terms: string[] = [];
  const add = (term: (name: string) => string, value: Value): void => {
    values.push(value);
    terms.push(term(`$${values.length}`));
  };
  if (ids !== undefined) {
    terms.push(ids.length === 0 ? '1 = 0' : `id in (${placeholders(ids.length, 0)})`);
    values.push(...ids.map(columnText));
  }
  if (type?.endsWith('.*')) {
    const prefix = type.slice(0, -1);
    add((name) => `substr(type, 1, ${prefix.length}) = ${name}`, prefix);
  } else if (type !== undefined) add((name) => `type = ${name}`, columnText(type));
  if (key !== undefined) add((name) => `key = ${name}`, columnText(key));
  if (since !== undefined) add((name) => `received_at >= ${name}`, since.getTime());
  if (until !== undefined) add((name) => `received_at < ${name}`, until.getTime());
  return { text: terms.length === 0 ? '1 = 1' : terms.join(' and '), values };
}

function positionOf(after: string): number {
  const position = Number(after);
  if (!/^\d+$/.test(after) || !Number.isSafeInteger(position)) throw new TypeError('after is no position of a list');
  return position;
}

function itemOf([event, key, state, receivedAt, attempts, note, dueAt]: Row): InboxItem {
  return {
    event: eventOf(event),
    key: typeof key === 'string' ? key : null,
    state: stateOf(String(state)),
    receivedAt: new Date(Number(receivedAt)),
    attempts: Number(attempts),
    note: typeof note === 'string' ? note : null,
    retryAt: state === 'retrying' ? new Date(Number(dueAt)) : null,
  };
}

const states: readonly InboxState[] = ['waiting', 'running', 'retrying', 'parked', 'done', 'ignored', 'skipped'];

function stateOf(text: string): InboxState {
  return states.find((state) => state === text) ?? 'waiting';
}
