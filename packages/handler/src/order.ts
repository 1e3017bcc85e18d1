// The order in which events are processed: which of them are run one after the other. An order is a name or a function that
// gives a key; events with one key run one at a time, in the order of storing, and null means that nothing is waited for.
import type { WebhookEvent } from '@bellhop/events';
import { categoryOf, keyFieldOf } from '@bellhop/events/lookup';

/**
 * `object`: per object, such as one order or one user. `webhook`: per webhook, one event after the other. `user`: per user;
 * what names no single user (an execution, an account, …) keeps the order of its object. `none`: as it comes.
 */
export type OrderName = 'object' | 'webhook' | 'user' | 'none';

/** A name, or a key of your own; events with key null are processed without order. */
export type Order<E> = OrderName | ((event: E) => string | null);

const named: Readonly<Record<OrderName, (event: WebhookEvent) => string | null>> = {
  object: objectKey,
  webhook: ({ webhook_id }) => webhook_id,
  user: (event) =>
    fieldOf(event, 'user_id') ?? (categoryOf(event.type) === 'USER' ? fieldOf(event, 'id') : null) ?? objectKey(event),
  none: () => null,
};

export function keyBy<E>(order: Order<E>): (event: E & WebhookEvent) => string | null {
  if (typeof order === 'function') return (event) => checked(order(event));
  if (Object.hasOwn(named, order)) return named[order];
  throw new TypeError(`order is 'object', 'webhook', 'user', 'none' or a function, not ${JSON.stringify(order)}`);
}

/** For callers without types: each inbox would fail in its own way, or not at all. */
function checked(key: string | null): string | null {
  if (key === null || typeof key === 'string') return key;
  throw new TypeError(`The order function must give a string or null, not ${JSON.stringify(key) ?? typeof key}`);
}

function objectKey(event: WebhookEvent): string | null {
  return fieldOf(event, keyFieldOf(event.type)) ?? fieldOf(event, 'id');
}

function fieldOf({ object }: WebhookEvent, name: string): string | null {
  const value = object[name];
  return typeof value === 'string' && value !== '' ? value : null;
}
