// What an attempt sent, rebuilt: the package from the log and the signature base from the headers that were kept.
//
// An attempt's row says which offsets its package reached over, not with which filter it was cut. The filters that can have
// been are tried, and a body counts as rebuilt only when its size, its number of events and (where headers were kept) its
// digest are those of the attempt; else nothing is shown as what was sent.

import { matches } from '@bellhop/events';
import { contentDigest, digest, messageTarget, readSignature, signatureBase } from '@bellhop/signatures';
import { buildPackage, type Filter } from '../../delivery/package.ts';
import type { EventLog, LogEvent } from '../../log/event-log.ts';
import type { AttemptDetailRow } from '../../store/attempts.ts';
import type { PositionRow } from '../../store/webhook-position.ts';

export interface RebuiltPackage {
  readonly events: readonly LogEvent[];
  readonly body: Buffer;
}

/** No package has more: an event takes over 100 bytes and a package without a single large event at most 1 MiB. */
const maxEvents = 20_000;
const maxReadBytes = 32 * 1024 * 1024;

export async function rebuildPackage(
  log: EventLog,
  attempt: AttemptDetailRow,
  webhook: PositionRow | undefined,
): Promise<RebuiltPackage | undefined> {
  const { first_offset: first, last_offset: last } = attempt;
  if (first === null || last === null) return undefined;
  const { events: all } = await log.read(attempt.partition, first - 1, {
    upTo: last,
    limit: maxEvents,
    maxBytes: maxReadBytes,
    filter: { clientId: attempt.client_id },
  });
  for (const events of candidates(all, attempt, webhook)) {
    if (events.length !== attempt.event_count) continue;
    const body = buildPackage(
      events.map((event) => ({ ...event, bytes: Buffer.byteLength(event.body) })),
      attempt.webhook_id,
    );
    if (body.length === attempt.bytes && hasDigest(attempt.request_headers, body)) return { events, body };
  }
  return undefined;
}

function candidates(
  all: readonly LogEvent[],
  attempt: AttemptDetailRow,
  webhook: PositionRow | undefined,
): (readonly LogEvent[])[] {
  if (!webhook) return [all];
  const lists: (readonly LogEvent[])[] = [];
  if (webhook.pending_id === attempt.package_id && webhook.pending_type) {
    lists.push(matching(all, { type: webhook.pending_type, excludeType: webhook.pending_exclude_type ?? undefined }));
  }
  lists.push(matching(all, { type: webhook.type, excludeType: webhook.exclude_type ?? undefined }));
  lists.push(all);
  return lists;
}

function matching(events: readonly LogEvent[], filter: Filter): readonly LogEvent[] {
  return events.filter((event) => matches({ type: filter.type, exclude_type: filter.excludeType }, event.type));
}

function hasDigest(headers: unknown, body: Buffer): boolean {
  if (!isHeaders(headers)) return true;
  const { digest: v6, 'content-digest': v15 } = headers;
  return (v6 === undefined || v6 === digest(body)) && (v15 === undefined || v15 === contentDigest(body));
}

/** The text that was signed; undefined when the headers were not kept or say nothing about it. */
export function rebuildBase(url: string, headers: unknown): string | undefined {
  if (!isHeaders(headers)) return undefined;
  const message = { method: 'POST', ...messageTarget(url), headers };
  const fields = readSignature(message);
  if (!fields.ok) return undefined;
  return signatureBase(message, fields.version, fields.coveredComponents, fields.params);
}

export function isHeaders(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' && value !== null && Object.values(value).every((header) => typeof header === 'string')
  );
}
