// How one webhook did over time, read from its attempts and the log: nothing is counted on the way of a delivery, and what
// is shown survives restarts for as long as attempts are kept. Reading is bounded: of a webhook with more attempts in the
// time asked for, the newest are read.
//
// The lag of a step is the age that the oldest event of its last package had when it was posted. Between failed attempts
// it goes on growing; `oldestAt`, what waits now, covers the time since the last attempt and a webhook that is disabled.

import type { Queryable } from './database.ts';

/** Of one webhook and one answer. */
const maxAttemptsRead = 20_000;
/** Looked at in each hour of each webhook of a list: enough to tell all, some and none. */
const maxLookedAtAnHour = 20;
const hourMs = 3_600_000;

export interface HistoryPoint {
  readonly atMs: number;
  readonly ok: number;
  readonly failed: number;
  readonly events: number;
  /** Age of the oldest undelivered event at the end of the step. */
  readonly lagMs: number;
}

export interface History {
  readonly points: readonly HistoryPoint[];
  /** Where reading ended before it reached the beginning; points before are not known. */
  readonly readBackToMs: number | undefined;
}

interface StepRow {
  readonly step: number;
  readonly ok: number;
  readonly failed: number;
  readonly events: number;
  readonly last_at: Date;
  readonly last_ok: boolean;
  readonly first_at: Date;
  readonly read: number;
  readonly appended_at: Date | null;
}

export async function readHistory(
  db: Queryable,
  webhook: { readonly id: string; readonly partition: number; readonly oldestAt: Date | null },
  window: { readonly startMs: number; readonly endMs: number; readonly stepMs: number; readonly nowMs: number },
): Promise<History> {
  const { startMs, endMs, stepMs, nowMs } = window;
  const rows = await db.query<StepRow>(
    `with read as materialized (
       select started_at, ok, event_count, first_offset,
         floor(extract(epoch from started_at) * 1000 / $4::double precision)::double precision as step
       from attempts where webhook_id = $1 and kind = 'delivery' and started_at >= $3
       order by started_at desc, id desc limit ${maxAttemptsRead}
     ), steps as (
       select step, count(*) filter (where ok)::integer as ok, count(*) filter (where not ok)::integer as failed,
         coalesce(sum(event_count) filter (where ok), 0)::integer as events, max(started_at) as last_at,
         (array_agg(ok order by started_at desc))[1] as last_ok,
         (array_agg(first_offset order by started_at desc))[1] as first_offset, min(started_at) as first_at
       from read group by step
     )
     select steps.*, (select count(*)::integer from read) as read, e.appended_at
     from steps left join events e on e.partition = $2 and e.event_offset = steps.first_offset
     order by step`,
    [webhook.id, webhook.partition, new Date(startMs), stepMs],
  );
  const byStep = new Map(rows.map((row) => [row.step * stepMs, row]));
  const isCut = (rows[0]?.read ?? 0) >= maxAttemptsRead;
  const points: HistoryPoint[] = [];
  /** Since when the oldest event of the package that failed last has waited. */
  let stuckSinceMs: number | undefined;
  for (let atMs = startMs; atMs <= endMs; atMs += stepMs) {
    const row = byStep.get(atMs);
    let lagMs = 0;
    if (row) {
      const appendedMs = row.appended_at?.getTime();
      stuckSinceMs = row.last_ok ? undefined : appendedMs;
      if (appendedMs !== undefined) lagMs = row.last_at.getTime() - appendedMs;
    }
    const stepEndMs = Math.min(atMs + stepMs, nowMs);
    const waitsSinceMs = Math.min(stuckSinceMs ?? Infinity, webhook.oldestAt?.getTime() ?? Infinity);
    lagMs = Math.max(0, lagMs, stepEndMs - waitsSinceMs);
    points.push({ atMs, ok: row?.ok ?? 0, failed: row?.failed ?? 0, events: row?.events ?? 0, lagMs });
  }
  return { points, readBackToMs: isCut ? rows[0]?.first_at.getTime() : undefined };
}

export const activityHours = 24;

/** By webhook, 24 hours, the present one last: `o` all that was looked at succeeded, `f` none, `s` some, `-` no attempt. */
export async function readActivity(
  db: Queryable,
  webhookIds: readonly string[],
  nowMs: number,
  clientId: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const startMs = Math.floor(nowMs / hourMs) * hourMs - (activityHours - 1) * hourMs;
  const rows = await db.query<{ id: string; hour: number; ok: number; failed: number }>(
    `select w.id, h.hour, a.ok, a.failed
     from webhooks w cross join generate_series(0, ${activityHours - 1}) as h (hour)
     cross join lateral (
       select count(*) filter (where ok)::integer as ok, count(*) filter (where not ok)::integer as failed from (
         select ok from attempts
         where webhook_id = w.id and kind = 'delivery'
           and started_at >= $2::timestamptz + h.hour * interval '1 hour'
           and started_at < $2::timestamptz + (h.hour + 1) * interval '1 hour'
         order by started_at desc limit ${maxLookedAtAnHour}
       ) looked
     ) a
     where w.id = any($1::uuid[]) and ($3::uuid is null or w.client_id = $3) and a.ok + a.failed > 0`,
    [[...webhookIds], new Date(startMs), clientId ?? null],
  );
  const hours = new Map<string, string[]>();
  for (const { id, hour, ok, failed } of rows) {
    const list = hours.get(id) ?? Array.from({ length: activityHours }, () => '-');
    list[hour] = failed === 0 ? 'o' : ok === 0 ? 'f' : 's';
    hours.set(id, list);
  }
  return new Map([...hours].map(([id, list]) => [id, list.join('')]));
}
