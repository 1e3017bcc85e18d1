// Publishing: from the text of a call to committed events. `publishJson` takes one tenant's events in one transaction, all or
// nothing; `publish-ndjson.ts` streams many tenants' events and commits them in chunks. Both resolve after the commit.
//
// A call that breaks a rule is answered with a refusal, a value; an error of the database passes through.

import type { AppendResult, EventLog, NewEvent } from './event-log.ts';
import { JsonCursor, JsonFault } from './json-text.ts';
import {
  type EventWithoutClient,
  type ObjectCheck,
  PublishRefusal,
  readEvent,
  readUuid,
  unknownField,
} from './publish-event.ts';

export interface PublishPort {
  readonly log: EventLog;
  /** The partition of a tenant; undefined when there is no such tenant. */
  readonly partitionOf: (clientId: string) => Promise<number | undefined>;
  readonly now: () => Date;
}

export interface PublishOptions {
  /** Checks objects of known types against their schemas. */
  readonly check?: ObjectCheck | undefined;
  /** See `ReadEventOptions`. */
  readonly idSeed?: string | undefined;
}

export interface Published extends AppendResult {
  /** Of every event of the call, in its order. */
  readonly ids: readonly string[];
}

export type PublishResult =
  | { readonly ok: true; readonly published: Published }
  | { readonly ok: false; readonly refusal: PublishRefusal };

export const maxJsonEvents = 10_000;
export const maxJsonBytes = 8 * 1024 * 1024;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `{"client_id", "events": [{"id"?, "created_at"?, "type", "object"}]}`. */
export async function publishJson(
  port: PublishPort,
  bytes: Uint8Array,
  options: PublishOptions,
): Promise<PublishResult> {
  try {
    const { clientId, events } = readCall(decode(bytes), port, options);
    const partition = await port.partitionOf(clientId);
    if (partition === undefined) throw unknownClient(clientId);
    const stored = events.map((event): NewEvent => ({ clientId, ...event }));
    const result = await port.log.append(partition, stored);
    return { ok: true, published: { ...result, ids: events.map(({ id }) => id) } };
  } catch (error) {
    return { ok: false, refusal: toRefusal(error, 'the body') };
  }
}

function readCall(
  text: string,
  port: PublishPort,
  options: PublishOptions,
): { clientId: string; events: EventWithoutClient[] } {
  const cursor = new JsonCursor(text);
  let clientId: string | undefined;
  let events: EventWithoutClient[] | undefined;
  if (cursor.kind() !== 'object') throw new PublishRefusal('invalid', 'the body: must be an object');
  cursor.object((key) => {
    if (key === 'client_id') clientId = readUuid(cursor, 'client_id').toLowerCase();
    else if (key === 'events') {
      if (cursor.kind() !== 'array') throw new PublishRefusal('invalid', 'events: must be an array');
      const list: EventWithoutClient[] = [];
      cursor.array((index) => {
        if (index === maxJsonEvents)
          throw new PublishRefusal('too_large', `events: more than ${maxJsonEvents} in one call`);
        list.push(readEvent(cursor, text, `events[${index}]`, { now: port.now, ...options }));
      });
      events = list;
    } else throw unknownField('the body', key);
  });
  cursor.end();
  if (clientId === undefined) throw new PublishRefusal('invalid', 'client_id: is required');
  if (events === undefined) throw new PublishRefusal('invalid', 'events: is required');
  return { clientId, events };
}

export function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw new PublishRefusal('malformed', 'the text is not UTF-8');
    throw error;
  }
}

export function unknownClient(clientId: string): PublishRefusal {
  return new PublishRefusal('unknown_client', `client_id: there is no tenant ${clientId}`);
}

/** What was thrown on the way, as a refusal; anything else is not the publisher's fault and goes on. */
export function toRefusal(error: unknown, where: string): PublishRefusal {
  if (error instanceof PublishRefusal) return error;
  if (error instanceof JsonFault) return new PublishRefusal('malformed', `${where}: ${error.message}`);
  throw error;
}
