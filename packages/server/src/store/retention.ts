// Retention: old events, attempts and rows of the audit trail are deleted in small batches, in the background.
//
// An event goes when it is older than its time and every enabled webhook of its tenant has it: the tenant's low-water mark
// is the lowest cursor of its enabled webhooks, and lies below whatever a person parked. One blocked webhook thus pins its
// own tenant's events and nobody else's; a disabled one pins nothing.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from './database.ts';

export interface RetentionOptions {
  readonly database: Database;
  /** The partitions that this process runs. */
  readonly partitions: () => readonly number[];
  readonly eventDays: number;
  readonly attemptDays: number;
  readonly auditDays: number;
  readonly onError: (error: unknown, where: string) => void;
}

const batchRows = 500;
/** Between batches, so that deliveries hardly notice. */
const breathMs = 50;
const roundMs = 60_000;
/** Of the audit trail, and of test deliveries, by calls of one tenant. */
const rowsOfTenant = 10_000;
/** Some rounds: one that failed is made up for. The first round of a process looks at everybody. */
const latelyMinutes = 10;

/** Until the signal aborts. */
export async function retain(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const log = async () => {
    for (const partition of options.partitions()) await sweepEvents(options, partition, signal);
    await sweepAttempts(options, signal);
  };
  let isFirst = true;
  const calls = async () => {
    await sweepAudit(options, signal);
    const ofWhom = isFirst ? 'all' : 'lately';
    await sweepOwnRows({ ...options, ofWhom }, 'audit', signal);
    await sweepOwnRows({ ...options, ofWhom }, 'attempts', signal);
    isFirst = false;
  };
  // Apart: a long log must not keep a busy tenant's rows from going.
  await Promise.all([inRounds(log, options, signal), inRounds(calls, options, signal)]);
}

async function inRounds(work: () => Promise<void>, options: RetentionOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await work();
    } catch (error) {
      options.onError(error, 'retention');
    }
    // An abort ends the pause early; the loop's condition sees it.
    await sleep(roundMs, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** Deletes what may go from one partition; answers how many events went. */
export async function sweepEvents(
  { database, eventDays }: Pick<RetentionOptions, 'database' | 'eventDays'>,
  partition: number,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for (let after = 0; !signal.aborted; ) {
    // Old events in order of the log, each with the mark of its tenant; pinned ones are passed over.
    const [batch] = await database.query<{ scanned: number; last: number | null; deleted: number }>(
      `with old as (
         select event_offset, client_id from events
         where partition = $1 and event_offset > $2 and appended_at < now() - $3::integer * interval '1 day'
         order by event_offset limit ${batchRows}
       ), marks as (
         select tenant.client_id, least(
           (select min(coalesce(w.cursor, p.checkpoint)) from webhooks w join partitions p on p.id = w.partition
            where w.client_id = tenant.client_id and w.enabled),
           (select min(first_offset) - 1 from parked where parked.client_id = tenant.client_id)) as mark
         from (select distinct client_id from old) as tenant
       ), gone as (
         delete from events using old join marks using (client_id)
         where events.partition = $1 and events.event_offset = old.event_offset
           and (marks.mark is null or old.event_offset <= marks.mark)
         returning 1
       )
       select (select count(*) from old) as scanned, (select max(event_offset) from old) as last,
         (select count(*) from gone) as deleted`,
      [partition, after, eventDays],
    );
    deleted += batch?.deleted ?? 0;
    if (!batch || batch.last === null || batch.scanned < batchRows) return deleted;
    after = batch.last;
    await sleep(breathMs);
  }
  return deleted;
}

export async function sweepAttempts(
  { database, attemptDays }: Pick<RetentionOptions, 'database' | 'attemptDays'>,
  signal: AbortSignal,
): Promise<number> {
  return inBatches(signal, () =>
    database.query(
      `delete from attempts where id in (
         select id from attempts where started_at < now() - $1::integer * interval '1 day'
         order by started_at, id limit ${batchRows})
       returning 1 as one`,
      [attemptDays],
    ),
  );
}

export async function sweepAudit(
  { database, auditDays }: Pick<RetentionOptions, 'database' | 'auditDays'>,
  signal: AbortSignal,
): Promise<number> {
  return inBatches(signal, () =>
    database.query(
      `delete from audit where id in (
         select id from audit where at < now() - $1::integer * interval '1 day' order by at, id limit ${batchRows})
       returning 1 as one`,
      [auditDays],
    ),
  );
}

/** What a tenant's own calls write, and test deliveries, whoever asked for them. Other deliveries, and what operators did, stay. */
const ownRows = {
  audit: { at: 'at', own: `actor like 'tenant:%' and client_id is not null` },
  attempts: { at: 'started_at', own: `kind = 'test'` },
} as const;

interface OwnRowsOptions extends Pick<RetentionOptions, 'database'> {
  readonly keep?: number;
  /** Of those who wrote lately, unless told. */
  readonly ofWhom?: 'all' | 'lately';
}

/** Leaves each tenant the newest of its own rows. */
export async function sweepOwnRows(
  { database, keep = rowsOfTenant, ofWhom = 'lately' }: OwnRowsOptions,
  table: keyof typeof ownRows,
  signal: AbortSignal,
): Promise<number> {
  const { at, own } = ownRows[table];
  const lately = ofWhom === 'all' ? '' : `${at} > now() - ${latelyMinutes} * interval '1 minute' and`;
  const tenants = await database.query<{ client_id: string }>(
    `select distinct client_id from ${table} where ${lately} ${own}`,
  );
  let deleted = 0;
  for (const { client_id } of tenants) {
    // Where those that stay end is found once; what is written meanwhile waits for the next round.
    const [last] = await database.query<{ at: string; id: string }>(
      `select ${at}::text as at, id from ${table} where client_id = $1 and ${own}
       order by ${at} desc, id desc offset $2 limit 1`,
      [client_id, keep],
    );
    if (last === undefined) continue;
    deleted += await inBatches(signal, () =>
      database.query(
        `delete from ${table} where id in (
           select id from ${table} where client_id = $1 and ${own}
             and (${at}, id) <= ($2::text::timestamptz, $3::uuid)
           order by ${at}, id limit ${batchRows})
         returning 1 as one`,
        [client_id, last.at, last.id],
      ),
    );
  }
  return deleted;
}

/** Until a batch finds less than it may take. */
async function inBatches(signal: AbortSignal, batch: () => Promise<readonly unknown[]>): Promise<number> {
  let deleted = 0;
  while (!signal.aborted) {
    const gone = await batch();
    deleted += gone.length;
    if (gone.length < batchRows) return deleted;
    await sleep(breathMs);
  }
  return deleted;
}
