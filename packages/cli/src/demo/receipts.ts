// What the demo handler has received: counts for the live line, and the means to wait for certain events. An event counts
// when its package was verified and it reached a listener; what was refused is counted apart.

import type { WebhookEvent } from '@bellhop/events';
import { validateEvent } from '@bellhop/events/validate';

export interface Counts {
  readonly events: number;
  readonly packages: number;
  /** Requests that were not answered with 200. */
  readonly refused: number;
  /** Verified events that break the schema of their type. */
  readonly invalid: number;
  readonly latestType: string | undefined;
  readonly latestAt: Date | undefined;
}

export interface Receipts {
  record(event: WebhookEvent): void;
  answered(status: number): void;
  counts(): Counts;
  /** Resolves when one of the events has arrived, with the time it did. */
  first(ids: ReadonlySet<string>, signal: AbortSignal): Promise<number>;
  /** Resolves when all of them have. The last question of the tutorial: afterwards single events are not remembered. */
  all(ids: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
}

export function createReceipts(nowMs: () => number): Receipts {
  const arrivedMs = new Map<string, number>();
  const waiting = new Set<() => void>();
  const counts = { events: 0, packages: 0, refused: 0, invalid: 0 };
  let latest: { type: string; at: Date } | undefined;
  let watching = true;

  function until<T>(find: () => T | undefined, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find();
        if (found === undefined) return;
        leave();
        resolve(found);
      };
      const give = () => {
        leave();
        reject(signal.reason);
      };
      const leave = () => {
        waiting.delete(look);
        signal.removeEventListener('abort', give);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', give, { once: true });
      waiting.add(look);
      look();
    });
  }

  return {
    record(event) {
      counts.events += 1;
      if (!validateEvent(event).ok) counts.invalid += 1;
      latest = { type: event.type, at: new Date() };
      // Only the tutorial waits for single events; a demo that runs for days must not remember them all.
      if (watching) arrivedMs.set(event.id, nowMs());
      for (const look of [...waiting]) look();
    },
    answered(status) {
      if (status === 200) counts.packages += 1;
      else counts.refused += 1;
    },
    counts: () => ({ ...counts, latestType: latest?.type, latestAt: latest?.at }),
    first: (ids, signal) =>
      until(() => {
        for (const id of ids) {
          const at = arrivedMs.get(id);
          if (at !== undefined) return at;
        }
        return undefined;
      }, signal),
    async all(ids, signal) {
      try {
        await until(() => ([...ids].every((id) => arrivedMs.has(id)) ? true : undefined), signal);
      } finally {
        watching = false;
        arrivedMs.clear();
      }
    },
  };
}
