// Changes of one tenant, one at a time at this process: in the database they wait for each other (to be counted, or for a row), and
// a burst of them would hold all its connections meanwhile. One that had no turn within ten seconds is not made.

import { createFairTurns, type FairTurns } from '../../fair-turns.ts';
import { problem } from '../problem.ts';
import type { Answer } from '../route.ts';

const maxWaitMs = 10_000;

export function createChanges(): Pick<FairTurns, 'tryRun'> {
  // How many wait is bounded by the tenant's rate.
  const any = Number.POSITIVE_INFINITY;
  return createFairTurns({ slots: 4, slotsEach: 1, maxWaiting: any, maxWaitingEach: any, maxWaitMs });
}

export function tooManyChanges(): Answer {
  return problem('too_many_requests', 'Too many changes of this client wait for each other', { 'retry-after': '1' });
}
