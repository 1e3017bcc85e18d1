// The event envelope as TypeScript types. Wire names are kept. `EventMap` lives in index.ts, because declaration
// merging reaches an interface only in the module that declares it.
import type { EventType } from './generated/catalogue.ts';
import type { EventMap } from './index.ts';

/** One event as it is delivered. Without arguments: any event, also of a type nobody knows yet. */
export interface WebhookEvent<T extends string = string, O = Record<string, unknown>> {
  /** UUID, the same on every retry: the deduplication key. */
  readonly id: string;
  /** RFC 3339, 0 to 9 fraction digits: compare with `compareInstants`, not as text. */
  readonly created_at: string;
  /** `CATEGORY.ACTION` */
  readonly type: T;
  readonly object: O;
  /** The webhook this copy was made for. */
  readonly webhook_id: string;
}

/** The event of a type, or the union of the events of several types (narrow it by `event.type`). */
export type EventOf<T extends keyof EventMap & string> = T extends keyof EventMap & string
  ? WebhookEvent<T, EventMap[T]>
  : never;

export type KnownEvent = EventOf<EventType>;

/** An event before it is delivered: it has no webhook yet. */
export interface UndeliveredEvent<T extends string = string, O = Record<string, unknown>> {
  readonly id: string;
  readonly created_at: string;
  readonly type: T;
  readonly object: O;
}
