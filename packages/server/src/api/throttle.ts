// Limits the calls of one caller to this process, a client id (contract "Throttling") or an operator: a token bucket each,
// `burst` deep, refilled at `requestsPerSecond`. Full buckets are forgotten, so idle callers cost nothing.

export interface Throttle {
  /** Undefined when the call may go on, else the seconds after which one may. */
  take(callerId: string): number | undefined;
  /** What `take` would say, and takes nothing. */
  wait(callerId: string): number | undefined;
  /** The call that took one is refused for what costs nothing. */
  giveBack(callerId: string): void;
}

interface Bucket {
  tokens: number;
  readonly atMs: number;
}

export function createThrottle(options: {
  readonly requestsPerSecond: number;
  readonly burst: number;
  readonly now: () => number;
}): Throttle {
  const { requestsPerSecond, burst, now } = options;
  if (!(requestsPerSecond > 0) || !(burst >= 1)) throw new TypeError('A throttle lets something through');
  const buckets = new Map<string, Bucket>();
  const fullAfterMs = (burst / requestsPerSecond) * 1000;
  let sweptAtMs = now();

  const tokensOf = ({ tokens, atMs }: Bucket, nowMs: number): number =>
    Math.min(burst, tokens + (Math.max(0, nowMs - atMs) * requestsPerSecond) / 1000);
  const secondsTo = (tokens: number): number => Math.max(1, Math.ceil((1 - tokens) / requestsPerSecond));

  return {
    take(callerId) {
      const nowMs = now();
      if (nowMs - sweptAtMs > fullAfterMs) {
        for (const [id, { atMs }] of buckets) if (nowMs - atMs > fullAfterMs) buckets.delete(id);
        sweptAtMs = nowMs;
      }
      const bucket = buckets.get(callerId);
      const tokens = bucket ? tokensOf(bucket, nowMs) : burst;
      buckets.set(callerId, { tokens: tokens < 1 ? tokens : tokens - 1, atMs: nowMs });
      return tokens < 1 ? secondsTo(tokens) : undefined;
    },
    wait(callerId) {
      const bucket = buckets.get(callerId);
      const tokens = bucket ? tokensOf(bucket, now()) : burst;
      return tokens < 1 ? secondsTo(tokens) : undefined;
    },
    giveBack(callerId) {
      const bucket = buckets.get(callerId);
      if (bucket) bucket.tokens = Math.min(burst, bucket.tokens + 1);
    },
  };
}
