import { describe, expect, it } from 'vitest';
import { decodeCursor, instantQuery } from './paging.ts';

const id = '00000000-0000-4000-8000-000000000001';
const cursor = (at: unknown): string => Buffer.from(JSON.stringify([at, id])).toString('base64url');

// What broke: these came to PostgreSQL, which knows no such time, and were answered 500.
describe('a time that the database does not know', () => {
  it.each([
    '0000-01-01T00:00:00.000Z',
    '2026-02-30T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
    '10000-01-01T00:00:00.000Z',
    '+275760-09-13T00:00:00.000Z',
    '-271821-04-20T00:00:00.000Z',
    1,
  ])('is no cursor: %s', (at) => {
    expect(decodeCursor(cursor(at))).toBeUndefined();
  });

  it.each(['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59-12:00'])(
    'is no time to look from: %s',
    (text) => {
      expect(instantQuery.safeParse(text).success).toBe(false);
    },
  );

  it('is another one than these', () => {
    for (const at of ['0001-01-01T00:00:00.000Z', '2026-02-28T00:00:00.123456Z', '9999-12-31T23:59:59.998Z']) {
      expect(decodeCursor(cursor(at))).toEqual({ at, id });
      expect(instantQuery.safeParse(at).success).toBe(true);
    }
  });
});
