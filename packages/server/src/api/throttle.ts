// Limits the calls of one caller to this process, a client id (contract "Throttling") or an operator: a token bucket each,
// `burst` deep, refilled at `requestsPerSecond`. Full buckets are forgotten, so idle callers cost nothing.

export interface Throttle {
  /** Undefined when the call may go on, else the seconds after which one may. */
  take(callerId: string): number | undefined;
  /** The call that took one is refused for what costs nothing. */
  giveBack(callerId: string): void;
}

export function createThrottle(options: {
  readonly requestsPerSecond: number;
  readonly burst: number;
  readonly now: () => number;
}): Throttle {
  const { requestsPerSecond, burst, now } = options;
  if (!(requestsPerSecond > 0) || !(burst >= 1)) throw new TypeError('A throttle lets something through');
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  const fullAfterMs = (burst / requestsPerSecond) * 1000;
  let sweptAtMs = now();

  return {
    take(callerId) {
      const nowMs = now();
      if (nowMs - sweptAtMs > fullAfterMs) {
        for (const [id, { atMs }] of buckets) if (nowMs - atMs > fullAfterMs) buckets.delete(id);
        sweptAtMs = nowMs;
      }
      const bucket = buckets.get(callerId) ?? { tokens: burst, atMs: nowMs };
      const elapsedMs = Math.max(0, nowMs - bucket.atMs);
      bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs * requestsPerSecond) / 1000);
      bucket.atMs = nowMs;
      buckets.set(callerId, bucket);
      if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / requestsPerSecond));
      bucket.tokens -= 1;
      return undefined;
    },
    giveBack(callerId) {
      const bucket = buckets.get(callerId);
      if (bucket) bucket.tokens = Math.min(burst, bucket.tokens + 1);
    },
  };
}
