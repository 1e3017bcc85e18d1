// What really happened inside: the test build's record, compared with what was acknowledged and what was refused. The only
// way to tell a handler that acknowledges from one that also does the work, once and in order.

import { CliError } from '../../exit.ts';
import type { Effect } from '../effects.ts';
import type { Expected } from '../ledger.ts';
import type { Probe, Stage } from '../probe.ts';
import { fail, pass, unknown, type Verdict } from '../verdict.ts';

export const effects: readonly Probe[] = [
  {
    id: 'effects-once',
    family: 'effects',
    title: 'every acknowledged event has exactly one effect',
    fix: 'Store before the answer, and mark the event done in the transaction of its effect, keyed by event id.',
    phase: 'effects',
    run: (stage) => compared(stage, exactlyOnce),
  },
  {
    id: 'effects-order',
    family: 'effects',
    title: 'events of one object take effect in order of arrival',
    fix: 'Process one event per object at a time, in the order of storing; other objects may go in parallel.',
    phase: 'effects',
    run: (stage) => compared(stage, inOrder),
  },
  {
    id: 'effects-refused',
    family: 'effects',
    title: 'nothing that was refused has an effect',
    fix: 'Verify before anything is stored or published.',
    phase: 'effects',
    async run(stage) {
      if (!stage.ledger.hasRefused) return unknown('nothing was refused');
      return compared(stage, (seen) => {
        const wrong = seen.flatMap(({ id }) => stage.ledger.refusedBy(id) ?? []);
        if (wrong.length === 0) return pass('none');
        return fail(`${wrong.length} effects of refused requests: ${[...new Set(wrong)].join(', ')}`);
      });
    },
  },
];

async function compared(
  stage: Stage,
  judge: (seen: readonly Effect[], due: readonly Expected[]) => Verdict,
): Promise<Verdict> {
  const reading = stage.effects();
  if (reading === undefined) return unknown('needs --effects-url');
  const due = stage.ledger.due();
  if (due.length === 0) return unknown('nothing was acknowledged');
  try {
    return judge(await reading, due);
  } catch (error) {
    // It answered when the check began: the handler has gone since, and another probe says so.
    if (error instanceof CliError) return unknown(error.message);
    throw error;
  }
}

function exactlyOnce(seen: readonly Effect[], due: readonly Expected[]): Verdict {
  const counts = new Map<string, number>();
  for (const { id } of seen) counts.set(id, (counts.get(id) ?? 0) + 1);
  const missing = due.filter(({ id }) => !counts.has(id));
  const repeated = due.filter(({ id }) => (counts.get(id) ?? 0) > 1);
  if (missing.length === 0 && repeated.length === 0) return pass(`${due.length} of ${due.length}`);
  const parts = [
    ...(missing.length === 0 ? [] : [`${missing.length} without effect (${named(missing)})`]),
    ...(repeated.length === 0 ? [] : [`${repeated.length} with more than one (${named(repeated)})`]),
  ];
  return fail(`of ${due.length} acknowledged events ${parts.join(', ')}`);
}

function inOrder(seen: readonly Effect[], due: readonly Expected[]): Verdict {
  const places = new Map<string, number>();
  for (const [place, { id }] of seen.entries()) if (!places.has(id)) places.set(id, place);
  const last = new Map<string, { readonly id: string; readonly place: number }>();
  const swapped: Expected[] = [];
  let pairs = 0;
  for (const event of due) {
    const place = places.get(event.id);
    if (place === undefined) continue;
    const before = last.get(event.objectId);
    if (before !== undefined) pairs += 1;
    if (before !== undefined && place < before.place) swapped.push(event);
    else last.set(event.objectId, { id: event.id, place });
  }
  if (swapped.length > 0) return fail(`${swapped.length} of ${pairs} events overtook one before (${named(swapped)})`);
  return pairs === 0 ? unknown('no two events of one object') : pass(`${pairs} events after one of the same object`);
}

function named(events: readonly Expected[]): string {
  const probes = [...new Set(events.map(({ probe }) => probe))];
  return `${events[0]?.id ?? ''}; from ${probes.slice(0, 3).join(', ')}${probes.length > 3 ? ', ...' : ''}`;
}
