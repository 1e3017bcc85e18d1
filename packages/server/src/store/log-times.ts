// From times to offsets. There is no index by time: append times grow with the offsets of a partition, so the place of a time
// is found by halving, in one statement for all partitions.

import type { Queryable } from './database.ts';

/** Offsets above `low` up to `high`. */
export interface LogRange {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
}

/** The edges of a partition's log below an offset. */
export interface LogEdges extends LogRange {
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** What the log holds of each range, without the ranges of which it holds nothing. */
export async function readEdges(db: Queryable, ranges: readonly LogRange[]): Promise<LogEdges[]> {
  const rows = await db.query<{ partition: number; low: number; high: number; first_at: Date; last_at: Date }>(
    `select r.partition, first.event_offset - 1 as low, last.event_offset as high, first.appended_at as first_at,
       last.appended_at as last_at
     from json_to_recordset($1::text::json) as r (partition integer, low bigint, high bigint)
     cross join lateral (
       select event_offset, appended_at from events
       where partition = r.partition and event_offset > r.low and event_offset <= r.high
       order by event_offset limit 1) first
     cross join lateral (
       select event_offset, appended_at from events
       where partition = r.partition and event_offset > r.low and event_offset <= r.high
       order by event_offset desc limit 1) last`,
    [JSON.stringify(ranges)],
  );
  return rows.map(({ first_at: firstAt, last_at: lastAt, ...range }) => ({ ...range, firstAt, lastAt }));
}

/** Per range the offset of its last event appended before `time`; `low` of the range when there is none. */
export async function offsetsBefore(
  db: Queryable,
  ranges: readonly LogRange[],
  time: Date,
): Promise<ReadonlyMap<number, number>> {
  const rows = await db.query<{ partition: number; low: number }>(
    `with recursive halving as (
       select partition, low, high from json_to_recordset($1::text::json) as r (partition integer, low bigint, high bigint)
       union all
       -- low: before the time, or nothing; above high: not before it, or nothing.
       select h.partition, case when e.appended_at < $2 then e.event_offset else h.low end,
         case when e.appended_at < $2 then h.high else (h.low + h.high) / 2 end
       from halving h left join lateral (
         select event_offset, appended_at from events
         where partition = h.partition and event_offset > (h.low + h.high) / 2 and event_offset <= h.high
         order by event_offset limit 1
       ) e on true
       where h.low < h.high
     )
     select partition, low from halving where low >= high`,
    [JSON.stringify(ranges), time],
  );
  return new Map(rows.map(({ partition, low }) => [partition, low]));
}
