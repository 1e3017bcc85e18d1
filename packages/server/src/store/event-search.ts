// Events of the log as an operator searches them: over all partitions, newest first. There is no index by time or type: a
// search reads the log backwards in windows of time, and each window ends at an offset of each partition (`log-times.ts`).
//
// A search that finds little does not read the whole log in one go: after `budgetMs` it stops, says how far it got and where
// to go on. Windows start small and grow while they are quick, so that a cold disk or a small machine means more steps, not
// longer ones.

import type { Database, Parameter, Queryable } from './database.ts';
import { type LogEdges, type LogRange, offsetsBefore, readEdges } from './log-times.ts';
import { type EventRow, partitionsOf } from './operator-events.ts';

export interface EventSearch {
  readonly clientId?: string | undefined;
  /** A type, or a category (without a dot). */
  readonly type?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  /** Where the page before ended: per partition, only offsets below. */
  readonly below?: ReadonlyMap<number, number> | undefined;
  readonly limit: number;
}

export interface EventPage {
  readonly rows: readonly EventRow[];
  /** Everything appended since then was searched, and where to go on; undefined: nothing is left to search. */
  readonly more: { readonly searchedBackTo: Date; readonly below: ReadonlyMap<number, number> } | undefined;
}

export interface Pace {
  /** After this time no further window is read. */
  readonly budgetMs: number;
  readonly firstWindowEvents: number;
}

const usualPace: Pace = { budgetMs: 120, firstWindowEvents: 4_000 };
const maxWindowEvents = 64_000;
/** A window that took less is followed by one twice as large. */
const quickMs = 25;

/** `{"id":"…","created_at":"…"` with the longest legal timestamp. */
const beginningLength = 160;

export async function searchEvents(
  database: Database,
  filter: EventSearch,
  { budgetMs, firstWindowEvents }: Pace = usualPace,
): Promise<EventPage> {
  const startedMs = performance.now();
  const asked = await rangesOf(database, filter);
  const rows: EventRow[] = [];
  let left = await readEdges(database, asked);
  const isFiltered = filter.clientId !== undefined || filter.type !== undefined;
  let size: WindowSize = { events: isFiltered ? firstWindowEvents : 4 * filter.limit, ms: undefined };
  while (left.length > 0) {
    const windowStartedMs = performance.now();
    const window = await nextWindow(database, left, size);
    rows.push(...(await readWindow(database, window.ranges, filter, filter.limit - rows.length)));
    const last = rows.at(-1);
    if (last && rows.length >= filter.limit) {
      return {
        rows,
        more: { searchedBackTo: last.appended_at, below: await belowRow(database, asked, left, rows, last) },
      };
    }
    left = await readEdges(database, window.left);
    const nowMs = performance.now();
    if (left.length > 0 && nowMs - startedMs > budgetMs) {
      return { rows, more: { searchedBackTo: window.start, below: belowRanges(asked, left) } };
    }
    const isQuick = nowMs - windowStartedMs < quickMs;
    size = { events: isQuick ? Math.min(maxWindowEvents, size.events * 2) : size.events, ms: window.nextMs };
  }
  return { rows, more: undefined };
}

async function rangesOf(database: Database, { clientId, since, until, below }: EventSearch): Promise<LogRange[]> {
  const partitions = await partitionsOf(database, clientId);
  const all = partitions.map((partition) => ({
    partition,
    low: 0,
    high: (below?.get(partition) ?? Number.MAX_SAFE_INTEGER) - 1,
  }));
  if (since === undefined && until === undefined) return all;
  const known = await readEdges(database, all);
  const lows = since && (await offsetsBefore(database, known, since));
  const highs = until && (await offsetsBefore(database, known, until));
  return all.map(({ partition }) => {
    const edges = known.find((each) => each.partition === partition) ?? { low: 0, high: 0 };
    return { partition, low: lows?.get(partition) ?? edges.low, high: highs?.get(partition) ?? edges.high };
  });
}

interface WindowSize {
  readonly events: number;
  /** A guess; undefined: none yet. */
  readonly ms: number | undefined;
}

/** The newest of what is left, about so many events: their ranges, what is left then, and a guess for the next window. */
async function nextWindow(db: Queryable, left: readonly LogEdges[], { events, ms }: WindowSize) {
  const endMs = Math.max(...left.map(({ lastAt }) => lastAt.getTime())) + 1;
  const firstMs = Math.min(...left.map(({ firstAt }) => firstAt.getTime()));
  const all = left.reduce((sum, { low, high }) => sum + high - low, 0);
  let spanMs = ms ?? Math.ceil((endMs - firstMs) * Math.min(1, events / all));
  for (;;) {
    const start = new Date(Math.max(firstMs, endMs - spanMs));
    const starts = endMs - spanMs > firstMs ? await offsetsBefore(db, left, start) : undefined;
    const ranges = left.map(({ partition, low, high }) => ({ partition, low: starts?.get(partition) ?? low, high }));
    const count = ranges.reduce((sum, { low, high }) => sum + high - low, 0);
    if (count > 2 * events && spanMs > 1) {
      spanMs = Math.max(1, Math.floor(spanMs * Math.min(0.5, events / count)));
      continue;
    }
    const rest = left.map(({ partition, low }) => ({ partition, low, high: starts?.get(partition) ?? low }));
    return { start, ranges, left: rest, nextMs: Math.ceil(spanMs * Math.min(16, events / Math.max(1, count))) };
  }
}

async function readWindow(
  db: Queryable,
  ranges: readonly LogRange[],
  { clientId, type }: EventSearch,
  limit: number,
): Promise<EventRow[]> {
  const parameters: Parameter[] = [JSON.stringify(ranges), limit];
  const conditions: string[] = [];
  if (clientId !== undefined) conditions.push(`client_id = $${parameters.push(clientId)}::uuid`);
  if (type !== undefined) {
    const value = `$${parameters.push(type)}::text`;
    conditions.push(type.includes('.') ? `type = ${value}` : `split_part(type, '.', 1) = ${value}`);
  }
  return db.query<EventRow>(
    `select e.partition, e.event_offset, e.client_id, e.id, e.type, substr(e.body, 1, ${beginningLength}) as beginning,
       octet_length(e.body) as bytes, e.appended_at
     from json_to_recordset($1::text::json) as r (partition integer, low bigint, high bigint)
     cross join lateral (
       select * from events
       where partition = r.partition and event_offset > r.low and event_offset <= r.high
         ${conditions.map((condition) => `and ${condition}`).join(' ')}
       order by event_offset desc limit $2
     ) e
     order by e.appended_at desc, e.partition desc, e.event_offset desc limit $2`,
    parameters,
  );
}

/** Where to go on after a full page: a partition that has no row on it goes on at the time of the last row. */
async function belowRow(
  db: Queryable,
  asked: readonly LogRange[],
  left: readonly LogRange[],
  rows: readonly EventRow[],
  last: EventRow,
): Promise<ReadonlyMap<number, number>> {
  const ends = await offsetsBefore(db, left, new Date(last.appended_at.getTime() + 1));
  const below = new Map(asked.map(({ partition }) => [partition, (ends.get(partition) ?? -1) + 1]));
  for (const row of rows) below.set(row.partition, row.event_offset);
  return below;
}

/** Every partition is named, those too that are done. */
function belowRanges(asked: readonly LogRange[], left: readonly LogRange[]): ReadonlyMap<number, number> {
  return new Map([
    ...asked.map(({ partition }): [number, number] => [partition, 0]),
    ...left.map(({ partition, high }): [number, number] => [partition, high + 1]),
  ]);
}
