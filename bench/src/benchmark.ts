// What a benchmark is: a question, the variants that are measured beside each other, and the ratios that answer it.

import type { Bed } from './bed.ts';
import type { RatioSpec, Variant } from './rounds.ts';

export interface Benchmark {
  readonly name: string;
  readonly question: string;
  /** Said beside every number: what differs between the variants. */
  readonly caveat?: string;
  readonly defaultRounds?: number;
  readonly variants: (bed: Bed) => Promise<readonly Variant[]>;
  readonly ratios: readonly RatioSpec[];
  readonly packages?: readonly string[];
}
