// `latest(run)`: a listener that sees no older state of an object after a newer one. Opt-in: events of different types can
// overtake each other (contract/delivery.md, "Batching and order"), and a replay brings old states back. Who keeps a copy of
// an object wants this; who reacts to each step (`ORDER.FILLED` sends a mail) does not.
//
// The state's time is the first of object.updated_at, object.created_at and the event's created_at that is an instant. It is
// remembered per category and object id, in the transaction of the listener; an event with an earlier one is done without
// running. Equal times both run. Events whose object has no id always run: of balances and positions say what identifies one,
// `{ id: ({ object }) => `${object.account_id}/${object.instrument.uuid}` }`.
import { categoryOf, isInstant } from '@bellhop/events/lookup';
import type { Context } from './patterns.ts';

interface Stateful {
  readonly id: string;
  readonly type: string;
  readonly created_at: string;
  readonly object: object;
}

export interface LatestOptions<E> {
  /** Instead of the category: listeners that share a scope share what they know about an object. */
  readonly scope?: string;
  /** Instead of `object.id`: what the event is the state of, within its scope. */
  readonly id?: (event: E) => string;
  /** Instead of `updated_at`, `created_at`: an RFC 3339 timestamp. */
  readonly instant?: (event: E) => string;
  /** Told of what is dropped. */
  readonly onStale?: (event: E) => void;
}

export function latest<E extends Stateful, C extends Pick<Context<unknown>, 'marks'>>(
  run: (event: E, context: C) => void | Promise<void>,
  options: LatestOptions<E> = {},
): (event: E, context: C) => Promise<void> {
  return async (event, context) => {
    const id = options.id?.(event) ?? fieldOf(event.object, 'id');
    const instant = options.instant?.(event) ?? instantOf(event);
    if (id !== undefined && instant !== undefined) {
      const scope = options.scope ?? categoryOf(event.type);
      if (!(await context.marks.advance(`${scope}/${id}`, instant))) {
        options.onStale?.(event);
        return;
      }
    }
    await run(event, context);
  };
}

function instantOf({ object, created_at }: Stateful): string | undefined {
  return [fieldOf(object, 'updated_at'), fieldOf(object, 'created_at'), created_at].find(
    (text) => text !== undefined && isInstant(text),
  );
}

function fieldOf(object: object, name: string): string | undefined {
  const value: unknown = Reflect.get(object, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
