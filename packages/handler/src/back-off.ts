// How long a failed event waits before its listener runs again. Pure. Without end by default: an event is never dropped, the
// wait grows to ten minutes and stays there.

export interface RetryOptions {
  /** Wait after the first failure; it doubles with every further one. Default 1,000. */
  readonly firstDelayMs?: number;
  /** Default 600,000. */
  readonly maxDelayMs?: number;
  /** With `onExhausted: 'park'`: runs before an event is given up. Default 10. */
  readonly maxAttempts?: number;
}

/** What becomes of an event that failed `maxAttempts` times: it goes on blocking its key, or it is parked. */
export type OnExhausted = 'block' | 'park';

/** Thrown by a listener that knows when to try again; it is a failure like any other, with a wait of its own. */
export class RetryLaterError extends Error {
  readonly code: 'retry_later' = 'retry_later';
  override readonly name = 'RetryLaterError';
  readonly delayMs: number;

  constructor(delayMs: number, options?: ErrorOptions) {
    if (!Number.isFinite(delayMs) || delayMs < 0) throw new TypeError('delayMs must be 0 or more');
    super(`The listener asked to be run again in ${delayMs} ms`, options);
    this.delayMs = delayMs;
  }
}

/** Thrown by a listener that knows that trying again is useless: the event is parked at once, and its key goes on. */
export class ParkError extends Error {
  readonly code: 'park' = 'park';
  override readonly name = 'ParkError';
}

export type BackOff = (attempt: number, error: unknown) => number;

export interface RetryPolicy {
  readonly delayMs: BackOff;
  /** Infinity: never given up. */
  readonly maxAttempts: number;
}

export function retryPolicy(options: RetryOptions = {}, onExhausted: OnExhausted = 'block'): RetryPolicy {
  const { maxAttempts = 10 } = options;
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) throw new TypeError('maxAttempts is a positive integer');
  if (onExhausted !== 'block' && onExhausted !== 'park') throw new TypeError("onExhausted is 'block' or 'park'");
  return {
    delayMs: backOff(options),
    maxAttempts: onExhausted === 'park' ? maxAttempts : Number.POSITIVE_INFINITY,
  };
}

function backOff(options: RetryOptions = {}): BackOff {
  const { firstDelayMs = 1_000, maxDelayMs = 600_000 } = options;
  for (const delay of [firstDelayMs, maxDelayMs]) {
    if (!Number.isFinite(delay) || delay < 0) throw new TypeError('Delays of retry are 0 or more');
  }
  return (attempt, error) =>
    error instanceof RetryLaterError ? error.delayMs : Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1));
}
