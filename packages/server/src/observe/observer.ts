// What log, lanes, sender and ledger tell about their work: numbers only, at most once a package or a commit, so that
// telling costs no allocation and nothing per event. Who counts is `metrics.ts` and `rollups.ts`.

import type { OutcomeReason } from '../delivery/outcome.ts';

export interface Observer {
  /** One append transaction of the log. */
  appended(accepted: number, duplicates: number, durationMs: number): void;
  /** One attempt of a lane. `dueToWireMs` of first attempts only. */
  attempted(outcome: 'ok' | OutcomeReason, events: number, durationMs: number, dueToWireMs: number | undefined): void;
  /** One signature, waiting for the thread pool included. */
  signed(durationMs: number): void;
  /** One group commit of the ledger. */
  recorded(entries: number, durationMs: number): void;
}

/** Tells several observers. */
export function tellAll(observers: readonly Observer[]): Observer {
  return {
    appended(accepted, duplicates, durationMs) {
      for (const each of observers) each.appended(accepted, duplicates, durationMs);
    },
    attempted(outcome, events, durationMs, dueToWireMs) {
      for (const each of observers) each.attempted(outcome, events, durationMs, dueToWireMs);
    },
    signed(durationMs) {
      for (const each of observers) each.signed(durationMs);
    },
    recorded(entries, durationMs) {
      for (const each of observers) each.recorded(entries, durationMs);
    },
  };
}
