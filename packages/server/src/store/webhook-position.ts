// What a person may do to a webhook's position in the log: try again now, skip the package that blocks, replay from an
// earlier point. Skip and replay bump `position_version`, so that a late answer to what was sent before moves nothing.
//
// The cursor passes an undelivered event only with a row in `parked`, which retention respects: a skip parks the pending
// package, a replay that moves forward parks what it jumps over.
//
// Lock order: partition row, then webhook row (as in `webhooks.ts`). All searching and counting in the log happens before
// the locks are taken.

import { v7 as uuidv7 } from 'uuid';
import { filterConditions } from '../log/postgres-log.ts';
import type { Database, Parameter, Queryable } from './database.ts';
import { offsetsBefore, readEdges } from './log-times.ts';

export interface PositionRow {
  readonly id: string;
  readonly client_id: string;
  readonly partition: number;
  readonly enabled: boolean;
  readonly type: readonly string[];
  readonly exclude_type: readonly string[] | null;
  readonly started_at: Date | null;
  readonly cursor: number | null;
  readonly pending_id: string | null;
  readonly pending_first: number | null;
  readonly pending_last: number | null;
  readonly pending_type: readonly string[] | null;
  readonly pending_exclude_type: readonly string[] | null;
  readonly attempts: number;
  readonly blocked_since: Date | null;
  readonly blocked_reason: string | null;
}

export interface ParkedRow {
  readonly id: string;
  readonly first_offset: number;
  readonly last_offset: number;
  readonly event_count: number;
  readonly reason: string | null;
  readonly parked_at: Date;
  readonly parked_text: string;
}

const clearPending = `pending_id = null, pending_first = null, pending_last = null, pending_version = null,
  pending_type = null, pending_exclude_type = null, attempts = 0, next_attempt_at = null, blocked_since = null,
  blocked_reason = null, blocked_status = null, position_version = position_version + 1`;

export async function findPosition(db: Queryable, id: string): Promise<PositionRow | undefined> {
  const [row] = await db.query<PositionRow>('select * from webhooks where id = $1', [id]);
  return row;
}

/** The row, locked for change; undefined when it is gone. */
export async function lockPosition(tx: Queryable, id: string): Promise<PositionRow | undefined> {
  const [row] = await tx.query<PositionRow>('select * from webhooks where id = $1 for update', [id]);
  return row;
}

/** False when no package waits for a retry. */
export async function retryNow(tx: Queryable, id: string, now: Date): Promise<boolean> {
  const rows = await tx.query(
    'update webhooks set next_attempt_at = $2 where id = $1 and pending_first is not null returning id',
    [id, now],
  );
  return rows.length > 0;
}

/** Events of a range that match a filter. */
export async function countMatching(
  db: Queryable,
  range: { readonly partition: number; readonly after: number; readonly upTo: number },
  filter: {
    readonly clientId: string;
    readonly type: readonly string[];
    readonly excludeType: readonly string[] | null;
  },
): Promise<number> {
  const parameters: Parameter[] = [range.partition, range.after, range.upTo];
  const conditions = filterConditions({ ...filter, excludeType: filter.excludeType ?? undefined }, parameters);
  const [row] = await db.query<{ count: number }>(
    `select count(*)::integer as count from events
     where partition = $1 and event_offset > $2 and event_offset <= $3 and ${conditions.join(' and ')}`,
    parameters,
  );
  return row?.count ?? 0;
}

/** For a locked row with a pending package: parks it and puts the cursor behind it. */
export async function skipPending(tx: Queryable, row: PositionRow, events: number, now: Date): Promise<void> {
  if (row.pending_first === null || row.pending_last === null) throw new TypeError('No package is pending');
  await park(tx, row, row.pending_first, row.pending_last, events, row.blocked_reason, now);
  await tx.query(`update webhooks set cursor = pending_last, ${clearPending} where id = $1`, [row.id]);
}

/** Puts the cursor at an offset and lets the caller add to the transaction; false when the webhook is gone. */
export async function moveCursor(
  database: Database,
  id: string,
  target: number,
  now: Date,
  also: (tx: Queryable, before: PositionRow, position: number) => Promise<void>,
): Promise<boolean> {
  const known = await findPosition(database, id);
  if (!known) return false;
  return database.transaction(async (tx) => {
    const [partition] = await tx.query<{ head: number; checkpoint: number }>(
      'select head, checkpoint from partitions where id = $1 for share',
      [known.partition],
    );
    const row = await lockPosition(tx, id);
    if (!row || !partition) return false;
    const position = row.cursor ?? (row.started_at === null ? partition.head : partition.checkpoint);
    if (target > position) {
      const jumped = await countMatching(
        tx,
        { partition: row.partition, after: position, upTo: target },
        { clientId: row.client_id, type: row.type, excludeType: row.exclude_type },
      );
      if (jumped > 0) await park(tx, row, position + 1, target, jumped, 'replay', now);
    }
    await tx.query(
      `update webhooks set cursor = $2, started_at = coalesce(started_at, $3), ${clearPending} where id = $1`,
      [id, target, now],
    );
    await also(tx, row, position);
    return true;
  });
}

async function park(
  tx: Queryable,
  row: PositionRow,
  first: number,
  last: number,
  events: number,
  reason: string | null,
  now: Date,
): Promise<void> {
  await tx.query(
    `insert into parked (id, webhook_id, client_id, partition, first_offset, last_offset, event_count, reason, parked_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [uuidv7(), row.id, row.client_id, row.partition, first, last, events, reason, now],
  );
}

export async function listParked(
  db: Queryable,
  webhookId: string,
  page: { readonly limit: number; readonly before?: { readonly at: string; readonly id: string } | undefined },
): Promise<ParkedRow[]> {
  return db.query<ParkedRow>(
    `select *, to_char(parked_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as parked_text
     from parked where webhook_id = $1
       and ($3::text is null or (parked_at, id) < ($3::text::timestamptz, $4::uuid))
     order by parked_at desc, id desc limit $2`,
    [webhookId, page.limit, page.before?.at ?? null, page.before?.id ?? null],
  );
}

/** Of these webhooks, those that a skip, or a replay forward, made pass over an offset. */
export async function parkedOfOffset(
  db: Queryable,
  webhookIds: readonly string[],
  offset: number,
): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ webhook_id: string }>(
    'select webhook_id from parked where webhook_id = any($1::uuid[]) and first_offset <= $2 and last_offset >= $2',
    [webhookIds, offset],
  );
  return new Set(rows.map((row) => row.webhook_id));
}

/** The offset of the last event appended before `time`; 0 when there is none. */
export async function lastOffsetBefore(db: Queryable, partition: number, time: Date): Promise<number> {
  const edges = await readEdges(db, [{ partition, low: 0, high: Number.MAX_SAFE_INTEGER }]);
  return (await offsetsBefore(db, edges, time)).get(partition) ?? 0;
}

export async function offsetOfEvent(db: Queryable, clientId: string, eventId: string): Promise<number | undefined> {
  const [row] = await db.query<{ event_offset: number }>(
    'select event_offset from events where client_id = $1 and id = $2',
    [clientId, eventId],
  );
  return row?.event_offset;
}

/**
 * Since when the log is complete for a tenant: as long as the partition's first event is there, since the log was made;
 * after retention took something, since the tenant's oldest event.
 */
export async function logStart(db: Queryable, partition: number, clientId: string): Promise<Date> {
  const [row] = await db.query<{ start: Date | null }>(
    `select case
       when coalesce((select min(event_offset) from events where partition = $1), 1) = 1
         then (select min(applied_at) from migrations)
       else (select appended_at from events where partition = $1 and client_id = $2 order by event_offset limit 1)
     end as start`,
    [partition, clientId],
  );
  return row?.start ?? new Date(0);
}
