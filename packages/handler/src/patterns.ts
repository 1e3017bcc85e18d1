// The types of listeners: which patterns exist, which event each one receives, what a listener is given beside it.
// Everything follows from `EventMap` of @bellhop/events; a user adds types by declaration merging there.
// Known types are typed to the field. What a pattern cannot promise is not promised: `*` and the fallback also receive types
// that nobody has heard of, so their `object` is a plain record. A type newer than the catalogue whose category is known
// goes to the listener of the category: give a `switch` over its types a default.
import type { EventMap, EventOf, WebhookEvent } from '@bellhop/events';
import type { OnExhausted, RetryOptions } from './back-off.ts';
import type { Marks } from './inbox/inbox.ts';
import type { Order } from './order.ts';

export type KnownType = keyof EventMap & string;

type CategoryPattern<T extends string> = T extends `${infer C}.${string}` ? `${C}.*` : never;

/** `ORDER.FILLED`, `ORDER.*` or `*`. */
export type Pattern = KnownType | CategoryPattern<KnownType> | '*';

export type EventFor<P extends Pattern> = P extends '*'
  ? WebhookEvent
  : P extends KnownType
    ? EventOf<P>
    : P extends `${infer C}.*`
      ? EventOf<Extract<KnownType, `${C}.${string}`>>
      : never;

export interface Context<Tx> {
  /** The inbox's transaction: what is written through it commits together with the mark that the event is done. */
  readonly tx: Tx;
  /** 1 at the first run. */
  readonly attempt: number;
  /** True when an operator asked to process the event once more. */
  readonly replay: boolean;
  readonly receivedAt: Date;
  /** Aborted when `stop()` runs out of time. */
  readonly signal: AbortSignal;
  /** The same at every attempt, for calls to other systems. */
  readonly idempotencyKey: string;
  /** Remembered in the same transaction; what `latest()` is made of. */
  readonly marks: Marks;
}

export type Run<P extends Pattern, Tx> = (event: EventFor<P>, context: Context<Tx>) => void | Promise<void>;

export interface FallbackContext<Tx> extends Context<Tx> {
  /** `unheard`: the catalogue does not know the type. `unhandled`: it does, and no listener matches. */
  readonly why: 'unheard' | 'unhandled';
}

export type RunFallback<Tx> = (event: WebhookEvent, context: FallbackContext<Tx>) => void | Promise<void>;

export interface OnOptions<P extends Pattern> {
  /** Instead of the handler's. */
  readonly order?: Order<EventFor<P>>;
  /** Instead of the handler's. */
  readonly retry?: RetryOptions;
  /** Instead of the handler's. */
  readonly onExhausted?: OnExhausted;
}
