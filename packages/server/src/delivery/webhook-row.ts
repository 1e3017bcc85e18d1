// A webhook as the delivery engine reads it: the configuration that the API writes, and where its lane stands.

import type { Queryable } from '../store/database.ts';
import type { LaneConfig } from './lane.ts';

export interface WebhookRow {
  readonly id: string;
  readonly client_id: string;
  readonly partition: number;
  readonly url: string;
  readonly enabled: boolean;
  readonly type: readonly string[];
  readonly exclude_type: readonly string[] | null;
  readonly delay: string;
  readonly max_package_size: number;
  readonly version: number;
  readonly position_version: number;
  readonly cursor: number | null;
  readonly pending_id: string | null;
  readonly pending_first: number | null;
  readonly pending_last: number | null;
  readonly pending_version: number | null;
  readonly pending_type: readonly string[] | null;
  readonly pending_exclude_type: readonly string[] | null;
  readonly attempts: number;
  readonly next_attempt_at: Date | null;
  readonly blocked_since: Date | null;
}

const columns = `id, client_id, partition, url, enabled, type, exclude_type, delay, max_package_size, version,
  position_version, cursor, pending_id, pending_first, pending_last, pending_version, pending_type,
  pending_exclude_type, attempts, next_attempt_at, blocked_since`;

/** All webhooks of a partition that were ever enabled. */
export function readWebhooksOfPartition(on: Queryable, partition: number): Promise<WebhookRow[]> {
  return on.query<WebhookRow>(`select ${columns} from webhooks where partition = $1 and started_at is not null`, [
    partition,
  ]);
}

export async function readWebhook(on: Queryable, id: string): Promise<WebhookRow | undefined> {
  const [row] = await on.query<WebhookRow>(`select ${columns} from webhooks where id = $1`, [id]);
  return row;
}

export function laneConfig(row: WebhookRow): LaneConfig {
  return {
    version: row.version,
    url: row.url,
    enabled: row.enabled,
    filter: { type: row.type, excludeType: row.exclude_type ?? undefined },
    delayMs: delayMs(row.delay),
    maxPackageBytes: row.max_package_size,
  };
}

/** `5s`, or `1m` in rows that an older service accepted. */
function delayMs(delay: string): number {
  const amount = Number.parseInt(delay, 10);
  return delay.endsWith('m') ? amount * 60_000 : amount * 1000;
}

/** By partition and id: what a lane must agree with. Deleted and never enabled webhooks are missing. */
export async function readVersions(
  on: Queryable,
  partitions: readonly number[],
): Promise<Map<number, Map<string, string>>> {
  const rows = await on.query<Pick<WebhookRow, 'id' | 'partition' | 'version' | 'position_version'>>(
    `select id, partition, version, position_version from webhooks
     where partition = any($1::integer[]) and started_at is not null and enabled`,
    [partitions],
  );
  const versions = new Map<number, Map<string, string>>();
  for (const row of rows) {
    const ofPartition = versions.get(row.partition) ?? new Map<string, string>();
    ofPartition.set(row.id, versionOf(row));
    versions.set(row.partition, ofPartition);
  }
  return versions;
}

export function versionOf(row: Pick<WebhookRow, 'version' | 'position_version'>): string {
  return `${row.version}.${row.position_version}`;
}
