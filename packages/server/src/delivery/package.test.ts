// Packages: cut to the byte, built byte for byte the same, sorted by instant.

import { parseInstant } from '@bellhop/events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPackage, type CuttableEvent, createdAtOf, cutPackage, type Filter } from './package.ts';

const webhookId = '6f1c8f0e-2f6b-4d0e-9d5c-0a4f3c1f2b7a';
const all: Filter = { type: ['ALL'] };

const pad = (value: number, length: number) => String(value).padStart(length, '0');

/** Near each other, so that precision and offset decide; some mean the same instant in different words. */
const timestamp = fc
  .record({
    second: fc.integer({ min: 0, max: 2 }),
    fraction: fc.stringMatching(/^[09]{0,9}$/),
    zoneMinutes: fc.constantFrom(0, 0, 60, -90, 345),
    zulu: fc.boolean(),
  })
  .map(({ second, fraction, zoneMinutes, zulu }) => {
    const minutes = zulu ? 0 : zoneMinutes;
    const local = new Date(Date.UTC(2024, 1, 29, 23, 59, 58 + second) + minutes * 60_000).toISOString().slice(0, 19);
    const size = Math.abs(minutes);
    const zone = zulu ? 'Z' : `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60), 2)}:${pad(size % 60, 2)}`;
    return `${local}${fraction === '' ? '' : `.${fraction}`}${zone}`;
  });

/** As the publish path composes them: the object is the publisher's own text and may hold anything. */
const body = fc
  .record({
    createdAt: timestamp,
    object: fc.record({
      text: fc.string({ unit: 'grapheme', maxLength: 60 }),
      created_at: fc.constantFrom('1999-01-01T00:00:00Z', '2999-01-01T00:00:00Z'),
      nested: fc.json({ maxDepth: 2 }),
    }),
    spaced: fc.boolean(),
  })
  .map(({ createdAt, object, spaced }) => {
    const text = JSON.stringify(object, null, spaced ? 2 : undefined);
    return `{"id":"0a4f3c1f","created_at":"${createdAt}","type":"USER.CREATED","object":${text}}`;
  });

const events = fc
  .array(fc.tuple(body, fc.integer({ min: 1, max: 3 })), { maxLength: 12, size: 'max' })
  .map((items): CuttableEvent[] => {
    let offset = 0;
    return items.map(([text, gap]) => {
      offset += gap;
      return { offset, body: text, bytes: Buffer.byteLength(text) };
    });
  });

const within = (log: readonly CuttableEvent[], { first, last }: { first: number; last: number }) =>
  log.filter(({ offset }) => offset >= first && offset <= last);

interface Delivered {
  readonly id: string;
  readonly created_at: string;
  readonly object: unknown;
  readonly webhook_id: string;
}

const payloadOf = (built: Buffer): Delivered[] => JSON.parse(built.toString()).payload;

describe('cutPackage', () => {
  it('counts the size of the request body to the byte', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 3_000 }), (log, maxBytes) => {
        const { cut } = cutPackage(log, all, maxBytes);
        if (!cut) {
          expect(log).toEqual([]);
          return;
        }
        const built = buildPackage(within(log, cut), webhookId);
        expect(built.length).toBe(cut.bytes);
        expect(within(log, cut)).toHaveLength(cut.count);
      }),
      { numRuns: 500 },
    );
  });

  it('takes as many events as fit, from the first on, and one at least', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 3_000 }), (log, maxBytes) => {
        const { cut, full } = cutPackage(log, all, maxBytes);
        if (!cut) {
          expect(full).toBe(false);
          return;
        }
        expect(cut.first).toBe(log[0]?.offset);
        expect(cut.last).toBe(log[cut.count - 1]?.offset);
        expect(cut.filter).toBe(all);
        if (cut.count > 1) expect(cut.bytes).toBeLessThanOrEqual(maxBytes);
        const next = log[cut.count];
        const withNext = next && buildPackage(log.slice(0, cut.count + 1), webhookId).length;
        if (withNext !== undefined) expect(withNext).toBeGreaterThan(maxBytes);
        expect(full).toBe(withNext !== undefined || cut.bytes >= maxBytes);
      }),
      { numRuns: 500 },
    );
  });

  it('is full at exactly the limit and not one byte below', () => {
    fc.assert(
      fc.property(
        events.filter((log) => log.length > 0),
        (log) => {
          const size = buildPackage(log, webhookId).length;
          expect(cutPackage(log, all, size)).toMatchObject({ full: true, cut: { count: log.length, bytes: size } });
          expect(cutPackage(log, all, size + 1)).toMatchObject({ full: false, cut: { count: log.length } });
          expect(cutPackage(log, all, size - 1)).toMatchObject({
            full: true,
            cut: { count: Math.max(1, log.length - 1) },
          });
        },
      ),
    );
  });

  it('cuts a log into packages that hold every event once, in order', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 300, max: 2_000 }), (log, maxBytes) => {
        const offsets: number[] = [];
        for (let rest = log; rest.length > 0; ) {
          const { cut } = cutPackage(rest, all, maxBytes);
          if (!cut) throw new Error('nothing was cut from events that are there');
          offsets.push(...within(rest, cut).map(({ offset }) => offset));
          rest = rest.filter(({ offset }) => offset > cut.last);
        }
        expect(offsets).toEqual(log.map(({ offset }) => offset));
      }),
    );
  });

  it('sends an event larger than the limit alone, also between small ones', () => {
    const sized = (offset: number, padding: number): CuttableEvent => {
      const text = `{"id":"${offset}","created_at":"2024-01-01T00:00:00Z","type":"A.A","object":{"pad":"${'é'.repeat(padding)}"}}`;
      return { offset, body: text, bytes: Buffer.byteLength(text) };
    };
    const log = [sized(1, 10), sized(2, 2_000), sized(3, 10)];
    expect(cutPackage(log, all, 1_000)).toMatchObject({ full: true, cut: { first: 1, last: 1, count: 1 } });
    expect(cutPackage(log.slice(1), all, 1_000)).toMatchObject({ full: true, cut: { first: 2, last: 2, count: 1 } });
    expect(cutPackage(log.slice(2), all, 1_000)).toMatchObject({ full: false, cut: { first: 3, last: 3, count: 1 } });
  });
});

describe('buildPackage', () => {
  it('sorts by created_at as instants, and equal ones in the order of the log', () => {
    fc.assert(
      fc.property(events, (log) => {
        const texts = new Map(log.map((event) => [event.offset, createdAtOf(event.body)]));
        const nanos = (offset: number) => parseInstant(texts.get(offset) ?? '') ?? 0n;
        const expected = log
          .map(({ offset }) => offset)
          .sort((a, b) => (nanos(a) < nanos(b) ? -1 : nanos(a) > nanos(b) ? 1 : a - b));
        const wanted = expected.map((offset) => log.find((event) => event.offset === offset)?.body.slice(0, -1));
        const built = buildPackage(log, webhookId).toString();
        expect(built).toBe(`{"payload":[${wanted.map((text) => `${text},"webhook_id":"${webhookId}"}`).join(',')}]}`);
      }),
      { numRuns: 500 },
    );
  });

  it('is JSON of exactly the events, each with the webhook it was made for and its object as published', () => {
    fc.assert(
      fc.property(events, (log) => {
        const payload = payloadOf(buildPackage(log, webhookId));
        const sent = payload.map(({ webhook_id, ...event }) => {
          expect(webhook_id).toBe(webhookId);
          return JSON.stringify(event);
        });
        expect(sent.sort()).toEqual(log.map((event) => JSON.stringify(JSON.parse(event.body))).sort());
      }),
    );
  });

  it('gives the same bytes whenever it is rebuilt from its cut', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 300, max: 2_000 }), (log, maxBytes) => {
        const { cut } = cutPackage(log, all, maxBytes);
        if (!cut) return;
        const once = buildPackage(log.slice(0, cut.count), webhookId);
        const readAgain = within(log, cut).map((event) => ({ ...event }));
        expect(buildPackage(readAgain, webhookId).equals(once)).toBe(true);
      }),
    );
  });

  it('leaves the events as they were', () => {
    fc.assert(
      fc.property(events, (log) => {
        const before = structuredClone(log);
        buildPackage(log, webhookId);
        expect(log).toEqual(before);
      }),
    );
  });
});

describe('createdAtOf', () => {
  it('reads the event’s own time, whatever its object holds', () => {
    fc.assert(
      fc.property(body, (text) => {
        expect(createdAtOf(text)).toBe(JSON.parse(text).created_at);
      }),
    );
  });
});
