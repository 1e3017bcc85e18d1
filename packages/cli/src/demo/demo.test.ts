import { randomUUID } from 'node:crypto';
import { compareInstants, example } from '@bellhop/events';
import { validateEvent } from '@bellhop/events/validate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReceipts } from './receipts.ts';
import { createTraffic } from './traffic.ts';

describe('demo traffic', () => {
  it('is valid against the schemas, in whatever order stories interleave', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 50 }), (choices) => {
        let at = 0;
        const traffic = createTraffic(randomUUID, () => choices[at++ % choices.length] ?? 0);
        for (const event of traffic.next(40)) {
          expect(validateEvent(event, { as: 'published' }), event.type).toEqual({ ok: true });
        }
      }),
      { numRuns: 20 },
    );
  });

  it('tells stories: several events of different types about one object', () => {
    const events = createTraffic(randomUUID, Math.random).next(200);
    expect(new Set(events.map((event) => event.id)).size).toBe(200);
    const typesOf = new Map<string, Set<string>>();
    for (const { type, object } of events) {
      const about = String(object['id'] ?? '');
      typesOf.set(about, (typesOf.get(about) ?? new Set()).add(type));
    }
    expect([...typesOf.values()].filter((types) => types.size >= 3).length).toBeGreaterThan(5);
  });
});

// An order was created at another time in each of its events.
it('demo traffic tells of one object when it was created, and each state is newer than the one before', () => {
  const last = new Map<string, Readonly<Record<string, unknown>>>();
  for (const { object } of createTraffic(randomUUID, Math.random).next(500)) {
    if (typeof object['updated_at'] !== 'string') continue;
    const before = last.get(String(object['id']));
    if (before !== undefined) {
      expect(object['created_at']).toBe(before['created_at']);
      expect(compareInstants(String(before['updated_at']), object['updated_at'])).toBeLessThan(0);
    }
    last.set(String(object['id']), object);
  }
});

describe('receipts of the demo', () => {
  const delivered = () => ({ ...example('ORDER.NEW'), webhook_id: randomUUID() });

  it('resolve with the time of the first awaited event and leave others out', async () => {
    let ms = 0;
    const receipts = createReceipts(() => ms);
    const [other, wanted] = [delivered(), delivered()];
    const first = receipts.first(new Set([wanted.id]), new AbortController().signal);
    ms = 5;
    receipts.record(other);
    ms = 9;
    receipts.record(wanted);
    expect(await first).toBe(9);
  });

  it('count what arrived, what was refused and what breaks its schema', async () => {
    const receipts = createReceipts(() => 0);
    const event = delivered();
    receipts.answered(200);
    receipts.answered(401);
    receipts.record(event);
    receipts.record({ ...event, object: { nonsense: true } });
    expect(receipts.counts()).toMatchObject({
      events: 2,
      packages: 1,
      refused: 1,
      invalid: 1,
      latestType: 'ORDER.NEW',
    });
  });

  it('stop waiting when told to', async () => {
    const receipts = createReceipts(() => 0);
    const controller = new AbortController();
    const all = receipts.all(new Set(['never']), controller.signal);
    controller.abort(new Error('enough'));
    await expect(all).rejects.toThrow('enough');
  });
});
