// Puts the handler together: keys, inbox, listeners, receive path, processor. Receiving and processing meet only in the
// inbox: `receive` answers when events are stored, listeners run after that, here or in another process.
import type { WebhookEvent } from '@bellhop/events';
import type { KeyLookup } from '@bellhop/signatures';
import { memoryNonces } from '@bellhop/signatures';
import type { OnExhausted, RetryOptions } from './back-off.ts';
import { retryPolicy } from './back-off.ts';
import type { Hooks } from './hooks.ts';
import { guarded, warn } from './hooks.ts';
import type { Inbox } from './inbox/inbox.ts';
import { memoryInbox } from './inbox/memory.ts';
import type { InboxAdmin } from './inbox-admin.ts';
import { inboxAdmin } from './inbox-admin.ts';
import { createListeners } from './listeners.ts';
import type { Order } from './order.ts';
import { keyBy } from './order.ts';
import type { OnOptions, Pattern, Run, RunFallback } from './patterns.ts';
import { createProcessor } from './processor.ts';
import type { RawRequest, RawResponse } from './raw-http.ts';
import { receive } from './receive.ts';
import type { Sender } from './senders/sender.ts';
import { upvest } from './senders/upvest.ts';

export interface HandlerOptions {
  /** Keys that deliveries are signed with: `remoteKeys(client)`, or a lookup of your own. */
  readonly keys?: KeyLookup;
  /** Other senders, asked in order before `keys`: `@bellhop/handler/senders`. */
  readonly senders?: readonly Sender[];
  /** Default 2 MiB: the largest package has 1 MiB, and a single larger event is sent alone. */
  readonly maxBodyBytes?: number;
  /** Listeners that run at the same time. Default 10. */
  readonly concurrency?: number;
  /** What is processed one after the other, unless a listener says otherwise. Default `object`. */
  readonly order?: Order<WebhookEvent>;
  readonly retry?: RetryOptions;
  /** Default `block`: retries have no end, because giving up an event lets later ones of its key overtake it. */
  readonly onExhausted?: OnExhausted;
  /** After this a running listener is told of (`onSlow`), once. Default 60,000. */
  readonly slowListenerMs?: number;
  /** The path and query that the sender called, when a proxy in between changes them. */
  readonly publicTarget?: (url: string) => string;
  readonly hooks?: Hooks;
  /** Hooks beside yours: `metricHooks(prometheus(client))` of `@bellhop/handler/metrics`. */
  readonly metrics?: Hooks;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface Handler<Tx> extends AsyncDisposable {
  /** Runs for events that match; the most specific pattern wins. A second listener for a pattern throws. */
  on<const P extends Pattern>(pattern: P | readonly P[], run: Run<P, Tx>): Handler<Tx>;
  on<const P extends Pattern>(pattern: P | readonly P[], options: OnOptions<P>, run: Run<P, Tx>): Handler<Tx>;
  /** Runs for events that no listener matches. Without one they are stored as ignored. */
  fallback(run: RunFallback<Tx>): Handler<Tx>;
  /** Verifies, stores, answers; knows no framework. Never rejects. */
  receive(request: RawRequest): Promise<RawResponse>;
  /** The patterns that have a listener. */
  types(): readonly Pattern[];
  /** Begins to process. Listeners must be registered before. */
  start(): Promise<void>;
  /** Refuses new deliveries with 503, ends what runs, aborts it after `drainMs` (default 10,000). */
  stop(options?: { readonly drainMs?: number }): Promise<void>;
  /** Processes what is due now, also without `start()`; events that wait for a retry stay. */
  drain(): Promise<void>;
  /** What is in the inbox, and ways to act on it. */
  readonly inbox: InboxAdmin;
}

export function createHandler(options: HandlerOptions & { readonly inbox?: undefined }): Handler<undefined>;
export function createHandler<Tx>(options: HandlerOptions & { readonly inbox: Inbox<Tx> }): Handler<Tx>;
export function createHandler<Tx>(
  options: HandlerOptions & { readonly inbox?: Inbox<Tx> | undefined },
): Handler<Tx> | Handler<undefined> {
  return options.inbox === undefined ? assemble(options, memoryInbox()) : assemble(options, options.inbox);
}

function assemble<Tx>(options: HandlerOptions, inbox: Inbox<Tx>): Handler<Tx> {
  const { maxBodyBytes = 2 * 1024 * 1024, concurrency = 10, now = Date.now, order = 'object' } = options;
  const { slowListenerMs = 60_000 } = options;
  if (!Number.isSafeInteger(maxBodyBytes) || maxBodyBytes < 1)
    throw new TypeError('maxBodyBytes must be a positive integer');
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw new TypeError('concurrency must be a positive integer');
  if (!Number.isSafeInteger(slowListenerMs) || slowListenerMs < 1 || slowListenerMs > 2_147_483_647)
    throw new TypeError('slowListenerMs must be a positive integer, 2,147,483,647 at most');

  const ownOrder = keyBy(order);
  const hooks = guarded(options.hooks ?? {}, options.metrics);
  const listeners = createListeners<Tx>({ retry: options.retry, onExhausted: options.onExhausted });
  const policy = retryPolicy(options.retry, options.onExhausted);
  const keyOf = (event: WebhookEvent): string | null => {
    const wanted = listeners.keyOf(event);
    return wanted === undefined ? ownOrder(event) : wanted;
  };
  const processor = createProcessor({ inbox, listeners, concurrency, policy, keyOf, slowListenerMs, now, hooks });
  let isStarted = false;
  let isProcessed = false;
  let storedPackages = 0;
  let stopping: Promise<void> | undefined;

  const receiveOptions = {
    senders: sendersOf(options),
    nonces: inbox.nonces ?? memoryNonces({ now }),
    maxBodyBytes,
    now,
    publicTarget: options.publicTarget ?? ((url: string) => url),
    keyOf,
    store: async (events: Parameters<Inbox<Tx>['store']>[0]) => {
      const result = await inbox.store(events);
      storedPackages += 1;
      // Not at the first: who drains by hand after each request has had no chance yet.
      if (storedPackages === 2 && !isProcessed) {
        warn('Events are stored and not processed: call start() or drain()', 'BELLHOP_HANDLER_NOT_STARTED');
      }
      if (result.stored > 0 && isStarted) processor.wake();
      return result;
    },
    isStopping: () => stopping !== undefined,
    hooks,
  };

  const handler: Handler<Tx> = {
    on<P extends Pattern>(pattern: P | readonly P[], second: OnOptions<P> | Run<P, Tx>, third?: Run<P, Tx>) {
      // An event that came between would have been taken for one that nobody wants.
      if (isStarted) throw new TypeError('Register listeners before start()');
      const patterns = typeof pattern === 'string' ? [pattern] : pattern;
      if (typeof second === 'function') listeners.add(patterns, {}, second);
      else if (third !== undefined) listeners.add(patterns, second, third);
      else throw new TypeError('on() needs a function to run');
      return handler;
    },
    fallback(run) {
      if (isStarted) throw new TypeError('Register the fallback before start()');
      listeners.setFallback(run);
      return handler;
    },
    receive: (request) => receive(request, receiveOptions),
    types: () => listeners.patterns(),
    async start() {
      await stopping;
      stopping = undefined;
      isStarted = true;
      isProcessed = true;
      processor.start();
    },
    stop({ drainMs = 10_000 } = {}) {
      stopping ??= processor.stop(drainMs).finally(() => {
        isStarted = false;
      });
      return stopping;
    },
    drain() {
      isProcessed = true;
      return processor.drain();
    },
    inbox: inboxAdmin(inbox, now, () => {
      if (isStarted) processor.wake();
    }),
    [Symbol.asyncDispose]: () => handler.stop(),
  };
  return handler;
}

function sendersOf({ keys, senders = [] }: HandlerOptions): readonly Sender[] {
  if (keys !== undefined) return [...senders, upvest({ keys })];
  if (senders.length > 0) return senders;
  throw new TypeError('keys must be remoteKeys(client) or an object with find(keyId), unless there are senders');
}
