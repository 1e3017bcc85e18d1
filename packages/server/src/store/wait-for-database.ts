// A database that is away when the service starts: asked again and again for a while, saying so each time. Only for what may
// pass by itself; a wrong password or an unknown database ends the start at once.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, DatabaseError } from './database.ts';

export interface WaitOptions {
  /** 0: one try. */
  readonly waitMs: number;
  /** Called before each pause. */
  readonly onAway: (error: DatabaseError, remainingMs: number) => void;
  /** Ends the waiting: the last error is thrown. */
  readonly signal?: AbortSignal | undefined;
}

const firstPauseMs = 250;
const maxPauseMs = 5_000;

/** Rejects with the error of the last try. */
export async function waitForDatabase(open: () => Promise<Database>, options: WaitOptions): Promise<Database> {
  const startedMs = performance.now();
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
    try {
      return await open();
    } catch (error) {
      const remainingMs = options.waitMs - (performance.now() - startedMs);
      const passing = error instanceof DatabaseError && error.code === 'unavailable';
      if (!passing || remainingMs <= 0 || options.signal?.aborted) throw error;
      options.onAway(error, remainingMs);
      // An abort ends the pause early; one more try then shows the error.
      await sleep(Math.min(pauseMs, remainingMs), undefined, { signal: options.signal }).catch(() => {});
    }
  }
}
