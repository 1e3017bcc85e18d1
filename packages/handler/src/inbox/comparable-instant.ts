// Instants as texts of digits, of one length and comparable as texts: nanoseconds since the year 0. A database without
// nanoseconds can so compare what the wire sends with up to nine fraction digits.
import { parseInstant } from '@bellhop/events/lookup';

const fromYearZero = 62_167_219_200_000_000_000n;
const digits = 21;

export function comparableInstant(text: string): string {
  const instant = parseInstant(text);
  if (instant === undefined) throw new TypeError('The instant is no RFC 3339 timestamp');
  return String(instant + fromYearZero).padStart(digits, '0');
}
