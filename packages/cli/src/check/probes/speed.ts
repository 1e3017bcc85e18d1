// How the handler acknowledges: how fast, over kept connections, and many at once. Runs while nothing else does.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { keptConnections } from '../exchange.ts';
import { order, orders } from '../orders.ts';
import type { Probe } from '../probe.ts';
import { quantile } from '../quantile.ts';
import { describe, fail, isAcknowledged, milliseconds, mustAcknowledge, pass, unknown } from '../verdict.ts';

const limitMs = 2_000;
const samples = 30;
/** A slow handler is judged by fewer samples, not by a longer run. */
const samplingMs = 8_000;
const burst = 50;
const burstTimeoutMs = 15_000;

export const speed: readonly Probe[] = [
  {
    id: 'acknowledgement',
    family: 'speed',
    title: 'acknowledges within 2 s',
    fix: 'Store and answer; do the work after the answer, from the store.',
    phase: 'alone',
    async run(stage) {
      const connections = keptConnections(stage.target, 1);
      const stalls = monitorEventLoopDelay({ resolution: 20 });
      stalls.enable();
      const taken: number[] = [];
      let slowest = { what: 'one event', elapsedMs: 0 };
      const startedAt = performance.now();
      try {
        for (let at = 0; at <= samples && performance.now() - startedAt < samplingMs; at += 1) {
          const what = at === 0 ? 'a package of 100' : 'one event';
          const answer = await stage.deliver(at === 0 ? orders(100, 10) : [order()], { connections });
          if (!isAcknowledged(answer)) {
            if (answer.kind === 'silent') return fail(`${what}: ${describe(answer)}`);
            return unknown(`${what}: ${describe(answer)}`);
          }
          if (at > 0) taken.push(answer.elapsedMs);
          if (answer.elapsedMs > slowest.elapsedMs) slowest = { what, elapsedMs: answer.elapsedMs };
        }
      } finally {
        stalls.disable();
        connections.destroy();
      }
      // A handler so slow that only the package of 100 fitted into the time.
      if (taken.length === 0) taken.push(slowest.elapsedMs);
      const p50Ms = quantile(taken, 0.5);
      const p99Ms = quantile(taken, 0.99);
      stage.measured({ p50Ms, p99Ms, slowestMs: slowest.elapsedMs });
      const figures = `p50 ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)}`;
      const worst = `slowest ${milliseconds(slowest.elapsedMs)} (${slowest.what})`;
      if (slowest.elapsedMs <= limitMs) return pass(`${figures}, ${worst}`);
      // What this process slept through is not the handler's time.
      if (slowest.elapsedMs - stalls.max / 1e6 <= limitMs)
        return unknown(`${worst}, but this machine is too busy to tell`);
      return fail(`${figures}, ${worst}`);
    },
  },
  {
    id: 'connection-reuse',
    family: 'speed',
    title: 'keeps the connection for the next delivery',
    fix: 'Leave keep-alive on and read every body to its end: else each delivery pays for TCP and TLS again.',
    phase: 'alone',
    async run(stage) {
      const connections = keptConnections(stage.target, 1);
      try {
        for (const which of ['first', 'second', 'third']) {
          const answer = await stage.deliver([order()], { connections });
          const verdict = mustAcknowledge(answer, `the ${which} delivery on a kept connection`);
          if (verdict.result !== 'pass' || answer.kind !== 'answer') return verdict;
          if (answer.closes) return fail('answers with connection: close');
          if (which !== 'first' && !answer.reused) return fail(`closed the connection before the ${which} delivery`);
        }
        return pass('three deliveries on one connection');
      } finally {
        connections.destroy();
      }
    },
  },
  {
    id: 'concurrent-50',
    family: 'speed',
    title: 'takes 50 packages at once',
    fix: 'No rate limit and no small connection pool in front of the store: each of your webhooks sends by itself.',
    phase: 'alone',
    async run(stage) {
      const ready = barrier(burst);
      const answers = await Promise.all(
        Array.from({ length: burst }, () => stage.deliver(orders(2), { timeoutMs: burstTimeoutMs, ready })),
      );
      const missed = answers.filter((answer) => !isAcknowledged(answer));
      const [example] = missed;
      const slowestMs = Math.max(...answers.map(({ elapsedMs }) => elapsedMs));
      if (example === undefined) return pass(`all acknowledged within ${milliseconds(slowestMs)}`);
      return fail(`${missed.length} of ${burst} not taken, for example: ${describe(example)}`);
    },
  },
];

/** Lets all go when the last has come: signing takes longer than many handlers need. */
function barrier(count: number): () => Promise<void> {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let here = 0;
  return () => {
    here += 1;
    if (here === count) open();
    return opened;
  };
}
