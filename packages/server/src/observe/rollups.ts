// What flowed, a row a minute, for the charts. Counted in memory and added to the table once in ten seconds, so the hot
// path pays a few additions a package. A flush that fails is added to the next one; a killed process loses at most ten
// seconds of its counts, never an event.
//
// All processes add to the same rows.

import type { Database, Queryable } from '../store/database.ts';
import type { Observer } from './observer.ts';

/** Upper bounds of the columns `wire_*`, in milliseconds; the last column has the rest. */
export const wireBoundsMs = [5, 25, 100, 1000] as const;

const minuteMs = 60_000;
const flushEveryMs = 10_000;

export interface Totals {
  publishedEvents: number;
  duplicateEvents: number;
  deliveredEvents: number;
  deliveredPackages: number;
  failedAttempts: number;
  readonly wire: number[];
}

export interface RollupRow {
  readonly minute: Date;
  readonly published_events: number;
  readonly duplicate_events: number;
  readonly delivered_events: number;
  readonly delivered_packages: number;
  readonly failed_attempts: number;
  readonly wire_5: number;
  readonly wire_25: number;
  readonly wire_100: number;
  readonly wire_1000: number;
  readonly wire_more: number;
}

const columns = [
  ...['published_events', 'duplicate_events', 'delivered_events', 'delivered_packages', 'failed_attempts'],
  ...['wire_5', 'wire_25', 'wire_100', 'wire_1000', 'wire_more'],
];

function noTotals(): Totals {
  return {
    publishedEvents: 0,
    duplicateEvents: 0,
    deliveredEvents: 0,
    deliveredPackages: 0,
    failedAttempts: 0,
    wire: [0, 0, 0, 0, 0],
  };
}

export interface Rollups extends Observer {
  /** Since the process started, for rates. */
  readonly totals: Totals;
  /** Adds what was counted to the table. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export function createRollups(options: {
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Rollups {
  const { database, now, onError } = options;
  const totals = noTotals();
  /** Not yet in the table, by the start of its minute. */
  let pending = new Map<number, Totals>();
  let minuteStart = 0;
  let current = noTotals();

  const minute = (): Totals => {
    const start = Math.floor(now() / minuteMs) * minuteMs;
    if (start !== minuteStart || !pending.has(start)) {
      minuteStart = start;
      current = pending.get(start) ?? noTotals();
      pending.set(start, current);
    }
    return current;
  };

  async function flush(): Promise<void> {
    if (pending.size === 0) return;
    const flushed = pending;
    pending = new Map();
    try {
      await addToTable(database, flushed);
    } catch (error) {
      for (const [start, counts] of flushed) {
        const later = pending.get(start);
        if (later) add(later, counts);
        else pending.set(start, counts);
      }
      // `current` may be one of the minutes that were put aside.
      minuteStart = 0;
      throw error;
    }
  }

  // One at a time: a flush of the end must not overtake the timer's.
  let flushing: Promise<void> = Promise.resolve();
  const flushInTurn = (): Promise<void> => {
    const next = flushing.then(flush);
    flushing = next.catch(() => {});
    return next;
  };
  const timer = setInterval(() => void flushInTurn().catch(onError), flushEveryMs);
  timer.unref();

  return {
    totals,
    appended(accepted, duplicates) {
      const counts = minute();
      for (const each of [totals, counts]) {
        each.publishedEvents += accepted;
        each.duplicateEvents += duplicates;
      }
    },
    attempted(outcome, events, _durationMs, dueToWireMs) {
      if (outcome === 'aborted') return;
      const counts = minute();
      const bucket = dueToWireMs === undefined ? -1 : bucketOf(dueToWireMs);
      for (const each of [totals, counts]) {
        if (outcome === 'ok') {
          each.deliveredEvents += events;
          each.deliveredPackages += 1;
        } else {
          each.failedAttempts += 1;
        }
        if (bucket >= 0) each.wire[bucket] = (each.wire[bucket] ?? 0) + 1;
      }
    },
    signed() {},
    recorded() {},
    flush: flushInTurn,
    async close() {
      clearInterval(timer);
      await flushInTurn().catch(onError);
    },
  };
}

function bucketOf(ms: number): number {
  const index = wireBoundsMs.findIndex((bound) => ms <= bound);
  return index === -1 ? wireBoundsMs.length : index;
}

function add(to: Totals, from: Totals): void {
  to.publishedEvents += from.publishedEvents;
  to.duplicateEvents += from.duplicateEvents;
  to.deliveredEvents += from.deliveredEvents;
  to.deliveredPackages += from.deliveredPackages;
  to.failedAttempts += from.failedAttempts;
  for (const [index, count] of from.wire.entries()) to.wire[index] = (to.wire[index] ?? 0) + count;
}

async function addToTable(db: Queryable, minutes: ReadonlyMap<number, Totals>): Promise<void> {
  const rows = [...minutes].map(([start, counts]) => ({
    minute: new Date(start).toISOString(),
    published_events: counts.publishedEvents,
    duplicate_events: counts.duplicateEvents,
    delivered_events: counts.deliveredEvents,
    delivered_packages: counts.deliveredPackages,
    failed_attempts: counts.failedAttempts,
    wire_5: counts.wire[0],
    wire_25: counts.wire[1],
    wire_100: counts.wire[2],
    wire_1000: counts.wire[3],
    wire_more: counts.wire[4],
  }));
  await db.query(
    `insert into rollups (minute, ${columns.join(', ')})
     select minute, ${columns.join(', ')} from json_to_recordset($1::text::json)
       as entry (minute timestamptz, ${columns.map((name) => `${name} bigint`).join(', ')})
     order by minute
     on conflict (minute) do update set ${columns.map((name) => `${name} = rollups.${name} + excluded.${name}`).join(', ')}`,
    [JSON.stringify(rows)],
  );
}

/** Oldest first; minutes without traffic have no row. */
export async function readRollups(db: Queryable, since: Date): Promise<RollupRow[]> {
  return db.query<RollupRow>('select * from rollups where minute >= $1 order by minute', [since]);
}

export async function deleteOldRollups(db: Queryable, before: Date): Promise<void> {
  await db.query('delete from rollups where minute < $1', [before]);
}
