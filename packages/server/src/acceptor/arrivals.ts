// Tells pollers that something arrived at an endpoint: in this process at once, in others by NOTIFY, coalesced to one
// message per 10 ms. Hints may be lost; a poller looks by itself once a second, so nothing depends on them but speed.

import type { Database } from '../store/database.ts';

export interface Watch {
  /** Resolves when something arrived since the last call, when the time is over, or when the signal aborts. */
  next(timeoutMs: number, signal: AbortSignal): Promise<void>;
  end(): void;
}

export interface Arrivals {
  /** After the commit. */
  arrived(endpointId: string): void;
  /** Hears what arrives from now on: make it before looking. */
  watch(endpointId: string): Watch;
  /** Of this process. */
  watchers(endpointId: string): number;
  close(): Promise<void>;
}

const channel = 'bellhop_acceptor';
const coalesceMs = 10;
/** NOTIFY payloads end at 8,000 bytes. */
const maxIdsPerMessage = 200;

export async function createArrivals(database: Database, onError: (error: unknown) => void): Promise<Arrivals> {
  const listeners = new Map<string, Set<() => void>>();
  const owed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();
  // PGlite has no other process to tell.
  const remote = database.kind === 'postgres';
  const unlisten = remote
    ? await database.listen(
        channel,
        (payload) => {
          for (const id of payload.split(' ')) wake(id);
        },
        () => {},
      )
    : async () => {};

  function wake(endpointId: string): void {
    for (const hear of listeners.get(endpointId) ?? []) hear();
  }

  async function flush(): Promise<void> {
    timer = undefined;
    const ids = [...owed];
    owed.clear();
    try {
      for (let from = 0; from < ids.length; from += maxIdsPerMessage) {
        await database.notify(channel, ids.slice(from, from + maxIdsPerMessage).join(' '));
      }
    } catch (error) {
      onError(error);
    }
  }

  return {
    arrived(endpointId) {
      wake(endpointId);
      if (!remote) return;
      owed.add(endpointId);
      timer ??= setTimeout(() => {
        sending = sending.then(flush);
      }, coalesceMs);
    },
    watch(endpointId) {
      let isPending = false;
      let wakeUp = (): void => {};
      const hear = (): void => {
        isPending = true;
        wakeUp();
      };
      const mine = listeners.get(endpointId) ?? new Set();
      mine.add(hear);
      listeners.set(endpointId, mine);
      return {
        async next(timeoutMs, signal) {
          if (!isPending && !signal.aborted) {
            await new Promise<void>((resolve) => {
              const done = (): void => {
                clearTimeout(pause);
                signal.removeEventListener('abort', done);
                resolve();
              };
              const pause = setTimeout(done, timeoutMs);
              signal.addEventListener('abort', done, { once: true });
              wakeUp = done;
            });
          }
          isPending = false;
        },
        end() {
          mine.delete(hear);
          if (mine.size === 0 && listeners.get(endpointId) === mine) listeners.delete(endpointId);
        },
      };
    },
    watchers: (endpointId) => listeners.get(endpointId)?.size ?? 0,
    async close() {
      clearTimeout(timer);
      await sending;
      await unlisten();
    },
  };
}
