// The sending service in memory, for tests of a handler against what the contract promises (delivery.md): packages in the
// order of publishing, one in flight, sorted by `created_at` inside; every answer but 2xx blocks the queue, and the same bytes
// come again after 1, 2, 3, 5, 8, ... 600 s with a fresh signature, without end. Time is a fake clock, so nothing waits.
// No HTTP API, no webhooks to register, no filter: `bellhop dev` is the whole service.
import { randomUUID } from 'node:crypto';
import { compareInstants } from '@bellhop/events';
import type { KeyLookup, SignatureVersion } from '@bellhop/signatures';
import type { FakeClock } from './clock.ts';
import { fakeClock } from './clock.ts';
import type { DeliveryAnswer, SignedDelivery, Target, TestEvent } from './signed-delivery.ts';
import { packageOf, post, signedBody, testKeys } from './signed-delivery.ts';

export interface TestServiceOptions {
  /** A handler, or the URL of a running one; may be set later with `deliverTo`. */
  readonly target?: Target;
  readonly clock?: FakeClock;
  /** Path and query that are signed, when the target is a handler. */
  readonly url?: string;
  readonly version?: SignatureVersion;
  /** Default 64 KiB, of the complete body; one larger event is sent alone. */
  readonly maxPackageBytes?: number;
  readonly webhookId?: string;
}

export interface Attempt extends DeliveryAnswer {
  readonly ids: readonly string[];
  /** 1 at the first one of a package. */
  readonly attempt: number;
  /** Seconds on the fake clock since the service was made. */
  readonly atSeconds: number;
}

export interface TestService {
  readonly clock: FakeClock;
  /** For `createHandler({ keys: service.keys, now: service.clock.now })`. */
  readonly keys: KeyLookup;
  readonly webhookId: string;
  deliverTo(target: Target): void;
  publish(...events: readonly TestEvent[]): void;
  /** All that is due now: until the queue is empty or an attempt fails. Returns the attempts made. */
  deliver(): Promise<readonly Attempt[]>;
  /** Moves the clock over the waits until the queue is empty; throws after `maxAttempts` (default 20) without success. */
  settle(options?: {
    readonly maxAttempts?: number;
    readonly afterEach?: () => Promise<void>;
  }): Promise<readonly Attempt[]>;
  /** Sends the last package once more, as after an answer that got lost. */
  repeatLast(): Promise<Attempt>;
  /** Events that are not delivered yet. */
  waiting(): number;
  readonly attempts: readonly Attempt[];
}

interface Package {
  readonly ids: readonly string[];
  readonly body: Uint8Array<ArrayBuffer>;
  attempts: number;
}

const maxWaitSeconds = 600;

export function testService(options: TestServiceOptions = {}): TestService {
  const { clock = fakeClock(), maxPackageBytes = 65_536, webhookId = randomUUID() } = options;
  const startMs = clock.now();
  const queue: TestEvent[] = [];
  const attempts: Attempt[] = [];
  let target = options.target;
  let pending: Package | undefined;
  let last: Package | undefined;
  let dueMs = startMs;
  let isDelivering = false;

  /** As many of the first events as fit; at least one. */
  function cut(): Package | undefined {
    let count = 0;
    let body: Uint8Array<ArrayBuffer> | undefined;
    while (count < queue.length) {
      const longer = packageOf(byTime(queue.slice(0, count + 1)), webhookId);
      if (body !== undefined && longer.byteLength > maxPackageBytes) break;
      body = longer;
      count += 1;
    }
    if (body === undefined) return undefined;
    const ids = byTime(queue.splice(0, count)).map(({ id }) => id);
    return { ids, body, attempts: 0 };
  }

  async function attempt(parcel: Package): Promise<Attempt> {
    if (target === undefined) throw new TypeError('Give the service a target: testService({ target }) or deliverTo()');
    parcel.attempts += 1;
    const url = typeof target === 'string' ? target : options.url;
    const { version } = options;
    const delivery: SignedDelivery = await signedBody(parcel.body, {
      now: clock.now,
      ...(url === undefined ? {} : { url }),
      ...(version === undefined ? {} : { version }),
    });
    const atSeconds = (clock.now() - startMs) / 1000;
    const made = { ...(await post(target, delivery)), ids: parcel.ids, attempt: parcel.attempts, atSeconds };
    attempts.push(made);
    return made;
  }

  async function deliver(): Promise<readonly Attempt[]> {
    if (isDelivering) throw new TypeError('A webhook has one package in flight: await deliver() first');
    isDelivering = true;
    const made: Attempt[] = [];
    try {
      while (clock.now() >= dueMs) {
        pending ??= cut();
        if (pending === undefined) break;
        const result = await attempt(pending);
        made.push(result);
        if (result.status < 200 || result.status > 299) {
          dueMs = clock.now() + waitSeconds(pending.attempts) * 1000;
          break;
        }
        last = pending;
        pending = undefined;
      }
    } finally {
      isDelivering = false;
    }
    return made;
  }

  const waiting = (): number => queue.length + (pending?.ids.length ?? 0);

  return {
    clock,
    keys: testKeys,
    webhookId,
    attempts,
    waiting,
    deliver,

    deliverTo(next) {
      target = next;
    },

    publish(...events) {
      // A copy: what was published does not change.
      queue.push(...events.map((event) => structuredClone(event)));
    },

    async settle({ maxAttempts = 20, afterEach } = {}) {
      const made: Attempt[] = [];
      while (waiting() > 0) {
        clock.advance(Math.max(0, dueMs - clock.now()));
        made.push(...(await deliver()));
        await afterEach?.();
        const failed = pending;
        if (failed === undefined || failed.attempts < maxAttempts) continue;
        const { status, reason } = made.at(-1) ?? {};
        throw new Error(`The handler refused a package ${failed.attempts} times, last with ${status} ${reason ?? ''}`);
      }
      return made;
    },

    async repeatLast() {
      if (last === undefined) throw new TypeError('Nothing was delivered yet');
      return attempt(last);
    },
  };
}

/** Stable: events of one instant keep the order of publishing. */
function byTime(events: readonly TestEvent[]): readonly TestEvent[] {
  return [...events].sort((a, b) => compareInstants(a.created_at, b.created_at));
}

/** After so many failed attempts: 1, 2, 3, 5, 8, ... and 600 from then on. */
function waitSeconds(failed: number): number {
  let [wait, next] = [1, 2];
  for (let count = 1; count < failed && wait < maxWaitSeconds; count += 1) [wait, next] = [next, wait + next];
  return Math.min(wait, maxWaitSeconds);
}
