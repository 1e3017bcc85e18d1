// Events of other providers on their way into the inbox. Everything they bring is put under a name: types become
// `NAME.<their type>`, ids `NAME:<their id>`. So a provider can neither speak as the Investment API (a listener for
// `ORDER.FILLED` trusts what it gets) nor make a later event look like one that is known.

import type { WebhookEvent } from '@bellhop/events';
import { isCategory, isInstant } from '@bellhop/events/lookup';
import type { ReadResult, SenderMessage } from './sender.ts';

/** An event in the provider's own words. */
export interface ForeignEvent {
  readonly id: string;
  readonly type: string;
  /** RFC 3339. */
  readonly created_at: string;
  readonly object: Readonly<Record<string, unknown>>;
}

export interface ForeignOptions {
  /** The category of this provider's events, for example `BILLING`: listen with `.on('BILLING.*', …)`. */
  readonly name: string;
  /** Parsed body to events, for a body of another shape; undefined: not an event (400). What it throws is answered 500. */
  readonly events?: (body: unknown, message: SenderMessage) => readonly ForeignEvent[] | undefined;
}

/** What the headers say, used where the body does not. */
export interface HeaderFacts {
  readonly id?: string;
  readonly createdSeconds: number;
}

export function assertName(name: string): void {
  if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new TypeError('The name of a sender is in capitals, for example BILLING');
  if (isCategory(name)) throw new TypeError(`${name} is a category of the Investment API: choose another name`);
}

export function readForeign(message: SenderMessage, facts: HeaderFacts, options: ForeignOptions): ReadResult {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(message.body));
  } catch {
    return { ok: false, reason: 'malformed_json', detail: 'The body is not JSON in UTF-8' };
  }
  const found = options.events === undefined ? readSingle(body, facts) : options.events(body, message);
  if (found === undefined || found.length === 0) {
    return { ok: false, reason: 'malformed_event', detail: 'The body must be an event with an id and a type' };
  }
  const { name } = options;
  const events: WebhookEvent[] = [];
  for (const { id, type, created_at, object } of found) {
    // The type becomes part of a pattern's text.
    if (id === '' || !/^[^\s*]{1,200}$/.test(type)) {
      return { ok: false, reason: 'malformed_event', detail: 'The event has no id, or its type is no name' };
    }
    events.push({ id: `${name}:${id}`, created_at, type: `${name}.${type}`, object: { ...object }, webhook_id: name });
  }
  return { ok: true, events };
}

/** `{ id?, type, timestamp?, data? }` and its close relatives: one event a body. */
function readSingle(body: unknown, facts: HeaderFacts): readonly ForeignEvent[] | undefined {
  if (!isRecord(body)) return undefined;
  const id = facts.id ?? body['id'];
  const { type } = body;
  if (typeof id !== 'string' || typeof type !== 'string') return undefined;
  const stated = [body['created_at'], body['timestamp'], body['time']].find(
    (value) => typeof value === 'string' && isInstant(value),
  );
  const created_at = typeof stated === 'string' ? stated : new Date(facts.createdSeconds * 1000).toISOString();
  const object = [body['data'], body['object']].find(isRecord) ?? body;
  return [{ id, type, created_at, object }];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
