// Webhooks of a tenant: the columns that the tenant API writes. `pending_*`, `attempts`, `blocked_*` and the cursor in
// motion belong to delivery; here the cursor is set at two moments only, both under a share lock of the partition row, so
// that head and checkpoint cannot move between reading and writing them:
// - first enabling: it starts at the partition's head (what was published before is not delivered);
// - disabling: a lane that stood at the checkpoint gets it as its own, so that the checkpoint may go on without it.
//
// Lock order: partition row, then webhook row.

import type { Database, Queryable } from './database.ts';

export interface WebhookRow {
  readonly id: string;
  readonly client_id: string;
  readonly partition: number;
  readonly title: string;
  readonly url: string;
  readonly enabled: boolean;
  readonly type: readonly string[];
  readonly exclude_type: readonly string[] | null;
  readonly delay: string;
  readonly max_package_size: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface NewWebhook {
  readonly id: string;
  readonly clientId: string;
  readonly title: string;
  readonly url: string;
  readonly type: readonly string[];
  readonly excludeType: readonly string[] | undefined;
  readonly delay: string;
  readonly maxPackageSize: number;
  readonly now: Date;
}

/** Absent fields stay; an empty `excludeType` takes the exclusion away. */
export interface WebhookChange {
  readonly title?: string | undefined;
  readonly url?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly type?: readonly string[] | undefined;
  readonly excludeType?: readonly string[] | undefined;
  readonly delay?: string | undefined;
  readonly maxPackageSize?: number | undefined;
  readonly now: Date;
}

export type WebhookSort = 'created_at' | 'updated_at' | 'title' | 'url' | 'enabled';

export interface WebhookPage {
  readonly sort: WebhookSort;
  readonly order: 'ASC' | 'DESC';
  readonly offset: number;
  readonly limit: number;
}

const columns = `id, client_id, partition, title, url, enabled, type, exclude_type, delay, max_package_size, created_at, updated_at`;

/** Texts are compared by code point: the same order on every server, whatever its locale. */
const sortKeys: Readonly<Record<WebhookSort, string>> = {
  created_at: 'created_at',
  updated_at: 'updated_at',
  title: 'title collate "C"',
  url: 'url collate "C"',
  enabled: 'enabled',
};

/** In a transaction: of one tenant's concurrent calls, each counts what the others made. */
export async function insertWebhook(
  tx: Queryable,
  webhook: NewWebhook,
  maxPerTenant: number,
): Promise<WebhookRow | 'too_many' | 'no_tenant'> {
  const sql = 'select 1 from tenants where client_id = $1 for no key update';
  if ((await tx.query(sql, [webhook.clientId])).length === 0) return 'no_tenant';
  const [row] = await tx.query<WebhookRow>(
    `insert into webhooks (id, client_id, partition, title, url, type, exclude_type, delay, max_package_size, created_at, updated_at)
     select $1, client_id, partition, $3, $4, $5, $6, $7, $8, $9, $9 from tenants
     where client_id = $2 and (select count(*) from webhooks where client_id = $2) < $10
     returning ${columns}`,
    [
      webhook.id,
      webhook.clientId,
      webhook.title,
      webhook.url,
      webhook.type,
      listOrNull(webhook.excludeType),
      webhook.delay,
      webhook.maxPackageSize,
      webhook.now,
      maxPerTenant,
    ],
  );
  return row ?? 'too_many';
}

export async function findWebhook(db: Queryable, clientId: string, id: string): Promise<WebhookRow | undefined> {
  const [row] = await db.query<WebhookRow>(`select ${columns} from webhooks where id = $1 and client_id = $2`, [
    id,
    clientId,
  ]);
  return row;
}

export async function listWebhooks(
  db: Queryable,
  clientId: string,
  page: WebhookPage,
): Promise<{ readonly webhooks: WebhookRow[]; readonly total: number }> {
  const direction = page.order === 'DESC' ? 'desc' : 'asc';
  const webhooks = await db.query<WebhookRow>(
    `select ${columns} from webhooks where client_id = $1
     order by ${sortKeys[page.sort]} ${direction}, id limit $2 offset $3`,
    [clientId, page.limit, page.offset],
  );
  const [counted] = await db.query<{ total: number }>(
    'select count(*)::integer as total from webhooks where client_id = $1',
    [clientId],
  );
  return { webhooks, total: counted?.total ?? 0 };
}

/** Undefined when it is not this tenant's. What delivery must know at once makes a blocked webhook try again now. */
export async function updateWebhook(
  database: Database,
  clientId: string,
  id: string,
  change: WebhookChange,
): Promise<WebhookRow | undefined> {
  return database.transaction((tx) => updateWebhookIn(tx, clientId, id, change));
}

/** The same inside a transaction of the caller, who holds no lock yet. */
export async function updateWebhookIn(
  tx: Queryable,
  clientId: string,
  id: string,
  change: WebhookChange,
): Promise<WebhookRow | undefined> {
  const found = await findWebhook(tx, clientId, id);
  if (!found) return undefined;
  if (change.enabled !== undefined) await setEnabled(tx, found, change.enabled, change.now);
  const retriesNow = [
    change.url,
    change.enabled,
    change.type,
    change.excludeType,
    change.delay,
    change.maxPackageSize,
  ].some((value) => value !== undefined);
  const [row] = await tx.query<WebhookRow>(
    `update webhooks set
       title = coalesce($3, title),
       url = coalesce($4, url),
       type = coalesce($5, type),
       exclude_type = case when $6 then $7 else exclude_type end,
       delay = coalesce($8, delay),
       max_package_size = coalesce($9, max_package_size),
       version = version + 1,
       updated_at = greatest($10, updated_at + interval '1 millisecond'),
       next_attempt_at = case when $11 and blocked_since is not null then $10 else next_attempt_at end
     where id = $1 and client_id = $2
     returning ${columns}`,
    [
      id,
      clientId,
      change.title ?? null,
      change.url ?? null,
      change.type ?? null,
      change.excludeType !== undefined,
      listOrNull(change.excludeType),
      change.delay ?? null,
      change.maxPackageSize ?? null,
      change.now,
      retriesNow,
    ],
  );
  return row;
}

/** For callers that hold no other lock yet; the update of the row itself is theirs. */
async function setEnabled(tx: Queryable, webhook: WebhookRow, enabled: boolean, now: Date): Promise<void> {
  const [partition] = await tx.query<{ head: number; checkpoint: number }>(
    'select head, checkpoint from partitions where id = $1 for share',
    [webhook.partition],
  );
  if (!partition) throw new TypeError(`Partition ${webhook.partition} has no row`);
  if (enabled) {
    await tx.query(
      `update webhooks set enabled = true,
         cursor = case when started_at is null then $2 else cursor end,
         started_at = coalesce(started_at, $3)
       where id = $1`,
      [webhook.id, partition.head, now],
    );
  } else {
    await tx.query(
      `update webhooks set enabled = false,
         cursor = case when enabled then coalesce(cursor, $2) else cursor end
       where id = $1`,
      [webhook.id, partition.checkpoint],
    );
  }
}

/** The partition of the deleted webhook; undefined when it is not this tenant's. */
export async function deleteWebhook(db: Queryable, clientId: string, id: string): Promise<number | undefined> {
  const [row] = await db.query<{ partition: number }>(
    'delete from webhooks where id = $1 and client_id = $2 returning partition',
    [id, clientId],
  );
  return row?.partition;
}

function listOrNull(list: readonly string[] | undefined): readonly string[] | null {
  return list === undefined || list.length === 0 ? null : list;
}
