// Webhooks as an operator sees them: the row, where it stands in the log, how much matching waits behind it, and how its last
// attempt ended. Read-only; what moves a webhook is in `webhook-position.ts`.
//
// `lag_complete` is false when more events wait than were counted (`lag.ts`). A webhook without a cursor of its own stands at
// its partition's checkpoint, which is up to a second old.

import type { Parameter, Queryable } from './database.ts';
import { countLags } from './lag.ts';
import type { WebhookRow } from './webhooks.ts';

export interface OperatorWebhookRow extends WebhookRow {
  /** With microseconds, for the cursor of a page. */
  readonly created_text: string;
  readonly started_at: Date | null;
  readonly position: number;
  readonly head: number;
  readonly pending_id: string | null;
  readonly pending_first: number | null;
  readonly pending_last: number | null;
  readonly attempts: number;
  readonly next_attempt_at: Date | null;
  readonly muted_until: Date | null;
  readonly blocked_since: Date | null;
  readonly blocked_reason: string | null;
  readonly blocked_status: number | null;
  readonly lag_events: number;
  readonly lag_complete: boolean;
  /** When the oldest event of the lag was appended. */
  readonly oldest_at: Date | null;
  readonly last_id: string | null;
  readonly last_at: Date | null;
  readonly last_ok: boolean | null;
  readonly last_status: number | null;
  readonly last_reason: string | null;
  readonly last_duration_ms: number | null;
}

export interface OperatorWebhookFilter {
  readonly id?: string | undefined;
  readonly clientId?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly blocked?: boolean | undefined;
  /** Enabled, not blocked, and with a cursor of its own: waiting or catching up, or was a moment ago. */
  readonly behind?: boolean | undefined;
  /** In title or URL, whatever the case. */
  readonly search?: string | undefined;
  readonly after?: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
  /** False: what waits is not counted. */
  readonly withLag?: boolean | undefined;
}

/** Oldest first. */
export async function findWebhookIds(
  db: Queryable,
  filter: Omit<OperatorWebhookFilter, 'after' | 'limit' | 'withLag'>,
  limit: number,
): Promise<string[]> {
  const parameters: Parameter[] = [limit];
  const conditions = conditionsOf(filter, parameters);
  const rows = await db.query<{ id: string }>(
    `select w.id from webhooks w ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
     order by w.created_at, w.id limit $1`,
    parameters,
  );
  return rows.map(({ id }) => id);
}

function conditionsOf(
  filter: Omit<OperatorWebhookFilter, 'after' | 'limit' | 'withLag'>,
  parameters: Parameter[],
): string[] {
  const conditions: string[] = [];
  // Only the conditions that are asked for, so that one webhook is found by its key.
  if (filter.id !== undefined) conditions.push(`w.id = $${parameters.push(filter.id)}`);
  if (filter.clientId !== undefined) conditions.push(`w.client_id = $${parameters.push(filter.clientId)}`);
  if (filter.enabled !== undefined) conditions.push(`w.enabled = $${parameters.push(filter.enabled)}`);
  if (filter.blocked !== undefined) conditions.push(`w.blocked_since is ${filter.blocked ? 'not null' : 'null'}`);
  if (filter.behind) conditions.push('w.enabled and w.cursor is not null and w.blocked_since is null');
  if (filter.search !== undefined) {
    const text = `$${parameters.push(filter.search.toLowerCase())}::text`;
    conditions.push(`(strpos(lower(w.title), ${text}) > 0 or strpos(lower(w.url), ${text}) > 0)`);
  }
  return conditions;
}

/** Oldest first. The page is cut before anything is counted. */
export async function listOperatorWebhooks(
  db: Queryable,
  filter: OperatorWebhookFilter,
): Promise<OperatorWebhookRow[]> {
  const parameters: Parameter[] = [filter.limit];
  const conditions = conditionsOf(filter, parameters);
  if (filter.after) {
    const at = `$${parameters.push(filter.after.at)}::text::timestamptz`;
    conditions.push(`(w.created_at, w.id) > (${at}, $${parameters.push(filter.after.id)}::uuid)`);
  }
  const rows = await db.query<Omit<OperatorWebhookRow, 'lag_events' | 'lag_complete' | 'oldest_at'>>(
    `with page as materialized (
       select w.*, p.head,
         coalesce(w.cursor, case when w.started_at is null then p.head else p.checkpoint end) as position
       from webhooks w join partitions p on p.id = w.partition
       ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
       order by w.created_at, w.id limit $1
     )
     select page.*, to_char(page.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_text,
       last.id as last_id, last.started_at as last_at, last.ok as last_ok, last.status as last_status,
       last.reason as last_reason, last.duration_ms as last_duration_ms
     from page
     left join lateral (
       select id, started_at, ok, status, reason, duration_ms from attempts
       where webhook_id = page.id and kind = 'delivery' order by started_at desc, id desc limit 1
     ) last on true
     order by page.created_at, page.id`,
    parameters,
  );
  const lags = await countLags(db, filter.withLag === false ? [] : rows);
  return rows.map((row) => {
    const { events, isComplete, oldestAt } = lags.get(row.id) ?? { events: 0, isComplete: false, oldestAt: null };
    return { ...row, lag_events: events, lag_complete: isComplete, oldest_at: oldestAt };
  });
}
