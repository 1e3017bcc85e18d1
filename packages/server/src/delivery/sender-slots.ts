// A fair limit: at most `limit` holders at a time, first come first served. A waiter leaves the queue when its signal
// aborts. It knows nothing of what the slot is for.

export interface Slots {
  readonly held: number;
  readonly waiting: number;
  /** True once a slot is held; false when the signal aborted first, and then nothing is held. */
  take(signal: AbortSignal): Promise<boolean>;
  give(): void;
}

export function createSlots(limit: number): Slots {
  if (!Number.isInteger(limit) || limit < 1) throw new TypeError('A limit of slots is a whole number from 1');
  const queue = new Set<() => void>();
  let held = 0;

  return {
    get held() {
      return held;
    },
    get waiting() {
      return queue.size;
    },
    async take(signal) {
      if (signal.aborted) return false;
      if (held < limit) {
        held += 1;
        return true;
      }
      return new Promise<boolean>((resolve) => {
        const enter = (): void => {
          signal.removeEventListener('abort', leave);
          resolve(true);
        };
        const leave = (): void => {
          queue.delete(enter);
          resolve(false);
        };
        signal.addEventListener('abort', leave, { once: true });
        queue.add(enter);
      });
    },
    give() {
      const [next] = queue;
      if (next === undefined) {
        held -= 1;
        return;
      }
      // The slot passes on without being free in between: nobody can overtake the queue.
      queue.delete(next);
      next();
    },
  };
}
