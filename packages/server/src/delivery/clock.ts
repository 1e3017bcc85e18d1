// Time as the delivery engine sees it: a wall clock for what is written down, a monotonic one for waiting.

export interface Clock {
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds that never jump. */
  monotonicMs(): number;
  /** Calls back once `monotonicMs` has reached `atMs`; the answer cancels. */
  callAt(atMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  callAt(atMs, callback) {
    const timer = setTimeout(callback, Math.max(0, atMs - performance.now()));
    return () => clearTimeout(timer);
  },
};
