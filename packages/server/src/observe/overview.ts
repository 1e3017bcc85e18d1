// What stands where, over all webhooks: how many are blocked, behind or disabled, how old the oldest undelivered event is,
// and the blocked ones, oldest first. A webhook without a cursor of its own is caught up and costs nothing here.
//
// A blocked webhook's oldest event is the first of its pending package. For the others looking is bounded: where none of the
// next events matches, the webhook counts as caught up.

import type { Queryable } from '../store/database.ts';
import { countLags, type LagTarget, matchesSql } from '../store/lag.ts';

export interface BlockedRow {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly client_id: string;
  readonly tenant: string;
  readonly blocked_since: Date;
  readonly blocked_reason: string | null;
  readonly blocked_status: number | null;
  readonly attempts: number;
  readonly next_attempt_at: Date | null;
  /** Null also when it is over. */
  readonly muted_until: Date | null;
  readonly oldest_at: Date | null;
  readonly events: number;
  readonly at_least: boolean;
}

export interface Standing {
  readonly total: number;
  readonly enabled: number;
  readonly blocked: number;
  readonly behind: number;
  /** Blocked, but acknowledged by a person: they count for no alert. */
  readonly muted: number;
  readonly oldestAt: Date | null;
  /** Of those that are not muted. */
  readonly blockedSince: Date | null;
  readonly unownedPartitions: number;
}

const maxLookedAt = 500;
const maxBlockedShown = 50;

export async function readStanding(db: Queryable): Promise<Standing> {
  const [row] = await db.query<{
    total: number;
    enabled: number;
    blocked: number;
    behind: number;
    muted: number;
    oldest_at: Date | null;
    blocked_since: Date | null;
    unowned: number;
  }>(
    `select count(webhooks.id)::integer as total, count(*) filter (where enabled)::integer as enabled,
       count(*) filter (where enabled and blocked_since is not null)::integer as blocked,
       count(*) filter (where enabled and blocked_since is not null and muted_until > clock_timestamp())::integer as muted,
       min(blocked_since) filter (where enabled and (muted_until > clock_timestamp()) is not true) as blocked_since,
       (select count(*)::integer from partitions
        where lease_until is null or lease_until < clock_timestamp()) as unowned,
       min(lag.behind)::integer as behind, min(lag.oldest_at) as oldest_at
     from (
       select count(*) filter (where w.blocked_since is null) as behind, min(first.oldest) as oldest_at
       from webhooks w cross join lateral (
         select appended_at as oldest from events
         where w.pending_first is not null and partition = w.partition and event_offset = w.pending_first
         union all (
           -- Append times grow with offsets: the first that matches is the oldest.
           select e.appended_at from (
             select client_id, type, appended_at from events
             where w.pending_first is null and partition = w.partition and event_offset > w.cursor
             order by event_offset limit ${maxLookedAt}
           ) e where ${matchesSql('e', 'w')} limit 1)
       ) first
       where w.enabled and w.cursor is not null
     ) lag left join webhooks on true`,
  );
  if (!row) throw new TypeError('An aggregate without a row');
  return {
    total: row.total,
    enabled: row.enabled,
    blocked: row.blocked,
    behind: row.behind,
    muted: row.muted,
    oldestAt: row.oldest_at,
    blockedSince: row.blocked_since,
    unownedPartitions: row.unowned,
  };
}

/** Blocked the longest first. */
export async function readBlocked(db: Queryable): Promise<BlockedRow[]> {
  const rows = await db.query<Omit<BlockedRow, 'oldest_at' | 'events' | 'at_least'> & LagTarget>(
    `select w.id, w.title, w.url, w.client_id, t.name as tenant, w.blocked_since, w.blocked_reason, w.blocked_status,
       w.attempts, w.next_attempt_at, case when w.muted_until > clock_timestamp() then w.muted_until end as muted_until,
       w.partition, w.type, w.exclude_type, w.cursor as position, p.head
     from webhooks w join tenants t using (client_id) join partitions p on p.id = w.partition
     where w.blocked_since is not null and w.enabled order by w.blocked_since, w.id limit ${maxBlockedShown}`,
  );
  const lags = await countLags(db, rows);
  return rows.map(({ partition, type, exclude_type, position, head, ...row }) => {
    const { events, isComplete, oldestAt } = lags.get(row.id) ?? { events: 0, isComplete: false, oldestAt: null };
    return { ...row, oldest_at: oldestAt, events, at_least: !isComplete };
  });
}

/** Processes that run lanes. */
export async function countWorkers(db: Queryable): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    "select count(*)::integer as count from workers where seen_at > clock_timestamp() - interval '10 seconds'",
  );
  return row?.count ?? 0;
}
