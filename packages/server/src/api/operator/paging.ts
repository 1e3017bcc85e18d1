// Pages of the operator's lists: `{data, next_cursor}`, `limit` and an opaque `cursor` that names the last row of the page
// before, so that rows that come and go in between shift nothing.

import { parseInstant } from '@bellhop/events';
import { z } from 'zod';
import { isUuid } from '../ids.ts';

const defaultLimit = 50;
const maxLimit = 500;

/** Spread into a query schema. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(maxLimit).default(defaultLimit).describe('Rows of one page.'),
  cursor: z.string().max(4000).optional().describe('The next_cursor of the page before.'),
};

export function pageSchema<Row extends z.ZodType>(row: Row) {
  return z.strictObject({
    data: z.array(row),
    next_cursor: z.string().nullable().describe('Give it as cursor to get the next page; null at the end.'),
  });
}

/** Where a page ended: the time of its last row, with microseconds as the database has them, and the row's id. */
export interface Position {
  readonly at: string;
  readonly id: string;
}

function encodeCursor(position: Position): string {
  return Buffer.from(JSON.stringify([position.at, position.id])).toString('base64url');
}

const firstTimeMs = Date.parse('0001-01-01T00:00:00Z');
const lastTimeMs = Date.parse('9999-12-31T23:59:59.999Z');

/** Of the years 1 to 9999, and so the millisecond after it: PostgreSQL knows no year 0, and takes later ones in another form. */
export function isDatabaseTime(ms: number): boolean {
  return ms >= firstTimeMs && ms < lastTimeMs;
}

/** Undefined when the text is not a cursor of such a list. */
export function decodeCursor(text: string, isId: (id: string) => boolean = isUuid): Position | undefined {
  const value = parseCursor(text);
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [at, id]: unknown[] = value;
  if (typeof at !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z$/.test(at)) return undefined;
  if (parseInstant(at) === undefined || !isDatabaseTime(Date.parse(at))) return undefined;
  if (typeof id !== 'string' || !isId(id)) return undefined;
  return { at, id };
}

export function parseCursor(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Rows were asked for with one more than `limit`: if that one came, there is a next page. */
export function page<Row, Shown>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => Position,
  show: (row: Row) => Shown,
): { data: Shown[]; next_cursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    data: shown.map(show),
    next_cursor: rows.length > limit && last !== undefined ? encodeCursor(positionOf(last)) : null,
  };
}

/** A yes or no in a query string. */
export const booleanQuery = z.enum(['true', 'false']).transform((text) => text === 'true');

/** A time in a query string, cut to milliseconds. A plus sign that was not escaped arrives as a space. */
export const instantQuery = z
  .string()
  .transform((text) => text.replace(' ', '+'))
  .refine((text) => parseInstant(text) !== undefined, 'must be an RFC 3339 date-time')
  .transform((text) => new Date(Number((parseInstant(text) ?? 0n) / 1_000_000n)))
  .refine((time) => isDatabaseTime(time.getTime()), 'must be of the years 1 to 9999');
