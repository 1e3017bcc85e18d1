import { describe, expect, it } from 'vitest';
import { createLoginBackOff } from './login-back-off.ts';
import { createThrottle } from './throttle.ts';

describe('the login back-off', () => {
  it('lets the free tries pass, then doubles the wait up to a minute', () => {
    let atMs = 0;
    const backOff = createLoginBackOff({ freeTries: 3, now: () => atMs });
    const waits: number[] = [];
    for (let failure = 0; failure < 12; failure += 1) {
      const wait = backOff.waitSeconds('a');
      waits.push(wait ?? 0);
      atMs += (wait ?? 0) * 1000;
      expect(backOff.waitSeconds('a')).toBeUndefined();
      backOff.tried('a');
    }
    expect(waits).toEqual([0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(backOff.waitSeconds('b')).toBeUndefined();
  });

  it('is cleared by a success and by a quarter of an hour', () => {
    let atMs = 0;
    const backOff = createLoginBackOff({ freeTries: 1, now: () => atMs });
    backOff.tried('a');
    expect(backOff.waitSeconds('a')).toBe(1);
    backOff.succeeded('a');
    expect(backOff.waitSeconds('a')).toBeUndefined();
    for (let failure = 0; failure < 20; failure += 1) backOff.tried('a');
    atMs += 15 * 60_000;
    backOff.tried('a');
    expect(backOff.waitSeconds('a')).toBe(1);
  });

  it('does not count a try that was taken back', () => {
    const backOff = createLoginBackOff({ freeTries: 2, now: () => 0 });
    for (const id of ['a', 'a', 'b']) backOff.tried(id);
    backOff.takeBack('a');
    backOff.takeBack('nobody');
    expect([backOff.waitSeconds('a'), backOff.waitSeconds('nobody')]).toEqual([undefined, undefined]);
    backOff.tried('a');
    expect(backOff.waitSeconds('a')).toBe(1);
  });

  it('starts no wait for a try that was taken back', () => {
    let nowMs = 0;
    const backOff = createLoginBackOff({ freeTries: 1, now: () => nowMs });
    for (let failure = 0; failure < 20; failure += 1) backOff.tried('a');
    nowMs = 60_000;
    expect(backOff.waitSeconds('a')).toBeUndefined();
    backOff.tried('a');
    backOff.takeBack('a');
    expect(backOff.waitSeconds('a')).toBeUndefined();
    backOff.tried('a');
    expect(backOff.waitSeconds('a')).toBe(60);
  });

  it('forgets the id whose failure is longest ago when it is full, and none when switched off', () => {
    const backOff = createLoginBackOff({ freeTries: 1, now: () => 0, maxEntries: 2 });
    for (const id of ['a', 'b', 'c']) backOff.tried(id);
    expect(['a', 'b', 'c'].map((id) => backOff.waitSeconds(id))).toEqual([undefined, 1, 1]);
    const off = createLoginBackOff({ freeTries: 0, now: () => 0 });
    off.tried('a');
    expect(off.waitSeconds('a')).toBeUndefined();
  });
});

describe('the throttle', () => {
  it('takes back what a refused call had taken, and never more than the burst', () => {
    const throttle = createThrottle({ requestsPerSecond: 1, burst: 2, now: () => 0 });
    throttle.giveBack('a');
    expect([throttle.take('a'), throttle.take('a'), throttle.take('a')]).toEqual([undefined, undefined, 1]);
    throttle.giveBack('a');
    expect([throttle.take('a'), throttle.take('a')]).toEqual([undefined, 1]);
  });

  it('says beforehand what a call would have to wait, and takes nothing for that', () => {
    let atMs = 0;
    const throttle = createThrottle({ requestsPerSecond: 0.5, burst: 1, now: () => atMs });
    expect([throttle.wait('a'), throttle.wait('a'), throttle.take('a')]).toEqual([undefined, undefined, undefined]);
    expect([throttle.wait('a'), throttle.take('a'), throttle.wait('b')]).toEqual([2, 2, undefined]);
    atMs += 1_000;
    expect(throttle.wait('a')).toBe(1);
    atMs += 1_000;
    expect([throttle.wait('a'), throttle.take('a')]).toEqual([undefined, undefined]);
  });
});
