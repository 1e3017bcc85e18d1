// The next state of an object from its last one: what the examples of both types say alike is fixed for the object's life, or
// not touched by this step, and stays as it was (ids, `created_at`, amounts, also what a caller has set or left out). What they
// say differently is what the new type changes. `updated_at` grows.
import { isDeepStrictEqual } from 'node:util';
import type { Plain } from './fresh-ids.ts';
import { laterThan } from './fresh-times.ts';

/** Fills `object`, made for the new type, in place. The templates are the catalogue's: `was` for `before`, `is` for `object`. */
export function carryOver(object: Plain, before: Readonly<Plain>, was: Readonly<Plain>, is: Readonly<Plain>): void {
  const updatedAt = object['updated_at'];
  for (const field of new Set([...Object.keys(before), ...Object.keys(is)])) {
    if (!isDeepStrictEqual(was[field], is[field])) continue;
    if (Object.hasOwn(before, field)) object[field] = structuredClone(before[field]);
    else delete object[field];
  }
  if (typeof updatedAt !== 'string') return;
  object['updated_at'] = laterThan(before['updated_at'] ?? before['created_at'], Date.parse(updatedAt));
}
