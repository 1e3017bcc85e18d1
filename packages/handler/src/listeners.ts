// The registry of listeners. Exactly one listener runs for an event: that of its type, else of its category, else `*`,
// else the fallback; for a type nobody has heard of, the fallback goes before `*`, because it was registered for just that.
// A wrong or repeated registration is a TypeError at once, not an event that goes astray later.
import type { WebhookEvent } from '@bellhop/events';
import { categoryOf, isEventType } from '@bellhop/events/lookup';
import type { OnExhausted, RetryOptions, RetryPolicy } from './back-off.ts';
import { retryPolicy } from './back-off.ts';
import { keyBy } from './order.ts';
import type { Context, FallbackContext, OnOptions, Pattern, Run, RunFallback } from './patterns.ts';

/** A listener for an event that is only known to match its pattern. */
type Erased<Tx> = (event: never, context: Context<Tx>) => void | Promise<void>;

interface Registration<Tx> {
  readonly run: Erased<Tx>;
  readonly key: ((event: never) => string | null) | undefined;
  readonly policy: RetryPolicy | undefined;
}

export interface RetryDefaults {
  readonly retry?: RetryOptions | undefined;
  readonly onExhausted?: OnExhausted | undefined;
}

export interface Listeners<Tx> {
  add<P extends Pattern>(patterns: readonly P[], options: OnOptions<P>, run: Run<P, Tx>): void;
  setFallback(run: RunFallback<Tx>): void;
  /** What is to be run for an event, undefined when nobody asked for it. */
  find(event: WebhookEvent): ((context: Context<Tx>) => void | Promise<void>) | undefined;
  /** The order key that the listener of the event wants, undefined when it leaves that to the handler. */
  keyOf(event: WebhookEvent): string | null | undefined;
  /** How its failures are met, undefined when it leaves that to the handler. */
  policyOf(event: WebhookEvent): RetryPolicy | undefined;
  patterns(): readonly Pattern[];
}

export function createListeners<Tx>(defaults: RetryDefaults = {}): Listeners<Tx> {
  const registrations = new Map<string, Registration<Tx>>();
  const order: Pattern[] = [];
  let fallback: RunFallback<Tx> | undefined;

  function registrationFor(type: string): Registration<Tx> | undefined {
    const specific = registrations.get(type) ?? registrations.get(`${categoryOf(type)}.*`);
    if (specific !== undefined) return specific;
    return fallback !== undefined && !isEventType(type) ? undefined : registrations.get('*');
  }

  return {
    add(patterns, options, run) {
      if (patterns.length === 0) throw new TypeError('on() needs at least one pattern');
      if (typeof run !== 'function') throw new TypeError('on() needs a function to run');
      for (const [index, pattern] of patterns.entries()) {
        assertPattern(pattern);
        if (registrations.has(pattern) || patterns.indexOf(pattern) !== index) {
          throw new TypeError(`There is a listener for ${pattern} already: exactly one runs for an event`);
        }
      }
      const { order: wanted, retry, onExhausted } = options;
      const key = wanted === undefined ? undefined : keyBy(wanted);
      const isOwn = retry !== undefined || onExhausted !== undefined;
      const policy = isOwn
        ? retryPolicy({ ...defaults.retry, ...retry }, onExhausted ?? defaults.onExhausted)
        : undefined;
      for (const pattern of patterns) {
        registrations.set(pattern, { run, key, policy });
        order.push(pattern);
      }
    },

    setFallback(run) {
      if (typeof run !== 'function') throw new TypeError('fallback() needs a function to run');
      if (fallback !== undefined) throw new TypeError('There is a fallback already');
      fallback = run;
    },

    find(event) {
      const registration = registrationFor(event.type);
      // Here the wire becomes a type: the pattern has matched, and the listener's parameter follows from the pattern.
      if (registration !== undefined) return (context) => registration.run(event as never, context);
      const run = fallback;
      if (run === undefined) return undefined;
      const why: FallbackContext<Tx>['why'] = isEventType(event.type) ? 'unhandled' : 'unheard';
      return (context) => run(event, { ...context, why });
    },

    keyOf(event) {
      return registrationFor(event.type)?.key?.(event as never);
    },

    policyOf: (event) => registrationFor(event.type)?.policy,

    patterns: () => [...order],
  };
}

function assertPattern(pattern: string): void {
  if (pattern === '*' || /^[^.*\s]+\.([^*\s]+|\*)$/.test(pattern)) return;
  throw new TypeError(`A pattern is "CATEGORY.ACTION", "CATEGORY.*" or "*", not ${JSON.stringify(pattern)}`);
}
