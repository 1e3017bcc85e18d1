// Events of the log as an operator searches them: over all partitions, newest first. There is no index by time: the
// append time grows with the offset, so a time is turned into an offset by halving (`lastOffsetBefore`), and a page is
// merged from the newest rows of each partition.
//
// A search by type alone reads back until a page is full; one by tenant reads one partition.

import type { Database, Parameter, Queryable } from './database.ts';
import { lastOffsetBefore } from './webhook-position.ts';

export interface EventRow {
  readonly partition: number;
  readonly event_offset: number;
  readonly client_id: string;
  readonly id: string;
  readonly type: string;
  /** The first characters of the body: enough for `created_at`. */
  readonly beginning: string;
  readonly bytes: number;
  readonly appended_at: Date;
}

export interface EventFilter {
  readonly id?: string | undefined;
  readonly clientId?: string | undefined;
  /** A type, or a category (without a dot). */
  readonly type?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  /** Where the page before ended: per partition, only offsets below. */
  readonly below?: ReadonlyMap<number, number> | undefined;
  readonly limit: number;
}

/** `{"id":"…","created_at":"…"` with the longest legal timestamp. */
const beginningLength = 160;

export async function listEvents(database: Database, filter: EventFilter): Promise<EventRow[]> {
  const partitions = await partitionsOf(database, filter.clientId);
  const ranges = await Promise.all(
    partitions.map(async (partition) => {
      const since = filter.since ? await lastOffsetBefore(database, partition, filter.since) : 0;
      const until = filter.until ? (await lastOffsetBefore(database, partition, filter.until)) + 1 : undefined;
      const below = Math.min(until ?? Number.MAX_SAFE_INTEGER, filter.below?.get(partition) ?? Number.MAX_SAFE_INTEGER);
      return { partition, above: since, below };
    }),
  );
  const parameters: Parameter[] = [JSON.stringify(ranges), filter.limit];
  const conditions: string[] = [];
  if (filter.id !== undefined) conditions.push(`id = $${parameters.push(filter.id)}::uuid`);
  if (filter.clientId !== undefined) conditions.push(`client_id = $${parameters.push(filter.clientId)}::uuid`);
  if (filter.type !== undefined) {
    const value = `$${parameters.push(filter.type)}::text`;
    conditions.push(filter.type.includes('.') ? `type = ${value}` : `split_part(type, '.', 1) = ${value}`);
  }
  return database.query<EventRow>(
    `select e.partition, e.event_offset, e.client_id, e.id, e.type, substr(e.body, 1, ${beginningLength}) as beginning,
       octet_length(e.body) as bytes, e.appended_at
     from json_to_recordset($1::text::json) as r (partition integer, above bigint, below bigint)
     cross join lateral (
       select * from events
       where partition = r.partition and event_offset > r.above and event_offset < r.below
         ${conditions.map((condition) => `and ${condition}`).join(' ')}
       order by event_offset desc limit $2
     ) e
     order by e.appended_at desc, e.partition desc, e.event_offset desc limit $2`,
    parameters,
  );
}

async function partitionsOf(db: Queryable, clientId: string | undefined): Promise<number[]> {
  const rows =
    clientId === undefined
      ? await db.query<{ id: number }>('select id from partitions order by id')
      : await db.query<{ id: number }>('select partition as id from tenants where client_id = $1', [clientId]);
  return rows.map(({ id }) => id);
}

export interface FullEventRow extends Omit<EventRow, 'beginning' | 'bytes'> {
  readonly body: string;
}

/** Tenants choose ids: the same one may occur once per tenant. One index look-up a tenant. */
export async function findEvents(db: Queryable, id: string, clientId: string | undefined): Promise<FullEventRow[]> {
  return db.query<FullEventRow>(
    `select e.partition, e.event_offset, e.client_id, e.id, e.type, e.body, e.appended_at
     from tenants t cross join lateral (select * from events where client_id = t.client_id and id = $1 limit 1) e
     where $2::uuid is null or t.client_id = $2
     limit 2`,
    [id, clientId ?? null],
  );
}
