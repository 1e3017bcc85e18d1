// Seeded chance, so that a run that failed can be drawn again, and how much of it there is.
//
//   BELLHOP_FAULT_SEED    the seed; default: a new one each run, printed with the totals
//   BELLHOP_FAULT_ROUNDS  rounds of kills, default 20. The other kinds of faults take a share of that, at least one.
//
// The seed decides which fault comes when and what is published; what the machine does meanwhile it cannot decide.

export interface Chance {
  readonly seed: number;
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number, both ends included. */
  between(min: number, max: number): number;
  pick<T>(list: readonly T[]): T;
}

export const totalRounds = wholeNumber('BELLHOP_FAULT_ROUNDS') ?? 20;

export function roundsOf(share: number): number {
  return Math.max(1, Math.round(totalRounds * share));
}

/** Mulberry32: small, fast, good enough to draw faults with. */
export function drawChance(): Chance {
  const seed = wholeNumber('BELLHOP_FAULT_SEED') ?? Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    seed,
    next,
    between,
    pick(list) {
      const item = list[between(0, list.length - 1)];
      if (item === undefined) throw new TypeError('There is nothing to pick from.');
      return item;
    },
  };
}

function wholeNumber(variable: string): number | undefined {
  const text = process.env[variable];
  if (!text) return undefined;
  if (!/^\d{1,10}$/.test(text)) throw new TypeError(`${variable} must be a whole number, not "${text}".`);
  return Number(text);
}
