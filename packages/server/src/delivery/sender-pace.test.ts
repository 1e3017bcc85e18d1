import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPace } from './sender-pace.ts';

describe('a pace', () => {
  it('lets a burst through at once and spreads the rest', () => {
    const pace = createPace({ perSecond: 500, burst: 3, now: () => 10_000 });
    expect(Array.from({ length: 6 }, () => pace.nextMs())).toEqual([0, 0, 0, 2, 4, 6]);
  });

  it('never starts more than its rate and its burst, in the order of asking', () => {
    const gapsMs = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 200 });
    const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 1_000 }), burst: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(gapsMs, rates, (gaps, { perSecond, burst }) => {
        let nowMs = 0;
        const pace = createPace({ perSecond, burst, now: () => nowMs });
        const startsMs = gaps.map((gapMs) => {
          nowMs += gapMs;
          return nowMs + pace.nextMs();
        });
        for (const [index, startMs] of startsMs.entries()) {
          expect(startMs).toBeGreaterThanOrEqual(startsMs[index - 1] ?? 0);
          // The burst is the most that starts beyond what the rate allows in any stretch of time.
          for (const [earlier, earlierMs] of startsMs.slice(0, index).entries()) {
            const allowed = ((startMs - earlierMs) * perSecond) / 1_000 + burst;
            expect(index - earlier).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      }),
    );
  });

  it('ends the wait of one who gives up', async () => {
    const pace = createPace({ perSecond: 0.001, burst: 1, now: () => 0 });
    const abort = new AbortController();
    expect(await pace.turn(abort.signal)).toBe(true);
    const turn = pace.turn(abort.signal);
    abort.abort();
    expect(await turn).toBe(false);
    expect(await pace.turn(abort.signal)).toBe(false);
  });
});
