// At-least-once delivery: a lost answer brings the whole package again, and nothing orders packages among each other. All
// of it has to be acknowledged; with --effects-url the effects probes prove that it was done once and in order.

import type { WebhookEvent } from '@bellhop/events';
import { order, packageOf } from '../orders.ts';
import type { Probe, Stage } from '../probe.ts';
import { mustAcknowledge, type Verdict } from '../verdict.ts';

export const repeats: readonly Probe[] = [
  {
    id: 'duplicate-in-package',
    family: 'repeats',
    title: 'takes a package that holds an event twice',
    fix: 'Deduplicate by event id while storing (insert ... on conflict do nothing), also within one package.',
    phase: 'together',
    async run(stage) {
      const [one, two] = [order(), order()];
      return mustAcknowledge(await stage.deliver([one, two, one]), 'a package with the same event id twice');
    },
  },
  {
    id: 'duplicate-across-packages',
    family: 'repeats',
    title: 'takes a package with an event of an earlier one',
    fix: 'Store what is new, skip what is known, answer 200: a package is not all new or all known.',
    phase: 'together',
    async run(stage) {
      const [one, two] = [order(), order()];
      return oneAfterTheOther(stage, [[one], [one, two]], 'an event that was in an earlier package, and a new one');
    },
  },
  {
    id: 'duplicate-package',
    family: 'repeats',
    title: 'takes a whole package again',
    fix: 'Answer 200 also when every event is known: any other answer makes the provider repeat it for ever.',
    phase: 'together',
    async run(stage) {
      const events = [order(), order(), order()];
      return oneAfterTheOther(stage, [events, events, events], 'the same package again, with a fresh signature');
    },
  },
  {
    id: 'out-of-order',
    family: 'repeats',
    title: 'takes packages whose events are older than those before',
    fix: 'Never refuse an event for its created_at; decide by the state in object.',
    phase: 'together',
    async run(stage) {
      const nowMs = Date.now();
      const created = order({ createdAtMs: nowMs - 60_000 });
      const filled = order({ type: 'ORDER.FILLED', createdAtMs: nowMs, after: [created] });
      return oneAfterTheOther(stage, [[filled], [created]], 'ORDER.NEW after ORDER.FILLED of the same order');
    },
  },
];

async function oneAfterTheOther(
  stage: Stage,
  packages: readonly (readonly WebhookEvent[])[],
  what: string,
): Promise<Verdict> {
  let verdict: Verdict | undefined;
  for (const [at, events] of packages.entries()) {
    const answer = await stage.deliver(events, { body: packageOf(events) });
    verdict = mustAcknowledge(answer, at === 0 ? 'the first of them' : what);
    if (verdict.result !== 'pass') return verdict;
  }
  return verdict ?? mustAcknowledge(stage.first, what);
}
