// What a benchmark is: a question, the variants that are measured beside each other, and the ratios that answer it.

import type { Bed } from './bed.ts';
import type { RatioSpec, RoundResults, Variant } from './rounds.ts';

export interface Options {
  /** Of the full amount of data, where a benchmark has one. */
  readonly scale: number;
  readonly report: (line: string) => void;
}

export interface Benchmark {
  readonly name: string;
  readonly question: string;
  /** Said beside every number: what differs between the variants. */
  readonly caveat?: string;
  readonly defaultRounds?: number;
  readonly variants: (bed: Bed, options: Options) => Promise<readonly Variant[]>;
  readonly ratios: readonly RatioSpec[];
  readonly packages?: readonly string[];
  /** Printed below the measures. */
  readonly summary?: (results: RoundResults) => readonly string[];
}
