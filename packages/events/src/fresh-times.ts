// Moves the times of an example to now and keeps what they say about each other: the latest instant of the object
// becomes `latestMs`, the others keep their distance to it; what stood at midnight, at a month's or a year's edge
// stays there. Birth dates do not move. Expects a private copy: fills it in place.
import { isPlain, type Plain } from './fresh-ids.ts';
import { isInstant, parseInstant } from './instant.ts';

const DAY_MS = 86_400_000;
const DATE = /^\d{4}-\d\d-\d\d$/;

interface Slot {
  readonly holder: Plain | unknown[];
  readonly field: string | number;
  readonly text: string;
  readonly ms: number;
}

export interface Move {
  /** When the example's event was created: the anchor of an object that holds no instant. */
  readonly exampleMs: number;
  readonly latestMs: number;
  /** How much older than its last change the resource is. */
  readonly ageMs: number;
}

export function moveTimes(object: Plain, { exampleMs, latestMs, ageMs }: Move): void {
  const slots: Slot[] = [];
  collect(object, slots);
  const instants = slots.filter((slot) => !DATE.test(slot.text));
  const anchorMs = instants.length === 0 ? exampleMs : Math.max(...instants.map((slot) => slot.ms));
  const shiftMs = latestMs - anchorMs;
  for (const slot of instants) {
    const bornMs = slot.holder === object && slot.field === 'created_at' ? ageMs : 0;
    write(slot, new Date(slot.ms + (keepsMidnight(slot) ? wholeDays(shiftMs) : shiftMs) - bornMs).toISOString());
  }
  moveDates(
    slots.filter((slot) => DATE.test(slot.text) && slot.field !== 'birth_date'),
    anchorMs,
    latestMs,
  );
}

/** `ms` as an instant, or, where that is not later than `before`, one microsecond after it: databases keep no less. */
export function laterThan(before: unknown, ms: number): string {
  const nanos = typeof before === 'string' ? parseInstant(before) : undefined;
  if (nanos === undefined || BigInt(Math.floor(ms)) * 1_000_000n > nanos) return new Date(ms).toISOString();
  const micros = nanos / 1_000n + 1n;
  const rest = String(micros % 1_000n).padStart(3, '0');
  return new Date(Number(micros / 1_000n)).toISOString().replace('Z', `${rest}Z`);
}

function collect(holder: Plain | unknown[], slots: Slot[]): void {
  const entries: [string | number, unknown][] = Array.isArray(holder) ? [...holder.entries()] : Object.entries(holder);
  for (const [field, value] of entries) {
    if (Array.isArray(value) || isPlain(value)) collect(value, slots);
    else if (typeof value === 'string' && (DATE.test(value) || isInstant(value))) {
      slots.push({ holder, field, text: value, ms: Date.parse(value) });
    }
  }
}

function write({ holder, field }: Slot, text: string): void {
  if (Array.isArray(holder)) holder[Number(field)] = text;
  else holder[field] = text;
}

/** A value date is a day; `created_at` at midnight is a coincidence. */
function keepsMidnight(slot: Slot): boolean {
  return slot.ms % DAY_MS === 0 && !String(slot.field).endsWith('_at');
}

function wholeDays(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

function moveDates(slots: readonly Slot[], anchorMs: number, latestMs: number): void {
  const monthly = slots.filter((slot) => isMonthEdge(slot.text) && !isYearEdge(slot.text));
  let months = monthIndex(latestMs) - monthIndex(anchorMs);
  // A period that was over then must be over now; all its dates move by the same number of months.
  const reachesFuture = (slot: Slot) => slot.ms <= anchorMs && Date.parse(byMonths(slot.text, months)) > latestMs;
  if (monthly.some(reachesFuture)) months -= 1;
  const years = new Date(latestMs).getUTCFullYear() - new Date(anchorMs).getUTCFullYear();
  const days = Math.floor(latestMs / DAY_MS) - Math.floor(anchorMs / DAY_MS);
  for (const slot of slots) {
    if (isYearEdge(slot.text)) write(slot, byMonths(slot.text, years * 12));
    else if (monthly.includes(slot)) write(slot, byMonths(slot.text, months));
    else write(slot, new Date(slot.ms + days * DAY_MS).toISOString().slice(0, 10));
  }
}

function isYearEdge(date: string): boolean {
  return date.endsWith('-01-01') || date.endsWith('-12-31');
}

function isMonthEdge(date: string): boolean {
  return date.endsWith('-01') || new Date(Date.parse(date) + DAY_MS).getUTCDate() === 1;
}

function monthIndex(ms: number): number {
  const date = new Date(ms);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** The first day of a month stays a first, the last a last. */
function byMonths(date: string, months: number): string {
  const index = monthIndex(Date.parse(date)) + months;
  const year = Math.floor(index / 12);
  const moved = date.endsWith('-01') ? Date.UTC(year, index % 12, 1) : Date.UTC(year, (index % 12) + 1, 0);
  return new Date(moved).toISOString().slice(0, 10);
}
