// Lookups over the generated catalogue. They tell what this version knows, never what is legal on the wire: a
// consumer accepts unknown types and categories, and a publisher may send any well-formed type.
import {
  type Category,
  categories,
  type EventType,
  keyFields,
  type SubscribableCategory,
  subscribableCategories,
} from './generated/catalogue.ts';
import { categoryOf } from './match.ts';

export const eventTypes: readonly EventType[] = categories.flatMap((category) => category.types);

const types: ReadonlySet<string> = new Set(eventTypes);
const names: ReadonlySet<string> = new Set(categories.map((category) => category.name));
const fields: ReadonlyMap<string, string> = new Map(Object.entries(keyFields));
const subscribable: ReadonlySet<string> = new Set(subscribableCategories);

export function isEventType(type: string): type is EventType {
  return types.has(type);
}

export function isCategory(name: string): name is Category {
  return names.has(name);
}

/**
 * The field of `object` that tells which resource an event is about: mostly `id`, but `account_id` of a position. It need
 * not tell positions of one account apart.
 */
export function keyFieldOf(type: string): string {
  return fields.get(type) ?? fields.get(categoryOf(type)) ?? 'id';
}

/** Whether a webhook's `type` may list the name: the known categories, `ALL`, and `PORTFOLIO`, which has no events. */
export function isSubscribable(name: string): name is SubscribableCategory {
  return subscribable.has(name);
}

/** Whether the text has the form `CATEGORY.ACTION`, known or not. */
export function isWellFormedType(type: string): boolean {
  return /^[A-Z][A-Z_]*\.[A-Z][A-Z_]*$/.test(type);
}
