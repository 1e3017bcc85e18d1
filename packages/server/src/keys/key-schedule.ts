// Rotates the signing keys once the active one has signed for so many days. Every process that runs it asks the database now
// and then; whichever is first rotates, writes the audit entry in the same transaction, and the others find nothing due.
//
// The next key is published since the rotation before, and a rotation on demand starts the time anew.

import { setTimeout as sleep } from 'node:timers/promises';
import { insertAudit } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import type { RotateResult, ServiceKeys } from './service-keys.ts';

export interface KeyScheduleOptions {
  readonly database: Database;
  readonly keys: ServiceKeys;
  /** 0: never. */
  readonly rotationDays: number;
  readonly now: () => number;
  readonly everyMs?: number;
  readonly onRotated: (rotation: RotateResult & { readonly rotated: true }) => void;
  readonly onError: (error: unknown, where: string) => void;
}

const dayMs = 24 * 60 * 60 * 1000;

export async function rotateWhenDue({
  database,
  keys,
  rotationDays,
  now,
}: Pick<KeyScheduleOptions, 'database' | 'keys' | 'rotationDays' | 'now'>): Promise<RotateResult> {
  await keys.active();
  const result = await database.transaction(async (tx) => {
    const rotation = await keys.rotate(tx, { activeForMs: rotationDays * dayMs });
    if (rotation.rotated) {
      await insertAudit(tx, {
        actor: 'schedule',
        action: 'signing_keys.rotate',
        subject: 'signing_keys',
        before: { active: rotation.retired },
        after: { active: rotation.active, next: rotation.next, forced: false },
        at: new Date(now()),
      });
    }
    return rotation;
  });
  if (result.rotated) keys.forget();
  return result;
}

/** Resolves when the signal aborts; a failed round is reported and the next one tries again. */
export async function keepKeySchedule(options: KeyScheduleOptions, signal: AbortSignal): Promise<void> {
  const { everyMs = 10 * 60_000, onRotated, onError } = options;
  while (!signal.aborted && options.rotationDays > 0) {
    try {
      const result = await rotateWhenDue(options);
      if (result.rotated) onRotated(result);
    } catch (error) {
      onError(error, 'rotation of signing keys');
    }
    // An abort ends the pause early; the loop's condition sees it.
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
