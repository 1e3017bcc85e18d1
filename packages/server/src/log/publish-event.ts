// Reads one published event from JSON text and composes the body that will be sent: `object` stays the publisher's own
// text, white space included; it is checked but never parsed into values and written again.
//
// A refusal is thrown as PublishRefusal and becomes a value in `publish.ts`, the only caller.

import { parseInstant } from '@bellhop/events';
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import type { NewEvent } from './event-log.ts';
import type { JsonCursor } from './json-text.ts';

export type PublishReason =
  /** Not JSON, not UTF-8, a duplicate key, or nested too deep. */
  | 'malformed'
  /** JSON, but not an event: a field is missing, unknown, or of the wrong form. */
  | 'invalid'
  | 'unknown_client'
  /** An event, a line or a call beyond its limit. */
  | 'too_large';

export class PublishRefusal extends Error {
  override readonly name = 'PublishRefusal';
  readonly reason: PublishReason;

  constructor(reason: PublishReason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/** Checks an event's object against the schema of its type; gives what is wrong, or undefined. */
export type ObjectCheck = (type: string, object: unknown) => string | undefined;

export interface ReadEventOptions {
  /** What takes the place of a missing `created_at`. */
  readonly now: () => Date;
  /**
   * Of a call that may come again: a missing `id` is made out of this and of the event's place and text, so that the repeat
   * of a call whose answer was lost stores nothing twice. Without it, a UUIDv7.
   */
  readonly idSeed?: string | undefined;
  readonly check?: ObjectCheck | undefined;
}

export const maxEventBytes = 1024 * 1024;
export const eventTypePattern = /^[A-Z][A-Z_]*\.[A-Z][A-Z_]*$/;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const maxTypeLength = 200;
/** Namespace of the ids that are made out of an idempotency key. */
const seededIds = '6f1f4b4e-6a0c-4a55-9d0b-3c5b1f0e7d21';

export type EventWithoutClient = Omit<NewEvent, 'clientId'>;

/**
 * Consumes the event at the cursor. `name` tells the publisher which one it was (`events[3]`, `line 4`); `onClientId` allows
 * the field `client_id`.
 */
export function readEvent(
  cursor: JsonCursor,
  text: string,
  name: string,
  options: ReadEventOptions,
  onClientId?: (clientId: string) => void,
): EventWithoutClient {
  let sentId: string | undefined;
  let sentAt: string | undefined;
  let type: string | undefined;
  let object: string | undefined;

  if (cursor.kind() !== 'object') throw new PublishRefusal('invalid', `${name}: must be an object`);
  cursor.object((key) => {
    if (key === 'object') {
      if (cursor.kind() !== 'object') throw new PublishRefusal('invalid', `${name}.object: must be an object`);
      const { start, end } = cursor.skip();
      object = text.slice(start, end);
    } else if (key === 'type') type = readString(cursor, `${name}.type`);
    else if (key === 'id') sentId = readUuid(cursor, `${name}.id`);
    else if (key === 'created_at') sentAt = readString(cursor, `${name}.created_at`);
    else if (key === 'client_id' && onClientId) onClientId(readUuid(cursor, `${name}.client_id`).toLowerCase());
    else throw unknownField(name, key);
  });

  if (type === undefined) throw new PublishRefusal('invalid', `${name}.type: is required`);
  if (object === undefined) throw new PublishRefusal('invalid', `${name}.object: is required`);
  if (type.length > maxTypeLength || !eventTypePattern.test(type)) {
    throw new PublishRefusal('invalid', `${name}.type: must be CATEGORY.ACTION in capital letters and underscores`);
  }
  const createdAt = sentAt ?? options.now().toISOString();
  if (sentAt !== undefined && parseInstant(sentAt) === undefined) {
    throw new PublishRefusal('invalid', `${name}.created_at: must be an RFC 3339 date-time`);
  }
  const bodyId =
    sentId ??
    (options.idSeed === undefined
      ? uuidv7()
      : uuidv5(JSON.stringify([options.idSeed, name, sentAt ?? null, type, object]), seededIds));

  // The parts hold no character that JSON would escape: their forms were checked above.
  const body = `{"id":"${bodyId}","created_at":"${createdAt}","type":"${type}","object":${object}}`;
  if (body.length > maxEventBytes / 3 && Buffer.byteLength(body) > maxEventBytes) {
    throw new PublishRefusal('too_large', `${name} (id ${bodyId}): larger than ${maxEventBytes} bytes`);
  }
  const wrong = options.check?.(type, JSON.parse(object));
  if (wrong !== undefined) throw new PublishRefusal('invalid', `${name}.object: ${wrong}`);
  return { id: bodyId.toLowerCase(), type, body };
}

function readString(cursor: JsonCursor, name: string): string {
  if (cursor.kind() !== 'string') throw new PublishRefusal('invalid', `${name}: must be a string`);
  return cursor.string();
}

export function readUuid(cursor: JsonCursor, name: string): string {
  const value = readString(cursor, name);
  if (!uuidPattern.test(value)) throw new PublishRefusal('invalid', `${name}: must be a UUID`);
  return value;
}

export function unknownField(name: string, key: string): PublishRefusal {
  const shown = JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
  return new PublishRefusal('invalid', `${name}: unknown field ${shown}`);
}
