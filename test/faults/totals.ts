// The figures of a file of rounds, printed at its end (which ones, and why: docs/explain/faults.md).

import { expect } from 'vitest';
import type { Verdict } from './verdict.ts';
import type { World } from './world.ts';

const packagesInFlight = 5;

export class Totals {
  readonly #title: string;
  readonly #seed: number;
  readonly #faults: Record<string, number> = {};
  #rounds = 0;
  #events = 0;
  #receipts = 0;
  /** Packages that may arrive twice: see `allow`. */
  #duplicateBound = 0;
  #verdict: Verdict | undefined;

  constructor(title: string, seed: number) {
    this.#title = title;
    this.#seed = seed;
  }

  /**
   * `lanes` webhooks were hit. Each may have one package on the wire and four whose cursors are on their way to the
   * database (`maxUnrecorded` of the lane's runner): all of them come again.
   */
  fault(kind: string, lanes: number, count = 1): void {
    this.#faults[kind] = (this.#faults[kind] ?? 0) + count;
    this.#duplicateBound += packagesInFlight * lanes;
  }

  /** After a round: the verdict counts from the beginning of the world. */
  round(world: World, verdict: Verdict): void {
    this.#rounds += 1;
    this.#events = world.publishers.count;
    this.#receipts = world.endpoints.reduce((sum, { receipts }) => sum + receipts.length, 0);
    this.#verdict = verdict;
    const { lost, outOfOrder, skipped, foreign, changed } = verdict;
    expect(
      { lost, outOfOrder, skipped, foreign, changed, unexpected: world.publishers.unexpected },
      `${this.#title}, seed ${this.#seed}, round ${this.#rounds}, ${JSON.stringify(this.#faults)}`,
    ).toEqual({ lost: 0, outOfOrder: 0, skipped: 0, foreign: 0, changed: 0, unexpected: [] });
    expect(verdict.duplicates).toBeLessThanOrEqual(this.#duplicateBound);
  }

  print(): void {
    const faults = Object.entries(this.#faults).map(([kind, count]) => `${kind} ${count}`);
    const { lost, outOfOrder, skipped, changed, duplicates, blockedCompared } = this.#verdict ?? {};
    console.info(
      [
        `faults: ${this.#title} (BELLHOP_FAULT_SEED=${this.#seed})`,
        `  rounds ${this.#rounds}, events ${this.#events}, packages received ${this.#receipts}, ${faults.join(', ')}`,
        `  lost ${lost}, out of order ${outOfOrder}, skipped ${skipped}, blocked packages changed ${changed} of ${blockedCompared}`,
        `  duplicate packages ${duplicates}, bound ${this.#duplicateBound}`,
      ].join('\n'),
    );
  }
}
