// Retention: old events and attempts are deleted in small batches, in the background, partition by partition.
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
  readonly onError: (error: unknown, where: string) => void;
}

const batchRows = 500;
/** Between batches, so that deliveries hardly notice. */
const breathMs = 50;
const roundMs = 60_000;

/** Until the signal aborts. */
export async function retain(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const partition of options.partitions()) await sweepEvents(options, partition, signal);
      await sweepAttempts(options, signal);
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
  let deleted = 0;
  while (!signal.aborted) {
    const gone = await database.query(
      `delete from attempts where id in (
         select id from attempts where started_at < now() - $1::integer * interval '1 day'
         order by started_at, id limit ${batchRows})
       returning 1 as one`,
      [attemptDays],
    );
    deleted += gone.length;
    if (gone.length < batchRows) return deleted;
    await sleep(breathMs);
  }
  return deleted;
}
