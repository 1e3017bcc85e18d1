import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSlots } from './sender-slots.ts';

const never = new AbortController().signal;

describe('slots', () => {
  it('are given in the order of asking, and one that is passed on cannot be overtaken', async () => {
    const slots = createSlots(1);
    const order: number[] = [];
    expect(await slots.take('a', never)).toBe(true);
    const waiting = [1, 2, 3].map((number) => slots.take('a', never).then(() => order.push(number)));
    slots.give('a');
    const late = slots.take('a', never).then(() => order.push(4));
    for (let index = 0; index < 3; index += 1) slots.give('a');
    await Promise.all([...waiting, late]);
    expect(order).toEqual([1, 2, 3, 4]);
    expect([slots.held, slots.waiting]).toEqual([1, 0]);
  });

  it('are not given to who gave up', async () => {
    const slots = createSlots(1);
    const abort = new AbortController();
    await slots.take('a', never);
    const first = slots.take('a', abort.signal);
    const second = slots.take('a', never);
    abort.abort();
    expect(await first).toBe(false);
    expect(await slots.take('a', abort.signal)).toBe(false);
    slots.give('a');
    expect(await second).toBe(true);
    slots.give('a');
    expect([slots.held, slots.waiting]).toEqual([0, 0]);
  });

  it('leave an eighth to others however much one tenant asks for, and are all given to several', async () => {
    const slots = createSlots(16);
    const ask = (tenant: string, count: number) => {
      let taken = 0;
      for (let index = 0; index < count; index += 1) void slots.take(tenant, never).then(() => (taken += 1));
      return { taken: () => new Promise<number>((resolve) => setImmediate(() => resolve(taken))) };
    };
    const first = ask('a', 100);
    expect(await first.taken()).toBe(14);
    const others = [...'bc'].map((tenant) => ask(tenant, 1));
    expect(await Promise.all(others.map((each) => each.taken()))).toEqual([1, 1]);
    slots.give('b');
    expect(await first.taken()).toBe(14);
    expect([slots.held, slots.waiting]).toEqual([15, 86]);
  });

  it('are given to tenants that wait in turn, not to who has asked most', async () => {
    const slots = createSlots(2);
    await Promise.all([slots.take('a', never), slots.take('a', never)]);
    const order: string[] = [];
    const ask = (tenant: string, name: string) => slots.take(tenant, never).then(() => order.push(name));
    const waiting = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) => ask(name.slice(0, 1), name));
    for (const tenant of 'aaabcb') {
      slots.give(tenant);
      await new Promise(setImmediate);
    }
    await Promise.all(waiting);
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('never are more than the limit, never get lost, and wait for nobody who may take, in any order of events', async () => {
    const tenants = ['a', 'b', 'c'];
    const step = fc.record({
      act: fc.constantFrom('take', 'take', 'give', 'abort'),
      tenant: fc.constantFrom(...tenants),
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 80 }), async (limit, steps) => {
        const slots = createSlots(limit);
        const asked: { readonly tenant: string; readonly abort: AbortController; settled?: boolean }[] = [];
        const holding = new Map(tenants.map((tenant) => [tenant, 0]));
        const heldBy = (tenant: string): number => holding.get(tenant) ?? 0;
        const isWaiting = (tenant: string) =>
          asked.some((each) => each.tenant === tenant && each.settled === undefined);
        for (const { act, tenant } of steps) {
          if (act === 'take') {
            const entry: (typeof asked)[number] = { tenant, abort: new AbortController() };
            asked.push(entry);
            void slots.take(tenant, entry.abort.signal).then((taken) => {
              entry.settled = taken;
              if (taken) holding.set(tenant, heldBy(tenant) + 1);
            });
          } else if (act === 'abort') {
            asked.find((each) => each.tenant === tenant && each.settled === undefined)?.abort.abort();
          } else if (heldBy(tenant) > 0) {
            holding.set(tenant, heldBy(tenant) - 1);
            slots.give(tenant);
          }
          await new Promise(setImmediate);
          const held = tenants.reduce((sum, each) => sum + heldBy(each), 0);
          expect([slots.held, slots.waiting]).toEqual([
            held,
            asked.filter(({ settled }) => settled === undefined).length,
          ]);
          expect(held).toBeLessThanOrEqual(limit);
          for (const each of tenants)
            if (isWaiting(each)) expect(heldBy(each)).toBeGreaterThanOrEqual(7 * (limit - held));
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('cannot be limited to %s', (limit) => {
    expect(() => createSlots(limit)).toThrow(TypeError);
  });
});
