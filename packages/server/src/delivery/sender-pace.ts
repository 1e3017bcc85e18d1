// Spreads starts that would come all at once: `perSecond` of them, `burst` without waiting after a quiet time. First come,
// first served. It keeps one number, however many wait.

import { setTimeout as delay } from 'node:timers/promises';

export interface Pace {
  /** How long the next one waits; its turn is taken by asking. */
  nextMs(): number;
  /** True when it is one's turn; false when the signal aborted first, and the turn is lost. */
  turn(signal: AbortSignal): Promise<boolean>;
}

export function createPace(options: {
  readonly perSecond: number;
  readonly burst: number;
  /** Monotonic. */
  readonly now: () => number;
}): Pace {
  const { perSecond, burst, now } = options;
  const everyMs = 1_000 / perSecond;
  let takenUntilMs = Number.NEGATIVE_INFINITY;

  function nextMs(): number {
    const nowMs = now();
    takenUntilMs = Math.max(takenUntilMs, nowMs - burst * everyMs) + everyMs;
    return Math.max(0, takenUntilMs - nowMs);
  }

  return {
    nextMs,
    async turn(signal) {
      if (signal.aborted) return false;
      const waitMs = nextMs();
      if (waitMs === 0) return true;
      return delay(waitMs, true, { signal }).catch((error: unknown) => {
        if (signal.aborted) return false;
        throw error;
      });
    },
  };
}
