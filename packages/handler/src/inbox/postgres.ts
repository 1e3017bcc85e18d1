// The inbox on the user's own PostgreSQL (14 or newer): `@bellhop/handler/postgres`. A listener's `ctx.tx` is the transaction
// of the user's own library, and the mark that the event is done commits with it: what is written through it happens exactly
// once. Several processes may share one inbox. Stores are one statement a package; a crash after it loses nothing, as far as
// the server's `synchronous_commit` and `fsync` say so.
import { columnText } from './column-text.ts';
import type { Inbox } from './inbox.ts';
import type { PostgresHandle, TransactionOf } from './postgres-driver.ts';
import { postgresDriver } from './postgres-driver.ts';
import type { Dialect, Queries, Tables } from './sql-database.ts';
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
/** A package takes one number of the sequence; its events share the room up to the next. */
const seqStride = 1_048_576;

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

function statements({ inbox, nonces, marks, sequence }: Tables): string[] {
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

function postgresDialect(database: Queries, { inbox, nonces, sequence }: Tables): Dialect {
  return {
    rowLocks: true,
    skipLocked: 'for update skip locked',

    async lock(queries, what) {
      const shared = what === 'close' ? '_shared' : '';
      const quick = what === 'claim' ? `, set_config('synchronous_commit', 'off', true)` : '';
      await queries.query(`select pg_advisory_xact_lock${shared}(hashtextextended($1, 0))${quick}`, [
        `bellhop ${inbox}`,
      ]);
    },

    async insert(queries, events) {
      // Lists as lines: JSON and `columnText` have none, every handle can send a text, and no list is cheaper to take apart.
      // In the order of ids, so that two packages with events in common never wait for one another.
      const [row] = await queries.query(
        `with batch as materialized (select nextval('${sequence}') * ${seqStride} as base),
         stored as (
           insert into ${inbox} (id, seq, key, type, event, state, received_at, due_at)
           select g.id, batch.base + g.position, g.key, g.type, g.event, 'waiting', g.at::bigint, g.at::bigint
           from batch, unnest(string_to_array($1, E'\\n'), string_to_array($2, E'\\n', E'\\x01'),
             string_to_array($3, E'\\n'), string_to_array($4, E'\\n'), string_to_array($5, E'\\n'))
             with ordinality as g(id, key, type, event, at, position)
           order by g.id, g.position
           on conflict (id) do nothing returning 1)
         select count(*) from stored`,
        [
          events.map(({ event }) => columnText(event.id)).join('\n'),
          events.map(({ key }) => (key === null ? '\u0001' : columnText(key))).join('\n'),
          events.map(({ event }) => columnText(event.type)).join('\n'),
          events.map(({ event }) => JSON.stringify(event)).join('\n'),
          events.map(({ receivedAt }) => receivedAt.getTime()).join('\n'),
        ],
      );
      return Number(row?.[0] ?? 0);
    },

    async nextBase(queries) {
      const [row] = await queries.query(`select nextval('${sequence}') * ${seqStride}`);
      return Number(row?.[0]);
    },

    // Without waiting for the disk: see sql-nonces.ts.
    async rememberNonce(values) {
      const rows = await database.query(
        `with quick as materialized (select set_config('synchronous_commit', 'off', true))
         insert into ${nonces} (key_id, nonce, forget_after) select $1::text, $2::text, $3::bigint from quick
         on conflict do nothing returning 1`,
        values,
      );
      return rows.length > 0;
    },
  };
}
