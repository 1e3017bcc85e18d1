// Slows down guessing of client secrets: after some wrong ones in a row, a client id has to wait before the next try, 1 s,
// then twice as long each time, up to a minute. The right secret clears it. Only calls with a true signature get here, so a
// stranger cannot lock a tenant out. Per process and in memory, with room for a bounded number of ids (the one whose last
// failure is longest ago makes room); scrypt bounds the rate besides.

export interface LoginBackOff {
  /** Undefined when a secret may be tried now, else the seconds until one may. */
  waitSeconds(clientId: string): number | undefined;
  /** Before the secret is looked at: it counts as a wrong one until `succeeded`. */
  tried(clientId: string): void;
  /** The last try was not made: it neither counts nor starts a wait. */
  takeBack(clientId: string): void;
  succeeded(clientId: string): void;
}

const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** After this long without a failure an id starts anew. */
const forgetAfterMs = 15 * 60_000;

export function createLoginBackOff(options: {
  /** Wrong secrets in a row that cost no waiting; 0: no back-off. */
  readonly freeTries: number;
  readonly now: () => number;
  readonly maxEntries?: number;
}): LoginBackOff {
  const { freeTries, now, maxEntries = 10_000 } = options;
  const failures = new Map<string, { count: number; atMs: number; readonly beforeMs: number }>();

  function recent(clientId: string): { readonly count: number; readonly atMs: number } | undefined {
    const entry = failures.get(clientId);
    return entry !== undefined && now() - entry.atMs < forgetAfterMs ? entry : undefined;
  }

  return {
    waitSeconds(clientId) {
      const entry = recent(clientId);
      if (freeTries === 0 || entry === undefined || entry.count < freeTries) return undefined;
      const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (entry.count - freeTries));
      const leftMs = entry.atMs + waitMs - now();
      return leftMs > 0 ? Math.ceil(leftMs / 1_000) : undefined;
    },
    tried(clientId) {
      const { count, atMs: beforeMs } = recent(clientId) ?? { count: 0, atMs: Number.NEGATIVE_INFINITY };
      failures.delete(clientId);
      failures.set(clientId, { count: count + 1, atMs: now(), beforeMs });
      if (failures.size <= maxEntries) return;
      const [oldest] = failures.keys();
      if (oldest !== undefined) failures.delete(oldest);
    },
    takeBack(clientId) {
      const entry = failures.get(clientId);
      if (entry === undefined) return;
      entry.count = Math.max(0, entry.count - 1);
      entry.atMs = entry.beforeMs;
    },
    succeeded: (clientId) => void failures.delete(clientId),
  };
}
