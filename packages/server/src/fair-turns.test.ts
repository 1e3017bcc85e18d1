import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFairTurns, type FairTurnsOptions } from './fair-turns.ts';

const roomy: FairTurnsOptions = { slots: 1, slotsEach: 1, maxWaiting: 100, maxWaitingEach: 100, maxWaitMs: 60_000 };

/** Work that ends when it is told to, and the order in which it began. */
function workshop(options: Partial<FairTurnsOptions>) {
  const turns = createFairTurns({ ...roomy, ...options });
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const job = (name: string) => async () => {
    begun.push(name);
    await new Promise<void>((resolve) => ends.push(resolve));
    return name;
  };
  return {
    begun,
    tryRun: (line: string, name: string) => turns.tryRun(line, job(name)),
    run: (line: string, name: string) => turns.run(line, job(name)),
    /** Ends what began first of what still runs. */
    async endOne() {
      ends.shift()?.();
      // What follows from an end happens in microtasks.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('fair turns', () => {
  it('serve lines in turn, not in the order of coming', async () => {
    const shop = workshop({});
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) void shop.tryRun(name.charAt(0), name);
    for (let count = 0; count < 7; count += 1) await shop.endOne();
    expect(shop.begun).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  });

  it('keep slots free of a line that has its part', async () => {
    const shop = workshop({ slots: 3, slotsEach: 2 });
    for (const name of ['a1', 'a2', 'a3', 'b1']) void shop.tryRun(name.charAt(0), name);
    expect(shop.begun).toEqual(['a1', 'a2', 'b1']);
    await shop.endOne();
    expect(shop.begun).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  it('refuse what a line or all lines have no room for, and never begin it', async () => {
    const shop = workshop({ maxWaiting: 3, maxWaitingEach: 2 });
    void shop.tryRun('a', 'a1');
    void shop.tryRun('a', 'a2');
    void shop.tryRun('a', 'a3');
    expect(await shop.tryRun('a', 'a4')).toBeUndefined();
    void shop.tryRun('b', 'b1');
    expect(await shop.tryRun('c', 'c1')).toBeUndefined();
    void shop.run('c', 'c2');
    for (let count = 0; count < 6; count += 1) await shop.endOne();
    expect(shop.begun).toEqual(['a1', 'a2', 'b1', 'c2', 'a3']);
  });

  it('give up what has waited too long, and take its place away', async () => {
    const shop = workshop({ maxWaitMs: 1, maxWaitingEach: 1 });
    void shop.tryRun('a', 'a1');
    expect(await shop.tryRun('a', 'a2')).toBeUndefined();
    const patient = shop.run('a', 'a3');
    await shop.endOne();
    await shop.endOne();
    expect(await patient).toBe('a3');
    expect(shop.begun).toEqual(['a1', 'a3']);
  });

  it('go on after work that failed', async () => {
    const turns = createFairTurns(roomy);
    const failed = turns.tryRun('a', () => Promise.reject(new Error('no')));
    const next = turns.tryRun('a', async () => 'next');
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('next');
  });

  it('hold their bounds and finish all that was taken, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          slots: fc.integer({ min: 1, max: 4 }),
          slotsEach: fc.integer({ min: 1, max: 3 }),
          maxWaiting: fc.nat(8),
          maxWaitingEach: fc.nat(4),
        }),
        fc.array(fc.record({ line: fc.constantFrom('a', 'b', 'c', 'd'), ticks: fc.nat(4) }), { maxLength: 40 }),
        async (bounds, jobs) => {
          const turns = createFairTurns({ ...roomy, ...bounds });
          const running = new Map<string, number>();
          let finished = 0;
          const results = await Promise.all(
            jobs.map(({ line, ticks }) =>
              turns.tryRun(line, async () => {
                running.set(line, (running.get(line) ?? 0) + 1);
                expect(running.get(line)).toBeLessThanOrEqual(bounds.slotsEach);
                expect([...running.values()].reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(bounds.slots);
                for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
                running.set(line, (running.get(line) ?? 0) - 1);
                finished += 1;
                return 'done';
              }),
            ),
          );
          expect(results.filter((result) => result === 'done')).toHaveLength(finished);
          expect(finished).toBeGreaterThanOrEqual(Math.min(jobs.length, 1));
        },
      ),
    );
  });
});
