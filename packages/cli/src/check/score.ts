// The result in figures. What could not be told counts neither for the handler nor against it.

import type { Outcome, Report } from './run-check.ts';
import type { Result } from './verdict.ts';

export interface Score {
  readonly passed: number;
  readonly failed: number;
  readonly unknown: number;
  /** Of what could be told, rounded down: 100 means that nothing failed. */
  readonly percent: number;
}

export function scoreOf({ outcomes }: Pick<Report, 'outcomes'>): Score {
  const count = (result: Result) => outcomes.filter(({ verdict }: Outcome) => verdict.result === result).length;
  const [passed, failed] = [count('pass'), count('fail')];
  const told = passed + failed;
  return { passed, failed, unknown: count('unknown'), percent: told === 0 ? 0 : Math.floor((100 * passed) / told) };
}
