// The times a signature may have, and how long its nonce must be remembered. Contract: "Verify" steps 7 and 10; the
// numbers are defaults. Times are compared with fractions of a second.
//
// Several processes may share a memory of nonces, each with a clock of its own. While the slowest still accepts a message the
// fastest must not have forgotten its nonce, so nonces are kept longer than any of these times says.

/**
 * Seconds that a nonce is remembered after its message has run out: twice the 60 s between two clocks that are each 30 s
 * wrong.
 */
export const nonceMarginSeconds = 120;

export interface TimeWindow {
  /** How far `created` may be ahead of this clock. Default 30. */
  readonly createdAheadSeconds: number;
  /** Longest time from `created` to `expires`. Default 300. */
  readonly maxLifetimeSeconds: number;
  /** How long after `expires` a message is still taken. Default 30. */
  readonly expiredGraceSeconds: number;
  /** How old `created` may be when there is no `expires`. Default 300. */
  readonly maxAgeSeconds: number;
}

export type TimeFailure = 'created_in_future' | 'expires_before_created' | 'lifetime_too_long' | 'expired';

export type TimeResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: TimeFailure; readonly detail: string };

interface SignatureTimes {
  readonly created: number;
  readonly expires: number | undefined;
}

const defaults: TimeWindow = {
  createdAheadSeconds: 30,
  maxLifetimeSeconds: 300,
  expiredGraceSeconds: 30,
  maxAgeSeconds: 300,
};

export function timeWindow(options: Partial<TimeWindow>): TimeWindow {
  const pick = (name: keyof TimeWindow): number => {
    const value = options[name] ?? defaults[name];
    if (!(value >= 0)) throw new TypeError(`${name} is a number of seconds`);
    return value;
  };
  return {
    createdAheadSeconds: pick('createdAheadSeconds'),
    maxLifetimeSeconds: pick('maxLifetimeSeconds'),
    expiredGraceSeconds: pick('expiredGraceSeconds'),
    maxAgeSeconds: pick('maxAgeSeconds'),
  };
}

function failure(reason: TimeFailure, detail: string): TimeResult {
  return { ok: false, reason, detail };
}

export function checkTimes(times: SignatureTimes, nowSeconds: number, window: TimeWindow): TimeResult {
  const { created, expires } = times;
  if (created - nowSeconds > window.createdAheadSeconds) {
    return failure(
      'created_in_future',
      `created is ${Math.ceil(created - nowSeconds)} s ahead of the receiver's clock`,
    );
  }
  if (expires === undefined) {
    if (nowSeconds - created <= window.maxAgeSeconds) return { ok: true };
    return failure('expired', `created is ${Math.floor(nowSeconds - created)} s ago and there is no expires`);
  }
  if (expires <= created) return failure('expires_before_created', 'expires is not later than created');
  if (expires - created > window.maxLifetimeSeconds) {
    return failure(
      'lifetime_too_long',
      `expires is ${expires - created} s after created, at most ${window.maxLifetimeSeconds} s are allowed`,
    );
  }
  if (nowSeconds - expires <= window.expiredGraceSeconds) return { ok: true };
  return failure('expired', `The signature expired ${Math.floor(nowSeconds - expires)} s ago`);
}

/** Unix seconds until which a nonce must be remembered; after it the message is refused as expired by every clock. */
export function forgetNonceAfter(times: SignatureTimes, window: TimeWindow): number {
  const acceptedUntil = (times.expires ?? times.created + window.maxAgeSeconds) + window.expiredGraceSeconds;
  return acceptedUntil + nonceMarginSeconds;
}
