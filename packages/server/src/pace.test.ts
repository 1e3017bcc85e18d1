import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPace } from './pace.ts';

describe('a pace', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  interface Start {
    readonly line: string;
    readonly number: number;
    readonly atMs: number;
  }

  function testPace(everyMs: number, withinMs: number) {
    const pace = createPace({ everyMs, withinMs, now: Date.now });
    const starts: Start[] = [];
    let number = 0;
    return {
      starts,
      async ask(line: string, signal = new AbortController().signal): Promise<boolean> {
        number += 1;
        const own = number;
        const isTurn = await pace.turn(line, signal);
        if (isTurn) starts.push({ line, number: own, atMs: Date.now() });
        return isTurn;
      },
    };
  }

  it('lets one through at once and spreads the rest, in the order of asking', async () => {
    const { ask, starts } = testPace(5, 5_000);
    for (let index = 0; index < 4; index += 1) void ask('one');
    await vi.advanceTimersByTimeAsync(100);
    expect(starts.map(({ atMs }) => atMs)).toEqual([0, 5, 10, 15]);
    expect(starts.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    await ask('one');
    expect(starts.at(-1)?.atMs).toBe(100);
  });

  it('lets nobody wait behind the crowd of another', async () => {
    const { ask, starts } = testPace(5, 5_000);
    for (let index = 0; index < 900; index += 1) void ask('crowd');
    void ask('one');
    void ask('two');
    await vi.advanceTimersByTimeAsync(100);
    expect(starts.find(({ line }) => line === 'one')?.atMs).toBe(10);
    expect(starts.find(({ line }) => line === 'two')?.atMs).toBe(15);
    expect(starts.filter(({ line }) => line === 'crowd')).toHaveLength(19);
  });

  it.each([
    { crowd: 1_000, tick: 1, allMs: 5_000 },
    { crowd: 10_000, tick: 10, allMs: 5_000 * (1 + Math.log(10)) },
    { crowd: 20_000, tick: 20, allMs: 5_000 * (1 + Math.log(20)) },
  ])('is through with $crowd in good time, and never with many at once', async ({ crowd, tick, allMs }) => {
    const { ask, starts } = testPace(5, 5_000);
    for (let index = 0; index < crowd; index += 1) void ask('crowd');
    await vi.advanceTimersByTimeAsync(allMs);
    expect(starts).toHaveLength(crowd);
    const counts = new Map<number, number>();
    for (const { atMs } of starts) counts.set(atMs, (counts.get(atMs) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBe(tick);
  });

  it('starts each who stays exactly once, each line in its order, no more than its rate allows', async () => {
    const asks = fc.array(
      fc.record({
        gapMs: fc.integer({ min: 0, max: 12 }),
        line: fc.constantFrom('a', 'b', 'c'),
        leavesAfterMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
      }),
      { minLength: 1, maxLength: 100 },
    );
    await fc.assert(
      fc.asyncProperty(asks, fc.integer({ min: 1, max: 20 }), async (all, everyMs) => {
        const { ask, starts } = testPace(everyMs, 1_000_000);
        const answers: Promise<boolean>[] = [];
        for (const { gapMs, line, leavesAfterMs } of all) {
          await vi.advanceTimersByTimeAsync(gapMs);
          const abort = new AbortController();
          answers.push(ask(line, abort.signal));
          if (leavesAfterMs !== undefined) setTimeout(() => abort.abort(), leavesAfterMs);
        }
        await vi.advanceTimersByTimeAsync(all.length * everyMs + 100);
        const answered = await Promise.all(answers);
        expect(starts.map(({ number }) => number).sort((one, other) => one - other)).toEqual(
          answered.flatMap((isTurn, index) => (isTurn ? [index + 1] : [])),
        );
        for (const [index, { leavesAfterMs }] of all.entries()) {
          if (leavesAfterMs === undefined) expect(answered[index]).toBe(true);
        }
        for (const line of ['a', 'b', 'c']) {
          const numbers = starts.filter((start) => start.line === line).map(({ number }) => number);
          expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
        }
        for (const [index, { atMs }] of starts.entries()) {
          const before = starts[index - 1];
          if (before !== undefined) expect(atMs - before.atMs).toBeGreaterThanOrEqual(everyMs);
        }
      }),
    );
  });

  it('ends the wait of one who gives up, and gives the turn to the next', async () => {
    const { ask, starts } = testPace(5, 5_000);
    const abort = new AbortController();
    const answers = [ask('one'), ask('one', abort.signal), ask('two')];
    abort.abort();
    expect(await answers[1]).toBe(false);
    await vi.advanceTimersByTimeAsync(5);
    expect(starts.map(({ number, atMs }) => [number, atMs])).toEqual([
      [1, 0],
      [3, 5],
    ]);
    expect(await ask('one', abort.signal)).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
