// How much matching waits behind a webhook's position. Counting reads the log, so a call stops after `budgetMs`, and the next
// one goes on where it stopped: while the position stays (a webhook that is blocked or disabled) the count grows to the
// exact one and then costs only what is new. Until then the answer is "more than".
//
// What was counted is kept in memory for ten minutes: of a disabled webhook retention may take what was counted.

import type { Queryable } from './database.ts';

export interface LagTarget {
  readonly id: string;
  readonly client_id: string;
  readonly partition: number;
  readonly type: readonly string[];
  readonly exclude_type: readonly string[] | null;
  /** Every matching event up to here is delivered. */
  readonly position: number;
  readonly head: number;
}

export interface Lag {
  readonly events: number;
  /** Nothing up to the head was left out. */
  readonly isComplete: boolean;
  /** When the oldest of them was appended. */
  readonly oldestAt: Date | null;
}

interface Counted {
  /** What the count is of: the position and the filter. */
  readonly of: string;
  readonly sinceMs: number;
  readonly upTo: number;
  readonly events: number;
  readonly oldestAt: Date | null;
}

/** After this time no further step is made. */
const budgetMs = 80;
/** Looked at in the first step; one that was quick is followed by one twice as large. */
const firstStepEvents = 4_000;
const quickMs = 20;
const keptMs = 600_000;
const maxKept = 10_000;

const memories = new WeakMap<Queryable, Map<string, Counted>>();

/** By webhook id. */
export async function countLags(db: Queryable, targets: readonly LagTarget[]): Promise<ReadonlyMap<string, Lag>> {
  const memory = memories.get(db) ?? new Map<string, Counted>();
  memories.set(db, memory);
  const counts = new Map(targets.map((target) => [target.id, recall(memory, target)]));
  const isOpen = ({ id, head }: LagTarget): boolean => (counts.get(id)?.upTo ?? head) < head;
  const startedMs = performance.now();
  let together = firstStepEvents;
  for (let open = targets.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    const stepStartedMs = performance.now();
    await countStep(db, open, counts, Math.ceil(together / open.length));
    const nowMs = performance.now();
    if (nowMs - startedMs > budgetMs) break;
    if (nowMs - stepStartedMs < quickMs) together *= 2;
  }
  for (const { id, position, head } of targets) {
    const counted = counts.get(id);
    memory.delete(id);
    if (counted && position < head) memory.set(id, counted);
  }
  for (const id of memory.keys()) {
    if (memory.size <= maxKept) break;
    memory.delete(id);
  }
  return new Map(
    targets.map(({ id, head }) => {
      const { upTo = 0, events = 0, oldestAt = null } = counts.get(id) ?? {};
      return [id, { events, isComplete: upTo >= head, oldestAt }];
    }),
  );
}

function recall(memory: ReadonlyMap<string, Counted>, target: LagTarget): Counted {
  const of = JSON.stringify([target.position, target.type, target.exclude_type]);
  const nowMs = performance.now();
  const known = memory.get(target.id);
  if (known?.of === of && nowMs - known.sinceMs < keptMs) return known;
  return { of, sinceMs: nowMs, upTo: target.position, events: 0, oldestAt: null };
}

/** Looks at the next `each` events of every target. */
async function countStep(
  db: Queryable,
  targets: readonly LagTarget[],
  counts: Map<string, Counted>,
  each: number,
): Promise<void> {
  const asked = targets.map(({ id, client_id, partition, type, exclude_type, head, position }) => {
    return { id, client_id, partition, type, exclude_type, head, above: counts.get(id)?.upTo ?? position };
  });
  const rows = await db.query<{
    id: string;
    head: number;
    scanned: number;
    events: number;
    up_to: number;
    oldest_at: Date | null;
  }>(
    `select r.id, r.head, e.scanned::integer, e.events::integer, e.up_to, e.oldest_at
     from json_to_recordset($1::text::json) as r (id uuid, client_id uuid, partition integer, type text[],
       exclude_type text[], head bigint, above bigint)
     cross join lateral (
       select count(*) as scanned, max(event_offset) as up_to, count(*) filter (where ${matchesSql('e', 'r')}) as events,
         min(appended_at) filter (where ${matchesSql('e', 'r')}) as oldest_at
       from (select event_offset, client_id, type, appended_at from events
             where partition = r.partition and event_offset > r.above and event_offset <= r.head
             order by event_offset limit $2) e
     ) e`,
    [JSON.stringify(asked), each],
  );
  for (const row of rows) {
    const before = counts.get(row.id);
    if (!before) continue;
    counts.set(row.id, {
      ...before,
      upTo: row.scanned < each ? row.head : row.up_to,
      events: before.events + row.events,
      oldestAt: before.oldestAt ?? row.oldest_at,
    });
  }
}

/** The rule of `matches` in `@bellhop/events`, between a row of events and a row of webhooks. */
export function matchesSql(event: string, webhook: string): string {
  const category = `split_part(${event}.type, '.', 1)`;
  return `${event}.client_id = ${webhook}.client_id and case when 'ALL' = any(${webhook}.type)
    then not coalesce(${category} = any(${webhook}.exclude_type), false) else ${category} = any(${webhook}.type) end`;
}
