// New UUIDs for the ones in an example. Equal ones stay equal, so that references inside an object still lead to the
// same thing. The `uuid` beside an `isin` stays: it names reference data, and one ISIN must not get many.
import { createHash } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export type Plain = { [field: string]: unknown };

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

/** Version 4 UUIDs: from `random` when given, so that a seeded test repeats, else from the platform. */
export function uuidSource(random: (() => number) | undefined): () => string {
  if (random === undefined) return () => crypto.randomUUID();
  return () => uuidOf(Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256)));
}

/** What an example refers to follows from what it is about: all examples of one order name one user, without a memory. */
export function idsBeside(objectId: string): (old: string) => string {
  return (old) => uuidOf(createHash('sha256').update(`${objectId} ${old}`).digest().subarray(0, 16));
}

function uuidOf(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (value, index) => {
    if (index === 6) return (value & 0x0f) | 0x40;
    return index === 8 ? (value & 0x3f) | 0x80 : value;
  }).map((value) => value.toString(16).padStart(2, '0'));
  const part = (from: number, to: number) => hex.slice(from, to).join('');
  return `${part(0, 4)}-${part(4, 6)}-${part(6, 8)}-${part(8, 10)}-${part(10, 16)}`;
}

/** A copy with new ids; `renamed` holds the ids already decided and receives the others. */
export function freshIds(object: Readonly<Plain>, renamed: Map<string, string>, newId: (old: string) => string): Plain {
  const copy: Plain = {};
  for (const [field, value] of Object.entries(object)) {
    copy[field] = field === 'uuid' && 'isin' in object ? value : freshValue(value, renamed, newId);
  }
  return copy;
}

function freshValue(value: unknown, renamed: Map<string, string>, newId: (old: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => freshValue(item, renamed, newId));
  if (isPlain(value)) return freshIds(value, renamed, newId);
  if (!isUuid(value)) return value;
  const known = renamed.get(value) ?? newId(value);
  renamed.set(value, known);
  return known;
}

export function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
