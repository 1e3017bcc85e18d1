// Runs listeners for what is in the inbox: at most `concurrency` at a time, one at a time per key (the inbox sees to that),
// failures again later. One pump claims; whatever changes (stored, finished, due, drain) only wakes it.
//
//   stopped ──start──► pumping ◄─► waiting (timer for the next retry, or the poll for other processes)
//      ▲                  │
//      └───────stop───────┘   `drain` pumps also while stopped, until nothing is due and nothing runs
//
// Beside that the pump lets the inbox sweep what is beyond retention, one small batch at a time, and a timer renews the claims
// of what runs long, where the inbox wants that. A listener that does not end is told of, and left alone by a stop: its
// event goes back to the inbox, and nothing of it keeps the process.
//
// A wake during a claim makes the pump claim once more, so that nothing stored meanwhile is overlooked.
import { setMaxListeners } from 'node:events';
import type { WebhookEvent } from '@bellhop/events';
import type { RetryPolicy } from './back-off.ts';
import { ParkError } from './back-off.ts';
import type { EventFact, Hooks, InboxOperation } from './hooks.ts';
import { messageOf, warn } from './hooks.ts';
import { Abandoned } from './inbox/abandoned.ts';
import { columnText } from './inbox/column-text.ts';
import type { Inbox, Job, Outcome } from './inbox/inbox.ts';
import type { Listeners } from './listeners.ts';

export interface ProcessorOptions<Tx> {
  readonly inbox: Inbox<Tx>;
  readonly listeners: Listeners<Tx>;
  readonly concurrency: number;
  readonly policy: RetryPolicy;
  /** The key that an event would get here. */
  readonly keyOf: (event: WebhookEvent) => string | null;
  readonly slowListenerMs: number;
  readonly now: () => number;
  readonly hooks: Required<Hooks>;
}

export interface Processor {
  start(): void;
  /** Returns when nothing that is due is left, or after `drainMs`; then running listeners are aborted. */
  stop(drainMs: number): Promise<void>;
  drain(): Promise<void>;
  wake(): void;
}

/** Another process may have stored something, or a lease may have run out. */
const pollMs = 1_000;
/** For listeners that react to the abortion of their signal. */
const abortGraceMs = 1_000;
const sweepEveryMs = 60_000;
/** While there is more to sweep. */
const sweepOnMs = 500;
/** A longer setTimeout fires at once. */
const maxTimerMs = 2_147_483_647;

interface Drain {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function createProcessor<Tx>(options: ProcessorOptions<Tx>): Processor {
  const { inbox, listeners, policy, slowListenerMs, now, hooks } = options;
  const concurrency = Math.min(options.concurrency, inbox.maxConcurrency ?? options.concurrency);
  const running = new Set<Promise<void>>();
  const claims = new Set<Job>();
  let renewing: NodeJS.Timeout | undefined;
  let sweepDueAt = Number.NEGATIVE_INFINITY;
  const drains = new Set<Drain>();
  let abort = newAbort();
  let abandon = newAbort();
  let isOrderTold = false;
  let isStarted = false;
  let pumping: Promise<void> | undefined;
  let isWoken = false;
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;

  function wake(): void {
    isWoken = true;
    pumping ??= pump();
  }

  async function pump(): Promise<void> {
    clearTimeout(timer);
    while (isWoken) {
      isWoken = false;
      await fill();
      await sweep();
    }
    pumping = undefined;
  }

  function isActive(): boolean {
    return isStarted || drains.size > 0;
  }

  /** Claims until all slots are taken or nothing more is due. */
  async function fill(): Promise<void> {
    while (isActive() && running.size < concurrency) {
      let jobs: readonly Job[];
      let nextDueAt: Date | null;
      try {
        const claimed = await inbox.claim({ limit: concurrency - running.size, now: new Date(now()) });
        ({ jobs, nextDueAt } = claimed);
        if (claimed.duplicates) hooks.onDuplicates({ count: claimed.duplicates });
      } catch (error) {
        hooks.onInboxError({ operation: 'claim', error });
        endDrains((drain) => drain.reject(error));
        setTimer(pollMs);
        return;
      }
      if (!isActive()) {
        // Stopped while the claim was on its way.
        for (const job of jobs) await settle('release', () => inbox.release(job));
        return;
      }
      for (const job of jobs) launch(job);
      if (jobs.length > 0) {
        // An inbox and listeners that wait for nothing outside would keep deliveries from coming in until all is processed.
        await new Promise(setImmediate);
        continue;
      }
      if (running.size === 0 && !isWoken) endDrains((drain) => drain.resolve());
      const dueMs = nextDueAt === null ? Number.POSITIVE_INFINITY : Math.max(1, nextDueAt.getTime() - now());
      setTimer(inbox.durable ? Math.min(pollMs, dueMs) : dueMs);
      return;
    }
  }

  async function sweep(): Promise<void> {
    if (inbox.sweep === undefined || !isActive() || performance.now() < sweepDueAt) return;
    sweepDueAt = performance.now() + sweepEveryMs;
    try {
      if (await inbox.sweep(new Date(now()))) sweepDueAt = performance.now() + sweepOnMs;
    } catch (error) {
      hooks.onInboxError({ operation: 'sweep', error });
    }
  }

  function setTimer(delayMs: number): void {
    clearTimeout(timer);
    if (isStarted && delayMs !== Number.POSITIVE_INFINITY) timer = setTimeout(wake, Math.min(delayMs, maxTimerMs));
  }

  function endDrains(end: (drain: Drain) => void): void {
    const ending = [...drains];
    drains.clear();
    for (const drain of ending) end(drain);
  }

  function launch(job: Job): void {
    claims.add(job);
    if (inbox.renew !== undefined && inbox.leaseMs !== undefined) {
      renewing ??= setInterval(renew, Math.max(1, inbox.leaseMs / 3));
    }
    const work = run(job, abort.signal, abandon.signal).finally(() => {
      running.delete(work);
      claims.delete(job);
      if (claims.size === 0) endRenewing();
      wake();
    });
    running.add(work);
  }

  function endRenewing(): void {
    clearInterval(renewing);
    renewing = undefined;
  }

  function renew(): void {
    inbox.renew?.([...claims], new Date(now())).catch((error: unknown) => {
      hooks.onInboxError({ operation: 'renew', error });
    });
  }

  /** Who received the event gave it another key than this process would: its order is not the one that listeners ask for. */
  function compareOrder({ event, key }: Job): void {
    if (isOrderTold) return;
    const wanted = orderOf(event);
    if (wanted === undefined || key === wanted || (wanted !== null && key === columnText(wanted))) return;
    isOrderTold = true;
    const [stored, own] = [key, wanted].map((each) => (each === null ? 'no key' : `the key ${each}`));
    warn(
      `${event.type} ${event.id} was stored with ${stored} and would get ${own} here. The order is decided where an event is ` +
        'received: create the handler with the same order and listeners there. Told once',
      'BELLHOP_ORDER_DIFFERS',
    );
  }

  function orderOf(event: WebhookEvent): string | null | undefined {
    try {
      return options.keyOf(event);
    } catch {
      // Such an event is refused when it is received; one that was stored is processed.
      return undefined;
    }
  }

  async function run(job: Job, signal: AbortSignal, abandoned: AbortSignal): Promise<void> {
    compareOrder(job);
    const { event, key, attempt, replay, receivedAt } = job;
    const fact: EventFact = { id: event.id, type: event.type, key, attempt };
    const { maxAttempts, delayMs } = listeners.policyOf(event) ?? policy;
    if (attempt > maxAttempts) {
      // Its runs ended neither well nor badly: each took the process down with it.
      return park(job, fact, new Error(`No run came to an end, and ${maxAttempts} were started`));
    }
    const listener = listeners.find(event);
    const startedAt = performance.now();
    const slow = setTimeout(() => hooks.onSlow({ ...fact, runningMs: slowListenerMs }), slowListenerMs).unref();
    let outcome: Outcome = 'ignored';
    try {
      const isMine = await inbox.complete(job, async (tx, marks) => {
        if (listener === undefined) return outcome;
        const work = listener({ tx, attempt, replay, receivedAt, signal, idempotencyKey: event.id, marks });
        await unless(abandoned, Promise.resolve(work));
        outcome = 'done';
        return outcome;
      });
      if (!isMine) return;
      const lagMs = Math.max(0, now() - receivedAt.getTime());
      hooks.onProcessed({ ...fact, outcome, durationMs: performance.now() - startedAt, lagMs });
    } catch (error) {
      if (signal.aborted) return settle('release', () => inbox.release(job));
      if (error instanceof ParkError || attempt >= maxAttempts) return park(job, fact, error);
      const retryAt = new Date(now() + delayMs(attempt, error));
      hooks.onFailed({ ...fact, error, retryAt });
      return settle('fail', () => inbox.fail(job, { error: messageOf(error), retryAt }));
    } finally {
      clearTimeout(slow);
    }
  }

  async function park(job: Job, fact: EventFact, error: unknown): Promise<void> {
    hooks.onParked({ ...fact, error });
    await settle('park', () => inbox.park(job, { error: messageOf(error) }));
  }

  /** If even this fails, the claim runs out by itself and somebody takes the event again. */
  async function settle(operation: InboxOperation, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      hooks.onInboxError({ operation, error });
    }
  }

  async function idle(): Promise<void> {
    await pumping;
    await Promise.allSettled(running);
  }

  /** What a stop ended is not to end what runs after it. */
  function renewSignals(): void {
    if (abort.signal.aborted) abort = newAbort();
    if (abandon.signal.aborted) abandon = newAbort();
  }

  function drain(): Promise<void> {
    renewSignals();
    return new Promise((resolve, reject) => {
      drains.add({ resolve, reject });
      wake();
    });
  }

  return {
    wake,
    drain,

    start() {
      if (isStarted) return;
      isStarted = true;
      renewSignals();
      unsubscribe = inbox.subscribe?.(wake);
      wake();
    },

    async stop(drainMs) {
      const wasStarted = isStarted;
      const [ownAbort, ownAbandon] = [abort, abandon];
      isStarted = false;
      unsubscribe?.();
      clearTimeout(timer);
      // What a durable inbox holds stays for the next start; what only memory holds would be lost.
      const rest = wasStarted && !inbox.durable ? drain().catch(idle) : idle();
      const inTime = await within(drainMs, rest);
      endDrains((waiting) => waiting.reject(new Error('The handler was stopped before its inbox was drained')));
      if (inTime) return;
      ownAbort.abort(new Error('The handler is stopping'));
      if (await within(abortGraceMs, Promise.allSettled(running))) return;
      ownAbandon.abort();
      await within(abortGraceMs, Promise.allSettled(running));
      endRenewing();
    },
  };
}

/** Every running listener may listen to it: beyond ten, Node would warn of a leak. */
function newAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** What the work gives, or a rejection when the signal comes first. */
function unless<T>(abandoned: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(new Abandoned());
    abandoned.addEventListener('abort', give, { once: true });
    work.then(resolve, reject).finally(() => abandoned.removeEventListener('abort', give));
    if (abandoned.aborted) give();
  });
}

/** Whether the work ended within the time; what it rejects with counts as an end. */
async function within(delayMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, delayMs, false);
  });
  const ended = work.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([ended, late]);
  clearTimeout(timer);
  return result;
}
