// How long a blocked webhook waits: 1, 2, 3, 5, 8, … 377, 600, 600, … seconds, without end and without jitter
// (contract: delivery.md, "Success and retry"). Wait n starts when attempt n has failed.

const maxSeconds = 600;

const waitsSeconds: readonly number[] = (() => {
  const waits: number[] = [];
  for (let [wait, next] = [1, 2]; wait < maxSeconds; [wait, next] = [next, wait + next]) waits.push(wait);
  return waits;
})();

/** The wait after the n-th failed attempt, n from 1. */
export function backOffMs(failedAttempts: number): number {
  return (waitsSeconds[failedAttempts - 1] ?? maxSeconds) * 1000;
}
