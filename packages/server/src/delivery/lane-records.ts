// A lane's entries on their way to the ledger. An entry is never dropped while the lane lives: while the database is away it
// is kept and tried again. It decides nothing; what the ledger says of the lane goes back to it.

import type { Clock } from './clock.ts';
import type { Ledger, LedgerEntry, LedgerResult } from './ledger.ts';

/** A pause before a failed read or ledger write is tried again. */
export const troubleMs = 1_000;
/** Packages that a crash may repeat, so that a lane need not wait for each commit. */
const maxUnrecorded = 4;

export interface LaneRecordsOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Ends every pause: the lane stops and will wait no longer. */
  readonly cutOff: AbortSignal;
  onResult(result: LedgerResult): void;
  onError(error: unknown): void;
}

export class LaneRecords {
  readonly #options: LaneRecordsOptions;
  /** Oldest first. */
  readonly #unrecorded: Promise<void>[] = [];
  #entries = 0;

  constructor(options: LaneRecordsOptions) {
    this.#options = options;
  }

  add(entry: LedgerEntry): void {
    const written: Promise<void> = this.#write(entry, ++this.#entries).finally(() => {
      this.#unrecorded.splice(this.#unrecorded.indexOf(written), 1);
    });
    this.#unrecorded.push(written);
  }

  /** Resolves when few enough are on their way for one more. */
  async room(): Promise<void> {
    while (this.#unrecorded.length >= maxUnrecorded) await this.#unrecorded[0];
  }

  /** Resolves when everything that is on its way has arrived. */
  async written(): Promise<void> {
    await Promise.all(this.#unrecorded);
  }

  async #write(entry: LedgerEntry, number: number): Promise<void> {
    const { ledger, cutOff, onResult, onError } = this.#options;
    for (let due = entry; ; ) {
      try {
        onResult(await ledger.add(due));
        return;
      } catch (error) {
        onError(error);
        if (cutOff.aborted) return;
        await this.pause();
        // A later entry says where the lane stands, and will be written: only the attempt is still owed.
        if (due.kind === 'lane' && this.#entries > number) due = { ...due, kind: 'attempt' };
      }
    }
  }

  pause(): Promise<void> {
    const { clock, cutOff } = this.#options;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        cutOff.removeEventListener('abort', done);
        resolve();
      };
      const cancel = clock.callAt(clock.monotonicMs() + troubleMs, done);
      cutOff.addEventListener('abort', done);
      if (cutOff.aborted) done();
    });
  }
}
