// Whether the database answers, asked once a second: what `/readyz` says where no lease is renewed. A server that neither
// answers nor refuses counts as away when the limit has passed.

import type { Database } from './database.ts';

export interface Pulse {
  /** The last question was answered in time. */
  answers(): boolean;
  close(): void;
}

export interface PulseOptions {
  readonly everyMs?: number;
  readonly limitMs?: number;
}

export function startPulse(database: Database, { everyMs = 1_000, limitMs = 3_000 }: PulseOptions = {}): Pulse {
  let answeredAtMs = performance.now();
  let refused = false;
  let asking = false;

  async function ask(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      await database.query('select 1');
      answeredAtMs = performance.now();
      refused = false;
    } catch {
      // Why is told by the calls that fail for the same reason.
      refused = true;
    } finally {
      asking = false;
    }
  }

  const timer = setInterval(() => void ask(), everyMs);
  timer.unref();
  return {
    answers: () => !refused && performance.now() - answeredAtMs < everyMs + limitMs,
    close: () => clearInterval(timer),
  };
}
