import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSlots } from './sender-slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('are given in the order of asking, and one that is passed on cannot be overtaken', async () => {
    const slots = createSlots(1);
    const order: number[] = [];
    expect(await slots.take(never)).toBe(true);
    const waiting = [1, 2, 3].map((number) => slots.take(never).then(() => order.push(number)));
    slots.give();
    const late = slots.take(never).then(() => order.push(4));
    for (let index = 0; index < 3; index += 1) slots.give();
    await Promise.all([...waiting, late]);
    expect(order).toEqual([1, 2, 3, 4]);
    expect([slots.held, slots.waiting]).toEqual([1, 0]);
  });

  it('are not given to who gave up', async () => {
    const slots = createSlots(1);
    const abort = new AbortController();
    await slots.take(never);
    const first = slots.take(abort.signal);
    const second = slots.take(never);
    abort.abort();
    expect(await first).toBe(false);
    expect(await slots.take(abort.signal)).toBe(false);
    slots.give();
    expect(await second).toBe(true);
    slots.give();
    expect([slots.held, slots.waiting]).toEqual([0, 0]);
  });

  it('never are more than the limit and never get lost, in any order of events', async () => {
    const step = fc.constantFrom('take', 'give', 'abort');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (limit, steps) => {
        const slots = createSlots(limit);
        const asked: { readonly abort: AbortController; settled?: boolean }[] = [];
        let holding = 0;
        for (const each of steps) {
          if (each === 'take') {
            const entry: (typeof asked)[number] = { abort: new AbortController() };
            asked.push(entry);
            void slots.take(entry.abort.signal).then((taken) => {
              entry.settled = taken;
              if (taken) holding += 1;
            });
          } else if (each === 'abort') asked.find(({ settled }) => settled === undefined)?.abort.abort();
          else if (holding > 0) {
            holding -= 1;
            slots.give();
          }
          await new Promise(setImmediate);
          expect(slots.held).toBe(holding);
          expect(holding).toBeLessThanOrEqual(limit);
          if (slots.waiting > 0) expect(holding).toBe(limit);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('cannot be limited to %s', (limit) => {
    expect(() => createSlots(limit)).toThrow(TypeError);
  });
});
