// The inbox on the user's own PostgreSQL (14 or newer): `@bellhop/handler/postgres`. A listener's `ctx.tx` is the transaction
// of the user's own library, and the mark that the event is done commits with it: what is written through it happens exactly
// once. Several processes may share one inbox.
//
// A package is stored whole, as one row, with those that arrive at the same time: that is all the sender waits for. A claim
// that finds too little to do makes rows of the oldest packages, in the database alone, and drops the ids that are known
// (docs/adr/0005-packages-whole.md). A crash after the storing loses nothing, as far as the server's `synchronous_commit`
// and `fsync` say so.
import type { Inbox } from './inbox.ts';
import type { PostgresHandle, TransactionOf } from './postgres-driver.ts';
import { postgresDriver } from './postgres-driver.ts';
import type { Dialect, EventRow, NonceRow, Queries, Tables } from './sql-database.ts';
import { tablesOf } from './sql-database.ts';
import type { SqlInboxOptions } from './sql-inbox.ts';
import { sqlInbox } from './sql-inbox.ts';

export type { PgliteLike, PgPoolLike, PostgresHandle, PostgresJsLike, TransactionOf } from './postgres-driver.ts';

export interface PostgresInboxOptions extends SqlInboxOptions {
  /** Name of the table, with a schema if you like; the others begin with it. Default `bellhop_inbox`. */
  readonly table?: string;
}

export interface PostgresInbox<Tx> extends Inbox<Tx> {
  /** Creates what is missing; may run in several processes at once, and at every start. */
  migrate(): Promise<void>;
}

const defaultTable = 'bellhop_inbox';
/** Packages that are taken apart together take one number of the sequence; their events share the room up to the next. */
const seqStride = 1_048_576;
/** Small packages are taken apart together, up to about so many events: a claim holds up other claims meanwhile. */
const unpackEvents = 500;
const unpackPackages = 64;
/** One is prepared and sent while the other is written; more only contend for the same pages. */
const maxWrites = 2;

export function postgresInbox<Handle extends PostgresHandle>(
  handle: Handle,
  options: PostgresInboxOptions = {},
): PostgresInbox<TransactionOf<Handle>> {
  const tables = tablesOf(options.table ?? defaultTable);
  const driver = postgresDriver(handle);
  const inbox = sqlInbox(driver, postgresDialect(driver, tables), tables, options);
  const bound: PostgresInbox<unknown> = {
    ...inbox,
    maxConcurrency: driver.maxTransactions,

    async migrate() {
      await driver.transaction(async (queries) => {
        await queries.query(`set local client_min_messages = warning`);
        await queries.query(`select pg_advisory_xact_lock(hashtextextended('bellhop inbox migration', 0))`);
        for (const statement of statements(tables)) await queries.query(statement);
      });
    },
  };
  // The driver hands out what the handle's own library makes, which `TransactionOf` names; no value is involved.
  return bound as PostgresInbox<TransactionOf<Handle>>;
}

/** The tables as SQL, for those who run migrations with a tool of their own. */
export function postgresInboxSchema(options: Pick<PostgresInboxOptions, 'table'> = {}): string {
  return `${statements(tablesOf(options.table ?? defaultTable)).join(';\n\n')};\n`;
}

function statements({ inbox, packages, nonces, marks, sequence }: Tables): string[] {
  const name = inbox.replace(/^.*\./, '');
  return [
    `create sequence if not exists ${sequence}`,
    `create table if not exists ${inbox} (
  id text primary key,
  seq bigint not null,            -- order of storing
  key text,                       -- events with one key are processed one after the other
  type text not null,
  event text not null,            -- the event as JSON
  state text not null,            -- waiting, behind, running, retrying, parked, done, ignored, skipped
  received_at bigint not null,    -- this and all times: milliseconds since 1970
  due_at bigint not null,         -- waiting, retrying: when it may run; running: the end of its lease
  attempts integer not null default 0,
  replay smallint not null default 0,
  lease text,
  failed_at bigint,               -- first failure since it was opened
  closed_at bigint,               -- done, ignored, skipped
  note text                       -- last failure, or why it was skipped
)`,
    // The storage is set once: it takes a lock that would wait for every reader, such as a backup, at each start. Whether the
    // table is there is known by making it: a look would find one of the same name in another schema of the search path.
    `do $$ begin
  create table ${packages} (
    seq bigint primary key,         -- order of storing
    count integer not null,         -- of events
    received_at bigint not null,    -- of the oldest, milliseconds since 1970
    ids text not null,              -- this and the others: a line for each event
    keys text not null,
    types text not null,
    events text not null,
    times text not null
  );
  -- Kept for moments: compressing it would cost more than all the rest.
  alter table ${packages} alter column ids set storage external, alter column keys set storage external,
    alter column types set storage external, alter column events set storage external,
    alter column times set storage external;
exception when duplicate_table then null;
end $$`,
    `create index if not exists ${name}_due on ${inbox} (due_at, seq) where state in ('waiting', 'running', 'retrying')`,
    `create index if not exists ${name}_key on ${inbox} (key, seq) where closed_at is null`,
    `create unique index if not exists ${name}_running on ${inbox} (key) where state = 'running'`,
    `create index if not exists ${name}_closed on ${inbox} (closed_at) where closed_at is not null`,
    `create table if not exists ${nonces} (
  key_id text not null,
  nonce text not null,
  forget_after bigint not null,   -- seconds since 1970
  primary key (key_id, nonce)
)`,
    `create index if not exists ${name}_nonces_forget on ${nonces} (forget_after)`,
    `create table if not exists ${marks} (
  name text primary key,
  instant text not null,          -- nanoseconds since the year 0, 21 digits
  used_at bigint not null
)`,
    `create index if not exists ${name}_marks_used on ${marks} (used_at)`,
  ];
}

function postgresDialect(database: Queries, { inbox, packages: whole, nonces, sequence }: Tables): Dialect {
  return {
    rowLocks: true,
    skipLocked: 'for update skip locked',
    maxWrites,

    async lock(queries, what) {
      const shared = what === 'close' ? '_shared' : '';
      const quick = what === 'claim' ? `, set_config('synchronous_commit', 'off', true)` : '';
      await queries.query(`select pg_advisory_xact_lock${shared}(hashtextextended($1, 0))${quick}`, [
        `bellhop ${inbox}`,
      ]);
    },

    async insert(packages) {
      const unique = packages.map((rows) => {
        const ids = new Set<string>();
        return rows.filter(({ id }) => !ids.has(id) && ids.add(id));
      });
      const rows = unique.flat();
      if (rows.length === 0) return packages.map(() => 0);
      // Lists as lines: JSON and `columnText` have none, every handle can send a text, and no list is cheaper to take apart.
      const lines = (column: (row: EventRow) => string | number): string => rows.map(column).join('\n');
      await database.query(
        `insert into ${whole} (seq, count, received_at, ids, keys, types, events, times)
         values (nextval('${sequence}'), $1, $2, $3, $4, $5, $6, $7)`,
        [
          rows.length,
          rows.reduce((oldestMs, { receivedAtMs }) => Math.min(oldestMs, receivedAtMs), Number.POSITIVE_INFINITY),
          lines(({ id }) => id),
          lines(({ key }) => key ?? '\u0001'),
          lines(({ type }) => type),
          lines(({ event }) => event),
          lines(({ receivedAtMs }) => receivedAtMs),
        ],
      );
      return unique.map(({ length }) => length);
    },

    async unpack(queries) {
      const [row] = await queries.query(
        `with oldest as materialized (
           select seq, ahead from (
             select seq, sum(count) over (order by seq) - count as ahead
             from (select seq, count from ${whole} order by seq limit ${unpackPackages}) few) counted
           where ahead < ${unpackEvents}),
         taken as (
           delete from ${whole} p using oldest where p.seq = oldest.seq
           returning oldest.ahead, p.count, p.ids, p.keys, p.types, p.events, p.times),
         batch as materialized (select nextval('${sequence}') * ${seqStride} as base from taken limit 1),
         added as (
           insert into ${inbox} (id, seq, key, type, event, state, received_at, due_at)
           select g.id, batch.base + taken.ahead + g.position, g.key, g.type, g.event, 'waiting', g.at::bigint, g.at::bigint
           from batch, taken, unnest(string_to_array(taken.ids, E'\n'), string_to_array(taken.keys, E'\n', E'\x01'),
             string_to_array(taken.types, E'\n'), string_to_array(taken.events, E'\n'), string_to_array(taken.times, E'\n'))
             with ordinality as g(id, key, type, event, at, position)
           order by taken.ahead, g.position
           on conflict (id) do nothing returning 1)
         select (select coalesce(sum(count), 0) from taken), (select count(*) from added)`,
      );
      const events = Number(row?.[0]);
      return { events, duplicates: events - Number(row?.[1]) };
    },

    async nextBase(queries) {
      const [row] = await queries.query(`select nextval('${sequence}') * ${seqStride}`);
      return Number(row?.[0]);
    },

    // Without waiting for the disk: see sql-nonces.ts.
    async rememberNonces(rows) {
      const lines = (column: (row: NonceRow) => string | number): string => rows.map(column).join('\n');
      const added = await database.query(
        `with quick as materialized (select set_config('synchronous_commit', 'off', true))
         insert into ${nonces} (key_id, nonce, forget_after)
         select g.key_id, g.nonce, g.forget_after::bigint
         from quick, unnest(string_to_array($1, E'\\n'), string_to_array($2, E'\\n'), string_to_array($3, E'\\n'))
           as g(key_id, nonce, forget_after)
         order by g.key_id, g.nonce
         on conflict do nothing returning key_id, nonce`,
        [lines(({ keyId }) => keyId), lines(({ nonce }) => nonce), lines(({ forgetAfter }) => forgetAfter)],
      );
      const isNew = new Set(added.map(([keyId, nonce]) => `${keyId}\n${nonce}`));
      // Taken out at the first, so that the same one again in this batch is not new.
      return rows.map(({ keyId, nonce }) => isNew.delete(`${keyId}\n${nonce}`));
    },
  };
}
