// A package: the events of one POST. Here it is cut out of the log (which events go together) and built (the bytes).
//
// A cut is a range of offsets and the filter it was made with: rebuilding it from the log gives the same bytes, on any
// worker, at any time. The size that counts is that of the complete request body, with the `webhook_id` that is spliced
// into each event, the commas and the envelope. An event larger than the limit goes alone. Inside a package events are
// sorted by `created_at` as instants; equal ones keep the order of the log.

import { compareInstants } from '@bellhop/events';

export interface Filter {
  readonly type: readonly string[];
  readonly excludeType?: readonly string[] | undefined;
}

/** The events of one package, by reference: consecutive matches of `filter` from `first` to `last`. */
export interface Cut {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** Of the complete request body. */
  readonly bytes: number;
  readonly filter: Filter;
}

/** What the cutter and the builder need of an event in the log. */
export interface CuttableEvent {
  readonly offset: number;
  readonly body: string;
  /** UTF-8 length of `body`. */
  readonly bytes: number;
}

const open = '{"payload":[';
const close = ']}';
const envelopeBytes = open.length + close.length;
const spliceBytes = ',"webhook_id":"00000000-0000-0000-0000-000000000000"'.length;

/** What an event adds to a package that holds others already. */
export function addedBytes(event: { readonly bytes: number }): number {
  return event.bytes + spliceBytes + 1;
}

export interface CutResult {
  readonly cut: Cut | undefined;
  /** No further event fits: waiting longer would add nothing. */
  readonly full: boolean;
}

/** Cuts the next package from matching events in order of offset. */
export function cutPackage(events: Iterable<CuttableEvent>, filter: Filter, maxBytes: number): CutResult {
  let first: number | undefined;
  let last = 0;
  let count = 0;
  let bytes = envelopeBytes - 1;
  for (const event of events) {
    const grown = bytes + addedBytes(event);
    if (first !== undefined && grown > maxBytes) {
      return { cut: { first, last, count, bytes, filter }, full: true };
    }
    first ??= event.offset;
    last = event.offset;
    count += 1;
    bytes = grown;
  }
  if (first === undefined) return { cut: undefined, full: false };
  return { cut: { first, last, count, bytes, filter }, full: bytes >= maxBytes };
}

/** The request body, byte for byte the same for the same events. */
export function buildPackage(events: readonly CuttableEvent[], webhookId: string): Buffer {
  const splice = `,"webhook_id":"${webhookId}"}`;
  const parts = sortByCreation(events).map((event) => event.body.slice(0, -1) + splice);
  return Buffer.from(open + parts.join(',') + close);
}

function sortByCreation(events: readonly CuttableEvent[]): readonly CuttableEvent[] {
  const dated = events.map((event) => ({ event, createdAt: createdAtOf(event.body) }));
  const sorted = dated.every(
    (item, index) => index === 0 || compareInstants(dated[index - 1]?.createdAt ?? '', item.createdAt) <= 0,
  );
  if (sorted) return events;
  return dated.sort((a, b) => compareInstants(a.createdAt, b.createdAt)).map(({ event }) => event);
}

const createdAtKey = '"created_at":"';

/** Bodies are composed by the publish path, id first: the first such key is the event's own. */
export function createdAtOf(body: string): string {
  const start = body.indexOf(createdAtKey) + createdAtKey.length;
  return body.slice(start, body.indexOf('"', start));
}
