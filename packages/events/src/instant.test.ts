import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareInstants, isInstant, parseInstant } from './index.ts';

const pad = (value: number, length: number) => String(value).padStart(length, '0');

/** A timestamp with the nanoseconds it must mean, computed by Date (whole seconds) and BigInt (the rest). */
const timestamp = fc
  .record({
    seconds: fc.integer({ min: -62_167_219_200 + 86_400, max: 253_402_300_799 - 86_400 }),
    fraction: fc.stringMatching(/^[0-9]{0,9}$/),
    zone: fc.option(fc.record({ minutes: fc.integer({ min: -1439, max: 1439 }) })),
    lower: fc.boolean(),
  })
  .map(({ seconds, fraction, zone, lower }) => {
    const local = new Date((seconds + (zone?.minutes ?? 0) * 60) * 1000).toISOString().slice(0, 19);
    const size = Math.abs(zone?.minutes ?? 0);
    const suffix =
      zone === null ? 'Z' : `${zone.minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60), 2)}:${pad(size % 60, 2)}`;
    const text = `${local}${fraction === '' ? '' : '.'}${fraction}${suffix}`;
    const nanos = BigInt(seconds) * 10n ** 9n + BigInt(fraction.padEnd(9, '0'));
    return { text: lower ? text.toLowerCase() : text, nanos };
  });

const sign = (value: bigint | number) => (value < 0 ? -1 : value > 0 ? 1 : 0);

describe('parseInstant', () => {
  it('reads any date, fraction and offset', () => {
    fc.assert(
      fc.property(timestamp, ({ text, nanos }) => parseInstant(text) === nanos),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['1970-01-01T01:00:00.000000001+01:00', 1n],
    ['1969-12-31T23:59:59.999999999Z', -1n],
    ['2000-02-29T00:00:00-00:00', 951_782_400_000_000_000n],
    ['2016-12-31T23:59:60Z', 1_483_228_800_000_000_000n],
    ['2017-01-01T00:59:60.5+01:00', 1_483_228_800_500_000_000n],
  ])('reads %s', (text, nanos) => {
    expect(parseInstant(text)).toBe(nanos);
  });

  it.each([
    '',
    'now',
    '2021-07-21',
    '2021-07-21T14:10:00',
    '2021-07-21 14:10:00Z',
    '2021-07-21T14:10Z',
    '2021-07-21T14:10:00.Z',
    '2021-07-21T14:10:00,5Z',
    '2021-07-21T14:10:00.1234567890Z',
    '2021-07-21T14:10:00+0200',
    '2021-07-21T14:10:00+02',
    '2021-07-21T14:10:00+24:00',
    '2021-07-21T14:10:00+01:60',
    '2021-07-21T24:00:00Z',
    '2021-07-21T14:60:00Z',
    '2021-07-21T14:10:60Z',
    '2021-07-21T23:59:61Z',
    '2021-07-21T23:59:60+01:00',
    '2021-00-21T14:10:00Z',
    '2021-13-21T14:10:00Z',
    '2021-07-00T14:10:00Z',
    '2021-04-31T14:10:00Z',
    '2021-02-29T14:10:00Z',
    '1900-02-29T14:10:00Z',
    '+2021-07-21T14:10:00Z',
    '2021-07-21T14:10:00Z ',
    '2021-07-21T14:10:00Z\n',
    '２021-07-21T14:10:00Z',
  ])('refuses %j', (text) => {
    expect(parseInstant(text)).toBeUndefined();
    expect(isInstant(text)).toBe(false);
  });
});

describe('compareInstants', () => {
  it('orders like the nanoseconds', () => {
    fc.assert(
      fc.property(timestamp, timestamp, (a, b) => sign(compareInstants(a.text, b.text)) === sign(a.nanos - b.nanos)),
      { numRuns: 2000 },
    );
  });

  it('orders close instants of different precision and offset', () => {
    const close = fc.record({ near: fc.integer({ min: 0, max: 3 }), base: timestamp });
    fc.assert(
      fc.property(close, ({ near, base }) => {
        const seconds = base.nanos / 10n ** 9n;
        const other = new Date(Number(seconds + BigInt(near)) * 1000).toISOString().replace('.000Z', 'Z');
        const nanos = (seconds + BigInt(near)) * 10n ** 9n;
        return sign(compareInstants(base.text, other)) === sign(base.nanos - nanos);
      }),
    );
  });

  it('orders UTC instants within one second, with and without trailing zeros', () => {
    const fraction = fc.stringMatching(/^[019]{0,4}$/);
    const text = (digits: string) => `2021-07-21T14:10:00${digits === '' ? '' : '.'}${digits}Z`;
    const value = (digits: string) => Number(digits.padEnd(9, '0'));
    fc.assert(
      fc.property(fraction, fraction, (a, b) => sign(compareInstants(text(a), text(b))) === sign(value(a) - value(b))),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['2021-07-21T14:10:00Z', '2021-07-21T14:10:00.00Z', 0],
    ['2021-07-21T14:10:00.1Z', '2021-07-21T14:10:00.09Z', 1],
    ['2021-07-21T14:10:00.123456788Z', '2021-07-21T14:10:00.123456789Z', -1],
    ['2021-07-21T16:10:00+02:00', '2021-07-21T14:10:00Z', 0],
    ['2021-07-21T15:00:00+02:00', '2021-07-21T14:10:00Z', -1],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z', 0],
    ['2021-07-21t14:10:00z', '2021-07-21T14:10:00Z', 0],
  ])('compares %s and %s: %d', (a, b, expected) => {
    expect(sign(compareInstants(a, b))).toBe(expected);
    expect(sign(compareInstants(b, a))).toBe(expected === 0 ? 0 : -expected);
  });

  it('throws a TypeError for a text that is no instant', () => {
    expect(() => compareInstants('yesterday', '2021-07-21T14:10:00Z')).toThrow(TypeError);
  });
});
