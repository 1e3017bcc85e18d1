// Attempts as they are read: searched newest first, one in full, and those of a package that held a given offset. Writing
// them belongs to `delivery/ledger.ts`.

import type { Queryable } from './database.ts';

export interface AttemptRow {
  readonly id: string;
  readonly webhook_id: string;
  readonly client_id: string;
  readonly partition: number;
  readonly kind: 'delivery' | 'test';
  readonly package_id: string;
  readonly attempt: number;
  readonly first_offset: number | null;
  readonly last_offset: number | null;
  readonly event_count: number;
  readonly bytes: number;
  readonly url: string;
  readonly started_at: Date;
  /** With microseconds, for the cursor of a page. */
  readonly started_text: string;
  readonly duration_ms: number;
  readonly ok: boolean;
  readonly reason: string | null;
  readonly status: number | null;
}

export interface AttemptDetailRow extends AttemptRow {
  readonly request_headers: unknown;
  readonly response_headers: unknown;
  readonly response_excerpt: string | null;
}

export interface AttemptFilter {
  readonly webhookId?: string | undefined;
  readonly clientId?: string | undefined;
  readonly packageId?: string | undefined;
  readonly kind?: 'delivery' | 'test' | undefined;
  readonly ok?: boolean | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly before?: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
}

const columns = `attempts.id, webhook_id, attempts.client_id, attempts.partition, kind, package_id, attempt, first_offset, last_offset, event_count,
  bytes, url, started_at, duration_ms, ok, reason, status,
  to_char(started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as started_text`;

/**
 * Newest first. Only the conditions that are asked for: the planner then takes the index by webhook or by time. There is none
 * by tenant, which every delivery would pay for: a tenant's are the newest of each of its webhooks.
 */
export async function listAttempts(db: Queryable, filter: AttemptFilter): Promise<AttemptRow[]> {
  const parameters: (string | number | boolean | Date)[] = [];
  const conditions: string[] = [];
  const add = (value: string | number | boolean | Date | undefined, condition: (name: string) => string): void => {
    if (value !== undefined) conditions.push(condition(`$${parameters.push(value)}`));
  };
  const ofTenant = filter.webhookId === undefined ? filter.clientId : undefined;
  if (ofTenant !== undefined) conditions.push('webhook_id = webhooks.id');
  else add(filter.clientId, (name) => `client_id = ${name}`);
  add(filter.webhookId, (name) => `webhook_id = ${name}`);
  add(filter.packageId, (name) => `package_id = ${name}`);
  add(filter.kind, (name) => `kind = ${name}`);
  add(filter.ok, (name) => `ok = ${name}`);
  add(filter.since, (name) => `started_at >= ${name}`);
  add(filter.until, (name) => `started_at < ${name}`);
  if (filter.before) {
    // As text first: the driver would cut a timestamp to milliseconds.
    const at = `$${parameters.push(filter.before.at)}::text::timestamptz`;
    conditions.push(`(started_at, attempts.id) < (${at}, $${parameters.push(filter.before.id)}::uuid)`);
  }
  const newest = `select ${columns} from attempts ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
     order by started_at desc, attempts.id desc limit $${parameters.push(filter.limit)}`;
  if (ofTenant === undefined) return db.query<AttemptRow>(newest, parameters);
  return db.query<AttemptRow>(
    `select a.* from webhooks cross join lateral (${newest}) a where webhooks.client_id = $${parameters.push(ofTenant)}
     order by a.started_at desc, a.id desc limit $${parameters.length - 1}`,
    parameters,
  );
}

export async function findAttempt(db: Queryable, id: string): Promise<AttemptDetailRow | undefined> {
  const [row] = await db.query<AttemptDetailRow>(
    `select ${columns}, request_headers, response_headers, response_excerpt from attempts where id = $1`,
    [id],
  );
  return row;
}

/** By webhook, deliveries whose package reached over an offset, newest first. `since`: no attempt is older. */
export async function attemptsOfOffset(
  db: Queryable,
  webhookIds: readonly string[],
  offset: number,
  since: Date,
  limit: number,
): Promise<ReadonlyMap<string, readonly AttemptRow[]>> {
  const rows = await db.query<AttemptRow>(
    `select a.* from unnest($1::uuid[]) as w (id) cross join lateral (
       select ${columns} from attempts
       where webhook_id = w.id and kind = 'delivery' and first_offset <= $2 and last_offset >= $2 and started_at >= $3
       order by started_at desc, attempts.id desc limit $4
     ) a`,
    [webhookIds, offset, since, limit],
  );
  const byWebhook = new Map<string, AttemptRow[]>();
  for (const row of rows) {
    const known = byWebhook.get(row.webhook_id);
    if (known) known.push(row);
    else byWebhook.set(row.webhook_id, [row]);
  }
  return byWebhook;
}
