// The ring against an array that forgets nothing.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ring, RingBudget, type RingEvent, toRingEvent } from './ring.ts';

const tenants = ['t1', 't2', 't3'];
/** What an event of these sizes may cost in memory besides its body; the ring's own figure is its own affair. */
const maxOverheadBytes = 1_000;

function event(offset: number, clientId: string, bytes: number): RingEvent {
  const body = 'x'.repeat(bytes);
  return toRingEvent({ offset, clientId, id: `e${offset}`, type: 'A.X', body, appendedAt: new Date(0) }, offset);
}

const pushes = fc.array(
  fc.record({
    clientId: fc.constantFrom(...tenants),
    bytes: fc.integer({ min: 1, max: 2_000 }),
    gap: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 60, size: 'max' },
);

describe('a ring', () => {
  it('holds every event above its start, per tenant and in order, within its bound', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 1_000 }),
        fc.integer({ min: 0, max: 20_000 }),
        pushes,
        fc.array(fc.nat({ max: 200 }), { maxLength: 5 }),
        (start, maxBytes, steps, positions) => {
          const ring = new Ring(start, new RingBudget(maxBytes));
          const log: RingEvent[] = [];
          let startBefore = start;
          let offset = start;
          for (const { clientId, bytes, gap } of steps) {
            offset += gap;
            const pushed = event(offset, clientId, bytes);
            ring.push(pushed);
            log.push(pushed);
            expect(ring.end).toBe(offset);
            expect(ring.bytes).toBeLessThanOrEqual(maxBytes);
            // The start moves forward only, and only to an event that left.
            expect(ring.start).toBeGreaterThanOrEqual(startBefore);
            if (ring.start > startBefore) expect(log.some((each) => each.offset === ring.start)).toBe(true);
            startBefore = ring.start;
            for (const back of [0, ...positions]) {
              const after = Math.max(0, offset - back);
              expect(ring.covers(after)).toBe(after >= ring.start);
              if (!ring.covers(after)) continue;
              for (const tenant of tenants) {
                const wanted = log.filter((each) => each.clientId === tenant && each.offset > after);
                expect([...ring.after(tenant, after)]).toEqual(wanted);
              }
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('evicts no more than its bound asks for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), pushes, (maxBytes, steps) => {
        const ring = new Ring(0, new RingBudget(maxBytes));
        const log = steps.map(({ clientId, bytes }, index) => event(index + 1, clientId, bytes));
        for (const each of log) ring.push(each);
        const held = log.filter(({ offset }) => offset > ring.start);
        const lastEvicted = log.find(({ offset }) => offset === ring.start);
        const heldBytes = held.reduce((sum, each) => sum + each.bytes, 0);
        expect(ring.bytes).toBeGreaterThanOrEqual(heldBytes);
        expect(ring.bytes).toBeLessThanOrEqual(heldBytes + held.length * maxOverheadBytes);
        if (lastEvicted) expect(ring.bytes + lastEvicted.bytes + maxOverheadBytes).toBeGreaterThan(maxBytes);
        else expect(held).toEqual(log);
      }),
      { numRuns: 300 },
    );
  });

  it('starts where it is told, and covers that position before anything was pushed', () => {
    const ring = new Ring(41, new RingBudget(1_000));
    expect([ring.start, ring.end, ring.bytes]).toEqual([41, 41, 0]);
    expect([ring.covers(40), ring.covers(41), ring.covers(50)]).toEqual([false, true, true]);
    expect([...ring.after('t1', 41)]).toEqual([]);
  });

  it('lets an event larger than the ring pass without holding it', () => {
    const ring = new Ring(0, new RingBudget(1_000));
    ring.push(event(1, 't1', 100));
    ring.push(event(2, 't2', 5_000));
    expect([ring.start, ring.end, ring.bytes]).toEqual([2, 2, 0]);
    expect([ring.covers(1), ring.covers(2)]).toEqual([false, true]);
    ring.push(event(3, 't1', 100));
    expect([...ring.after('t1', 2)].map(({ offset }) => offset)).toEqual([3]);
    expect([...ring.after('t2', 2)]).toEqual([]);
  });

  it('refuses an offset that is not above its end', () => {
    const ring = new Ring(5, new RingBudget(1_000));
    expect(() => ring.push(event(5, 't1', 10))).toThrow(TypeError);
    ring.push(event(6, 't1', 10));
    expect(() => ring.push(event(6, 't1', 10))).toThrow(TypeError);
    expect(ring.end).toBe(6);
  });

  it('keeps its order over many thousands of events', () => {
    const ring = new Ring(0, new RingBudget(300_000));
    for (let offset = 1; offset <= 20_000; offset += 1) ring.push(event(offset, tenants[offset % 2] ?? '', 10));
    for (const after of [ring.start, ring.start + 500, ring.end - 1, ring.end]) {
      const offsets = tenants.flatMap((tenant) => [...ring.after(tenant, after)].map(({ offset }) => offset));
      expect(offsets.sort((a, b) => a - b)).toEqual(
        Array.from({ length: ring.end - after }, (_, index) => after + 1 + index),
      );
    }
  });

  it('counts bodies in bytes of UTF-8', () => {
    const [ascii, wide] = ['e', '€'].map((letter, index) =>
      toRingEvent(
        { offset: index + 1, clientId: 't1', id: 'e', type: 'A.X', body: letter.repeat(10), appendedAt: new Date(0) },
        0,
      ),
    );
    expect([ascii?.bytes, wide?.bytes]).toEqual([10, 30]);
    expect([ascii?.category, wide?.category]).toEqual(['A', 'A']);
  });
});

describe('the budget of all rings', () => {
  const event = (offset: number, seenAtMs: number, body = 'x'.repeat(100)) => ({
    offset,
    clientId: 'tenant',
    type: 'A.A',
    category: 'A',
    body,
    bytes: body.length,
    seenAtMs,
  });

  it('lets the longest-held events leave first, whichever ring holds them', () => {
    const budget = new RingBudget(1_000);
    const idle = new Ring(0, budget);
    const busy = new Ring(0, budget);
    idle.push(event(1, 10));
    idle.push(event(2, 11));
    for (let offset = 1; offset <= 3; offset += 1) busy.push(event(offset, 20 + offset));
    expect([idle.start, busy.start]).toEqual([2, 0]);
    expect(budget.bytes).toBe(busy.bytes + idle.bytes);
    expect(budget.bytes).toBeLessThanOrEqual(1_000);
  });

  it('gets the share of a closed ring back', () => {
    const budget = new RingBudget(1_000);
    const closed = new Ring(0, budget);
    closed.push(event(1, 1));
    closed.close();
    closed.close();
    expect(budget.bytes).toBe(0);
  });
});
