// What became of everything that was accepted: the log and the attempts in the database beside what the endpoints hold.
// Every number but the last two must be zero.

import { matches } from '@bellhop/events';
import type postgres from 'postgres';
import type { Endpoint, Receipt } from './endpoint.ts';

export interface WatchedWebhook {
  readonly id: string;
  readonly clientId: string;
  readonly type: readonly string[];
  readonly endpoint: Endpoint;
}

export interface Verdict {
  /** Accepted and not in the log, or in the log, matching, and never acknowledged by its endpoint. */
  readonly lost: number;
  /** First receipts below an offset that the endpoint has seen already. */
  readonly outOfOrder: number;
  /** First receipts that jump over a matching event of the log. */
  readonly skipped: number;
  /** Receipts of events that do not match the webhook or are not in the log. */
  readonly foreign: number;
  /** Packages that followed a committed failed attempt with other bytes. */
  readonly changed: number;
  /** Requests that hold an event which the endpoint had acknowledged before. */
  readonly duplicates: number;
  /** Failed attempts whose next request was compared. */
  readonly blockedCompared: number;
}

interface LogRow {
  readonly client_id: string;
  readonly id: string;
  readonly type: string;
}

export async function judge(
  sql: postgres.Sql,
  accepted: ReadonlyMap<string, ReadonlySet<string>>,
  webhooks: readonly WatchedWebhook[],
): Promise<Verdict> {
  const log = await sql<LogRow[]>`select client_id, id, type from events order by partition, event_offset`;
  const stored = new Set(log.map(({ id }) => id));
  let lost = [...accepted.values()].flatMap((ids) => [...ids]).filter((id) => !stored.has(id)).length;
  let outOfOrder = 0;
  let skipped = 0;
  let foreign = 0;
  let changed = 0;
  let duplicates = 0;
  let blockedCompared = 0;
  for (const webhook of webhooks) {
    const wanted = log.filter((row) => isFor(webhook, row)).map(({ id }) => id);
    const { receipts } = webhook.endpoint;
    const acknowledged = new Set(receipts.filter((one) => one.acknowledged).flatMap(({ ids }) => ids));
    lost += wanted.filter((id) => !acknowledged.has(id)).length;
    const order = orderOf(wanted, receipts);
    outOfOrder += order.outOfOrder;
    skipped += order.skipped;
    foreign += order.foreign;
    duplicates += countDuplicates(receipts);
    const blocked = await compareBlocked(sql, webhook);
    changed += blocked.changed;
    blockedCompared += blocked.compared;
  }
  return { lost, outOfOrder, skipped, foreign, changed, duplicates, blockedCompared };
}

export function isFor({ clientId, type }: WatchedWebhook, row: LogRow): boolean {
  return row.client_id === clientId && matches({ type, exclude_type: undefined }, row.type);
}

function orderOf(wanted: readonly string[], receipts: readonly Receipt[]) {
  const placeOf = new Map(wanted.map((id, place) => [id, place]));
  const seen = new Set<string>();
  const counts = { outOfOrder: 0, skipped: 0, foreign: 0 };
  let next = 0;
  for (const id of receipts.flatMap(({ ids }) => ids)) {
    if (seen.has(id)) continue;
    seen.add(id);
    const place = placeOf.get(id);
    if (place === undefined) counts.foreign += 1;
    else if (place < next) counts.outOfOrder += 1;
    else {
      counts.skipped += place - next;
      next = place + 1;
    }
  }
  return counts;
}

function countDuplicates(receipts: readonly Receipt[]): number {
  const acknowledged = new Set<string>();
  let duplicates = 0;
  for (const receipt of receipts) {
    if (receipt.ids.some((id) => acknowledged.has(id))) duplicates += 1;
    if (receipt.acknowledged) for (const id of receipt.ids) acknowledged.add(id);
  }
  return duplicates;
}

/** A failed attempt that is in the table binds whatever the endpoint is sent next: the same bytes. */
async function compareBlocked(sql: postgres.Sql, { id, endpoint }: WatchedWebhook) {
  const failed = await sql<{ signature: string | null }[]>`
    select request_headers->>'signature' as signature from attempts
    where webhook_id = ${id} and kind = 'delivery' and not ok and reason <> 'aborted'`;
  const placeOf = new Map(endpoint.receipts.map(({ signature }, place) => [signature, place]));
  let compared = 0;
  let changed = 0;
  for (const { signature } of failed) {
    const place = placeOf.get(signature ?? '');
    const next = place === undefined ? undefined : endpoint.receipts[place + 1];
    if (place === undefined || next === undefined) continue;
    compared += 1;
    if (next.body !== endpoint.receipts[place]?.body) changed += 1;
  }
  return { compared, changed };
}
