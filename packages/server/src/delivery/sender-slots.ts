// A fair limit: at most `limit` holders at a time. Of one tenant they come in the order of asking, and tenants that wait take
// turns. A tenant takes another slot only while it holds fewer than seven for each that is free: alone it fills seven eighths
// of them, so that endpoints that hang, however many, leave slots to whoever comes next; and the more tenants try that, the
// less each of them gets. A waiter leaves the queue when its signal aborts. It knows nothing of what the slot is for.

export interface Slots {
  readonly held: number;
  readonly waiting: number;
  /** True once a slot is held; false when the signal aborted first, and then nothing is held. */
  take(tenant: string, signal: AbortSignal): Promise<boolean>;
  give(tenant: string): void;
}

interface Share {
  held: number;
  readonly queue: Set<() => void>;
}

const heldForEachFree = 7;

export function createSlots(limit: number): Slots {
  if (!Number.isInteger(limit) || limit < 1) throw new TypeError('A limit of slots is a whole number from 1');
  /** Of tenants that hold or wait. */
  const shares = new Map<string, Share>();
  /** Those with a queue, in the order of their turns. */
  const turns = new Set<Share>();
  let held = 0;

  const mayTake = (share: Share): boolean => share.held < heldForEachFree * (limit - held);

  function grant(share: Share): void {
    share.held += 1;
    held += 1;
  }

  /** Ends with nobody waiting who may take. Whoever is passed over holds seven or more, so few are. */
  function passOn(): void {
    for (const share of turns) {
      if (held === limit) return;
      const [next] = share.queue;
      if (next === undefined || !mayTake(share)) continue;
      grant(share);
      share.queue.delete(next);
      turns.delete(share);
      if (share.queue.size > 0) turns.add(share);
      next();
    }
  }

  function forget(tenant: string, share: Share): void {
    if (share.queue.size === 0) turns.delete(share);
    if (share.queue.size === 0 && share.held === 0) shares.delete(tenant);
  }

  return {
    get held() {
      return held;
    },
    get waiting() {
      let waiting = 0;
      for (const { queue } of turns) waiting += queue.size;
      return waiting;
    },
    async take(tenant, signal) {
      if (signal.aborted) return false;
      const share = shares.get(tenant) ?? { held: 0, queue: new Set() };
      shares.set(tenant, share);
      // Overtakes nobody: who waits, waits because its tenant may not take.
      if (mayTake(share)) {
        grant(share);
        return true;
      }
      return new Promise<boolean>((resolve) => {
        const enter = (): void => {
          signal.removeEventListener('abort', leave);
          resolve(true);
        };
        const leave = (): void => {
          share.queue.delete(enter);
          forget(tenant, share);
          resolve(false);
        };
        signal.addEventListener('abort', leave, { once: true });
        share.queue.add(enter);
        turns.add(share);
      });
    },
    give(tenant) {
      const share = shares.get(tenant);
      if (share === undefined || share.held === 0) throw new TypeError('A slot is given back once, by its holder');
      share.held -= 1;
      held -= 1;
      forget(tenant, share);
      passOn();
    },
  };
}
