import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryNonces } from './index.ts';

describe('memoryNonces', () => {
  it('tells a nonce seen from one not seen, per key', async () => {
    const nonces = memoryNonces({ now: () => 0 });
    expect(await nonces.remember('k', 'n', 10)).toBe(true);
    expect(await nonces.remember('k', 'n', 10)).toBe(false);
    expect(await nonces.remember('l', 'n', 10)).toBe(true);
    expect([nonces.isKnown('k', 'n'), nonces.isKnown('k', 'm'), nonces.isKnown('kn', 'x')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(await nonces.remember('kn', '', 10)).toBe(true);
  });

  it('remembers until its time is over and then lets go', async () => {
    let nowMs = 0;
    const nonces = memoryNonces({ now: () => nowMs });
    await nonces.remember('k', 'n', 10);
    nowMs = 10_000;
    expect(await nonces.remember('k', 'n', 10)).toBe(false);
    nowMs = 12_000;
    expect(nonces.isKnown('k', 'n')).toBe(false);
    expect(await nonces.remember('k', 'm', 20)).toBe(true);
    expect(nonces.size()).toBe(1);
  });

  it('forgets what runs out soonest when it is full', async () => {
    const nonces = memoryNonces({ maxEntries: 3, now: () => 0 });
    for (const [nonce, second] of [
      ['a', 30],
      ['b', 10],
      ['c', 20],
      ['d', 40],
    ] as const) {
      expect(await nonces.remember('k', nonce, second)).toBe(true);
    }
    expect(nonces.size()).toBe(3);
    for (const nonce of ['a', 'c', 'd']) expect(await nonces.remember('k', nonce, 50)).toBe(false);
    expect(await nonces.remember('k', 'b', 50)).toBe(true);
  });

  it('never grows beyond its bound and never takes a nonce twice while there is room', async () => {
    const step = fc.record({ nonce: fc.nat(40), forgetAfter: fc.nat(200), advanceMs: fc.nat(3000) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 100 }),
        fc.integer({ min: 1, max: 50 }),
        async (steps, maxEntries) => {
          let nowMs = 0;
          const nonces = memoryNonces({ maxEntries, now: () => nowMs });
          const model = new Map<string, number>();
          for (const { nonce, forgetAfter, advanceMs } of steps) {
            nowMs += advanceMs;
            const isKnown = (model.get(`${nonce}`) ?? -1) >= nowMs / 1000;
            const isNew = await nonces.remember('k', `${nonce}`, forgetAfter);
            if (isKnown && maxEntries > 40) expect(isNew).toBe(false);
            if (isNew) model.set(`${nonce}`, forgetAfter);
            expect(nonces.size()).toBeLessThanOrEqual(maxEntries);
          }
        },
      ),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %d as its bound', (maxEntries) => {
    expect(() => memoryNonces({ maxEntries })).toThrow(TypeError);
  });
});
