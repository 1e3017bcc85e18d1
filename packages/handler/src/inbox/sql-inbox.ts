// The inbox on a SQL database: one row an event, the same statements for PostgreSQL and SQLite. What a dialect keeps as whole
// packages at first comes after all rows in the order of storing; a claim that lacks work makes rows of it.
//
// A row's state is that of inbox.ts, and `behind`: a waiting event that was seen to have an open one of its key before it.
// Claims look at what may run only (`due_at` of a running row is the end of its lease), so that a long queue behind one
// failed event costs nothing: each of its rows is looked at once, becomes `behind`, and the end of its predecessor makes the
// next one `waiting` again. Every key with open rows has one that is not `behind`: its oldest. For that rows become visible in
// the order of their numbers, which they get under the lock of claims (PostgreSQL) or as the only writer (SQLite).
//
// Lock order: row of the event, then the lock of the dialect. Marking rows `behind` and closing an event must not overlap, or
// a row could wait for a predecessor that is gone: claims take the lock exclusively, closings share it, each as the last
// thing before the commit.
import { randomUUID } from 'node:crypto';
import type { WebhookEvent } from '@bellhop/events';
import { columnText, noteText } from './column-text.ts';
import { groupCommit } from './group-commit.ts';
import type { Inbox, InboxEvent, Job, Outcome } from './inbox.ts';
import { sqlAdmin } from './sql-admin.ts';
import type { Dialect, EventRow, Queries, SqlDatabase, Tables, Unpacked } from './sql-database.ts';
import { placeholders } from './sql-database.ts';
import { sqlMarks } from './sql-marks.ts';
import { sqlNonces } from './sql-nonces.ts';

export interface SqlInboxOptions {
  /** How long a claim holds when its process dies. Default 30,000. */
  readonly leaseMs?: number;
  /** How long ids of closed events are remembered for deduplication, and the events kept for replay. Default 90 days. */
  readonly retentionMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const dayMs = 86_400_000;
/** Rows looked at in one step of a claim: enough to get past a crowd of one key, few enough to be cheap. */
const candidates = 64;
const sweepBatch = 500;
const releaseWaitMs = 500;
/** Of the packages that are stored together. */
const maxGroupChars = 1_048_576;

/** Undoes the transaction of a claim that somebody else has taken over. */
class ClaimLost extends Error {}

export function sqlInbox<Tx>(
  database: SqlDatabase<Tx>,
  dialect: Dialect,
  tables: Tables,
  options: SqlInboxOptions,
): Inbox<Tx> & { readonly leaseMs: number } {
  const { leaseMs = 30_000, retentionMs = 90 * dayMs, now = Date.now } = options;
  for (const [name, value] of Object.entries({ leaseMs, retentionMs })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`${name} must be a positive integer`);
  }
  const table = tables.inbox;
  const insert = groupCommit<readonly EventRow[], number>({
    write: (packages) => dialect.insert(packages),
    weigh: (rows) => rows.reduce((chars, { event }) => chars + event.length, 0),
    maxWeight: maxGroupChars,
    maxWrites: dialect.maxWrites,
  });

  /** Known ids that were found outside of a claim, to be told by the next one. */
  let untoldDuplicates = 0;

  /** Makes rows of the oldest packages; false when there were none. */
  async function unpackSome(): Promise<boolean> {
    if (dialect.unpack === undefined) return false;
    const { events, duplicates } = await database.transaction(
      async (queries) => {
        await dialect.lock(queries, 'claim');
        return unpack(queries);
      },
      { isDurable: false },
    );
    untoldDuplicates += duplicates;
    return events > 0;
  }

  /** Makes rows of the packages that are there now, until it is enough. */
  async function unpackUntil(isEnough: () => Promise<boolean> | boolean): Promise<void> {
    if (dialect.unpack === undefined) return;
    const [row] = await database.query(`select count(*) from ${tables.packages}`);
    // Each round takes at least one, and more may come all the time.
    for (let left = Number(row?.[0]); left > 0; left -= 1) {
      if ((await isEnough()) || !(await unpackSome())) return;
    }
  }

  const unpack = async (queries: Queries): Promise<Unpacked> =>
    (await dialect.unpack?.(queries)) ?? { events: 0, duplicates: 0 };

  /** The next of the key may run. */
  async function wakeNext(queries: Queries, key: unknown): Promise<void> {
    if (typeof key !== 'string') return;
    await queries.query(
      `update ${table} set state = 'waiting' where id = (
         select id from ${table} where key = $1 and closed_at is null and state = 'behind'
         order by seq limit 1)`,
      [key],
    );
  }

  async function close(queries: Queries, job: Job, state: Outcome | 'parked', note: string | null): Promise<boolean> {
    const closedAt = state === 'parked' ? null : now();
    await dialect.lock(queries, 'close');
    const [closed] = await queries.query(
      `update ${table} set state = $1, note = $2, closed_at = $3, lease = null
       where id = $4 and lease = $5 and state = 'running' returning key`,
      [state, note, closedAt, columnText(job.event.id), job.lease],
    );
    if (closed === undefined) return false;
    await wakeNext(queries, closed[0]);
    return true;
  }

  async function claimRows(queries: Queries, limit: number, nowMs: number): Promise<Job[]> {
    const jobs: Job[] = [];
    while (jobs.length < limit) {
      const seen = await queries.query(
        `select c.id, case
           when c.key is not null and exists (select 1 from ${table} e where e.key = c.key and e.seq < c.seq
             and e.closed_at is null and e.state in ('waiting', 'running', 'retrying')) then 0
           else 1 end
         from ${table} c
         where c.state in ('waiting', 'running', 'retrying') and c.due_at <= $1
         order by c.due_at, c.seq limit ${candidates} ${dialect.skipLocked}`,
        [nowMs],
      );
      const heads = seen.filter((row) => Number(row[1]) === 1).map((row) => String(row[0]));
      const behind = seen.filter((row) => Number(row[1]) === 0).map((row) => String(row[0]));
      if (behind.length > 0) {
        await queries.query(
          `update ${table} set state = 'behind' where id in (${placeholders(behind.length, 0)})`,
          behind,
        );
      }
      jobs.push(...(await take(queries, heads.slice(0, limit - jobs.length), nowMs)));
      if (seen.length < candidates) break;
    }
    return jobs;
  }

  async function take(queries: Queries, ids: readonly string[], nowMs: number): Promise<Job[]> {
    if (ids.length === 0) return [];
    const lease = randomUUID();
    const rows = await queries.query(
      `update ${table} set state = 'running', lease = $1, due_at = $2, attempts = attempts + 1
       where id in (${placeholders(ids.length, 2)})
       returning id, event, key, received_at, attempts, replay`,
      [lease, nowMs + leaseMs, ...ids],
    );
    const byId = new Map(rows.map((row) => [String(row[0]), row]));
    return ids.flatMap((id) => {
      const row = byId.get(id);
      if (row === undefined) return [];
      const [, event, key, receivedAt, attempt, replay] = row;
      return {
        event: eventOf(event),
        key: typeof key === 'string' ? key : null,
        receivedAt: new Date(Number(receivedAt)),
        attempt: Number(attempt),
        replay: Number(replay) === 1,
        lease,
      };
    });
  }

  /** A package that is still whole was deduplicated at no time yet: it needs what was known when it came. */
  async function oldestKnownFor(sweptAt: Date): Promise<number> {
    if (dialect.unpack === undefined) return sweptAt.getTime();
    const [oldest] = await database.query(`select received_at from ${tables.packages} order by seq limit 1`);
    return oldest === undefined ? sweptAt.getTime() : Math.min(sweptAt.getTime(), Number(oldest[0]));
  }

  /** With rows made of packages where rows are too few. */
  async function claimOnce(limit: number, nowMs: number, canUnpack: boolean) {
    // A claim that a power cut undoes is none: nothing waits for the disk while all others wait for the claim.
    return database.transaction(
      async (queries) => {
        await dialect.lock(queries, 'claim');
        const jobs = await claimRows(queries, limit, nowMs);
        const unpacked = canUnpack && jobs.length < limit ? await unpack(queries) : { events: 0, duplicates: 0 };
        if (unpacked.events > 0) jobs.push(...(await claimRows(queries, limit - jobs.length, nowMs)));
        if (jobs.length > 0) return { jobs, nextDueAt: null, unpacked };
        const [next] = await queries.query(
          `select min(due_at) from ${table} where state = 'retrying' and due_at > $1`,
          [nowMs],
        );
        const dueAt = next?.[0] ?? null;
        return { jobs, nextDueAt: dueAt === null ? null : new Date(Number(dueAt)), unpacked };
      },
      { isDurable: false },
    );
  }

  return {
    durable: true,
    leaseMs,
    nonces: sqlNonces(database, dialect, tables, now),

    async store(events) {
      const stored = await insert(events.map(rowOf));
      return { stored, duplicates: events.length - stored };
    },

    async claim({ limit, now: claimedAt }) {
      const startedAt = performance.now();
      for (;;) {
        // What was stored while this waited is due as well.
        const nowMs = claimedAt.getTime() + Math.floor(performance.now() - startedAt);
        const { unpacked, ...result } = await claimOnce(limit, nowMs, true).catch(async (error: unknown) => {
          if (dialect.unpack === undefined) throw error;
          // A package that the table refuses must not keep what it holds already from being processed.
          const rows = await claimOnce(limit, nowMs, false);
          if (rows.jobs.length === 0) throw error;
          return rows;
        });
        untoldDuplicates += unpacked.duplicates;
        if (result.jobs.length === 0 && unpacked.events > 0) continue;
        const duplicates = untoldDuplicates;
        untoldDuplicates = 0;
        return duplicates > 0 ? { ...result, duplicates } : result;
      }
    },

    async complete(job, work) {
      try {
        await database.transaction(async (queries, tx) => {
          if (dialect.rowLocks) {
            // Held until the commit: while the listener runs nobody can take the event over, lease or not.
            const held = await queries.query(
              `select 1 from ${table} where id = $1 and lease = $2 and state = 'running' for update`,
              [columnText(job.event.id), job.lease],
            );
            if (held.length === 0) throw new ClaimLost();
          }
          const outcome = await work(tx, sqlMarks(queries, tables, now));
          if (!(await close(queries, job, outcome, null))) throw new ClaimLost();
        });
        return true;
      } catch (error) {
        if (error instanceof ClaimLost) return false;
        throw error;
      }
    },

    async fail(job, { error, retryAt }) {
      await database.query(
        `update ${table} set state = 'retrying', due_at = $1, note = $2, failed_at = coalesce(failed_at, $3), lease = null
         where id = $4 and lease = $5 and state = 'running'`,
        [retryAt.getTime(), noteText(error), now(), columnText(job.event.id), job.lease],
      );
    },

    async park(job, { error }) {
      await database.transaction((queries) => close(queries, job, 'parked', noteText(error)));
    },

    async release(job) {
      await database.transaction(async (queries) => {
        // A listener that hangs in a statement keeps its row. Who stops does not wait for it: the end of the lease gives it back.
        if (dialect.rowLocks) await queries.query(`select set_config('lock_timeout', '${releaseWaitMs}', true)`);
        await queries.query(
          `update ${table} set state = 'waiting', due_at = received_at, attempts = attempts - 1, lease = null
           where id = $1 and lease = $2 and state = 'running'`,
          [columnText(job.event.id), job.lease],
        );
      });
    },

    async renew(jobs, renewedAt) {
      if (jobs.length === 0) return;
      const leases = [...new Set(jobs.map((job) => job.lease))];
      const ids = jobs.map((job) => columnText(job.event.id));
      // Rows that are locked belong to listeners that run in their transaction: they need no lease.
      await database.query(
        `update ${table} set due_at = $1 where id in (
           select id from ${table} where id in (${placeholders(ids.length, 1)})
             and lease in (${placeholders(leases.length, 1 + ids.length)}) and state = 'running' ${dialect.skipLocked})`,
        [renewedAt.getTime() + leaseMs, ...ids, ...leases],
      );
    },

    async sweep(sweptAt) {
      const before = (await oldestKnownFor(sweptAt)) - retentionMs;
      const swept = await database.query(
        `delete from ${table} where id in (
           select id from ${table} where closed_at < $1 order by closed_at limit ${sweepBatch} ${dialect.skipLocked})
         returning 1`,
        [before],
      );
      const forgotten = await database.query(
        `delete from ${tables.marks} where name in (
           select name from ${tables.marks} where used_at < $1 limit ${sweepBatch} ${dialect.skipLocked}) returning 1`,
        [before],
      );
      return Math.max(swept.length, forgotten.length) === sweepBatch;
    },

    ...sqlAdmin(database, dialect, tables, { now, wakeNext, unpackUntil }),
  };
}

function rowOf({ event, key, receivedAt, text }: InboxEvent): EventRow {
  return {
    id: columnText(event.id),
    key: key === null ? null : columnText(key),
    type: columnText(event.type),
    event: text === undefined || text.includes('\n') ? JSON.stringify(event) : text,
    receivedAtMs: receivedAt.getTime(),
  };
}

/** What `store` has written, which was checked before it was stored. */
export function eventOf(text: unknown): WebhookEvent {
  return JSON.parse(String(text));
}
