// The lane against a model (`lane-world.fixture.ts`) under random schedules of publishes, late and failing looks, answers, edits,
// pauses, retries, skips, replays, crashes and stops, with a clock of its own.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs } from './back-off.ts';
import type { LaneConfig } from './lane.ts';
import { emptyPackageBytes, LaneWorld, type Step } from './lane-world.fixture.ts';
import { addedBytes } from './package.ts';

const step = <Kind extends Step['do']>(kind: Kind) => fc.constant(kind);
const which = fc.nat({ max: 3 });

/** Sizes on a grid, so that packages are also full to the byte. */
const gridBytes = 100;
const onGrid = (min: number, max: number) => fc.integer({ min, max }).map((count) => count * gridBytes);
const eventBytes = (min: number, max: number) => onGrid(min, max).map((bytes) => bytes - addedBytes({ bytes: 0 }));
const packageBytes = onGrid(5, 30).chain((bytes) => fc.constantFrom(bytes, bytes - 1, bytes + emptyPackageBytes));

const publish = fc.record({
  do: step('publish'),
  type: fc.constantFrom('A.X', 'B.X', 'C.X'),
  bytes: fc.oneof({ weight: 5, arbitrary: eventBytes(2, 9) }, { weight: 1, arbitrary: eventBytes(15, 40) }),
  gap: fc.constantFrom(1, 1, 1, 3),
  shown: fc.constantFrom(true, true, true, false),
});

const change: fc.Arbitrary<Partial<LaneConfig>> = fc.record(
  {
    enabled: fc.constantFrom(true, true, false),
    filter: fc.constantFrom(
      { type: ['ALL'] },
      { type: ['A'] },
      { type: ['A', 'B'] },
      { type: ['ALL'], excludeType: ['B'] },
    ),
    maxPackageBytes: packageBytes,
    delayMs: fc.constantFrom(1_000, 2_000, 5_000),
    url: fc.constantFrom('https://tenant.tld/', 'https://other.tld/'),
  },
  { requiredKeys: [] },
);

/** Failures come in runs, so that back-off is seen at work. */
const outcome = fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const, 'failed' as const, 'aborted' as const);

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: publish },
  { weight: 2, arbitrary: fc.record({ do: step('tail') }) },
  { weight: 4, arbitrary: fc.record({ do: step('read'), which, pages: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: step('tell-look'), which }) },
  { weight: 1, arbitrary: fc.record({ do: step('fail-look'), which }) },
  { weight: 8, arbitrary: fc.record({ do: step('answer'), outcome }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: step('pass'), ms: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.constant(1_000)) }),
  },
  { weight: 3, arbitrary: fc.record({ do: step('edit'), change }) },
  { weight: 1, arbitrary: fc.record({ do: step('reload') }) },
  { weight: 1, arbitrary: fc.record({ do: step('retry') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: step('replay'),
      share: fc.constantFrom(0, 0.5, 0.9, 1),
      change: fc.oneof(fc.constant({}), change),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: step('skip') }) },
  { weight: 1, arbitrary: fc.record({ do: step('checkpoint') }) },
  { weight: 1, arbitrary: fc.record({ do: step('restart'), stopped: fc.boolean(), loses: fc.boolean() }) },
);

function live(world: LaneWorld, schedule: readonly Step[]): void {
  for (const each of schedule) world.run(each);
  world.heal();
}

describe('a lane under random schedules', () => {
  it.each([
    { looks: 'from the ring, at once', answersAtOnce: true },
    { looks: 'from the log, late, failing and out of order', answersAtOnce: false },
  ])('does what the model of its webhook says, looks answered $looks', ({ answersAtOnce }) => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 60, size: 'max' }), (schedule) =>
        live(new LaneWorld({ answersAtOnce }), schedule),
      ),
      { numRuns: 4_000 },
    );
  });

  it('delivers all that any filter of the run wants, when nobody moves the cursor', () => {
    const unmoved = steps.filter((each) => each.do !== 'skip' && each.do !== 'replay');
    fc.assert(
      fc.property(fc.array(unmoved, { maxLength: 60, size: 'max' }), fc.boolean(), (schedule, answersAtOnce) => {
        const world = new LaneWorld({ answersAtOnce });
        live(world, schedule);
        const wanted = world.log.filter(({ type }) => type === 'A.X').map(({ offset }) => offset);
        expect(wanted.filter((offset) => !world.everArrived.has(offset))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('waits 1, 2, 3, 5, 8 … 377, 600, 600 seconds', () => {
    expect(Array.from({ length: 16 }, (_, index) => backOffMs(index + 1) / 1000)).toEqual([
      1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 600, 600, 600,
    ]);
  });
});
