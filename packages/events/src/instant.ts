// RFC 3339 timestamps as instants (delivery.md, "Event": 0 to 9 fraction digits, compare as instants). Date keeps
// milliseconds only and accepts 30 February, hence an own parser. Two timestamps in UTC, the form the API sends, are
// compared as text: that runs for every event when a package is sorted.

const FORM = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const SECONDS_PER_DAY = 86_400;
const UPPER_T = 84;
const UPPER_Z = 90;
const HYPHEN = 45;
const POINT = 46;
const ZERO = 48;
const SIX = 54;

interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/**
 * Nanoseconds since 1970, or undefined when the text is not an RFC 3339 timestamp with a real calendar date and at
 * most nine fraction digits. A leap second (23:59:60 UTC) is accepted and counts as the second after it.
 */
export function parseInstant(text: string): bigint | undefined {
  const instant = parse(text);
  return instant === undefined ? undefined : BigInt(instant.seconds) * 1_000_000_000n + BigInt(instant.nanos);
}

export function isInstant(text: string): boolean {
  return parse(text) !== undefined;
}

/**
 * Negative, zero or positive, as for Array.sort. Both texts must be instants (`isInstant`); they are checked only as
 * far as comparing needs it, and a text found to be none is a TypeError.
 */
export function compareInstants(a: string, b: string): number {
  if (a === b) return 0;
  if (isPlainUtc(a) && isPlainUtc(b)) return comparePlainUtc(a, b);
  const x = parse(a);
  const y = parse(b);
  if (x === undefined || y === undefined) {
    throw new TypeError(`not an RFC 3339 timestamp: ${JSON.stringify(x === undefined ? a : b).slice(0, 60)}`);
  }
  return x.seconds - y.seconds || x.nanos - y.nanos;
}

/** `YYYY-MM-DDTHH:MM:SS…Z`, upper case, no leap second. */
function isPlainUtc(text: string): boolean {
  return (
    text.charCodeAt(text.length - 1) === UPPER_Z &&
    text.charCodeAt(10) === UPPER_T &&
    text.charCodeAt(17) !== SIX &&
    text.charCodeAt(4) === HYPHEN &&
    text.length >= 20
  );
}

/** The first difference decides, but where one text ends: there the other has more fraction digits, perhaps only zeros. */
function comparePlainUtc(a: string, b: string): number {
  if (a.length === b.length) return a < b ? -1 : 1;
  let index = 0;
  while (a.charCodeAt(index) === b.charCodeAt(index)) index += 1;
  if (a.charCodeAt(index) === UPPER_Z) return isZeroFraction(b, index) ? 0 : -1;
  if (b.charCodeAt(index) === UPPER_Z) return isZeroFraction(a, index) ? 0 : 1;
  return a.charCodeAt(index) - b.charCodeAt(index);
}

function isZeroFraction(text: string, from: number): boolean {
  for (let index = from; index < text.length - 1; index += 1) {
    const code = text.charCodeAt(index);
    if (code !== ZERO && code !== POINT) return false;
  }
  return true;
}

function parse(text: string): Instant | undefined {
  const parts = FORM.exec(text);
  if (parts === null) return undefined;
  const [
    ,
    yearText,
    monthText,
    dayText,
    hourText,
    minuteText,
    secondText,
    fraction = '',
    sign,
    offsetHour,
    offsetMinute,
  ] = parts;
  const year = Number(yearText);
  const month = Number(monthText);
  const day = Number(dayText);
  const hour = Number(hourText);
  const minute = Number(minuteText);
  const second = Number(secondText);
  if (day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60) return undefined;
  const hours = Number(offsetHour ?? 0);
  const minutes = Number(offsetMinute ?? 0);
  if (hours > 23 || minutes > 59) return undefined;
  const offsetSeconds = (hours * 3600 + minutes * 60) * (sign === '-' ? -1 : 1);
  const seconds =
    daysSinceEpoch(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offsetSeconds;
  if (second === 60 && seconds % SECONDS_PER_DAY !== 0) return undefined;
  return { seconds, nanos: Number(fraction.padEnd(9, '0')) };
}

function daysIn(year: number, month: number): number {
  if (month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)) return 29;
  return DAYS_IN_MONTH[month - 1] ?? 0;
}

/** Proleptic Gregorian calendar with years beginning in March, so that 29 February is the last day of a year. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}
