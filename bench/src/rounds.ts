// Rounds: every variant of a benchmark is measured once per round, in an order that turns around each time, so that a slow
// minute of a shared machine hits all of them. What is reported are medians, and ratios within the same round: two
// variants measured seconds apart compare better than two averages.

/** Numbers of one run of one variant: `eventsPerSecond`, `cpuMicrosPerEvent`, … */
export type Measures = Readonly<Record<string, number>>;

export interface Variant {
  readonly name: string;
  readonly run: (round: number) => Promise<Measures>;
}

/** `of` divided by `to`, by one measure, with the target the design gives. */
export interface RatioSpec {
  readonly what: string;
  readonly of: string;
  readonly to: string;
  readonly measure: string;
  readonly target?: { readonly min?: number; readonly max?: number };
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly values: readonly number[];
}

export interface Ratio extends RatioSpec {
  readonly median: number;
  /** 90 % of resampled medians lie between these. */
  readonly low: number;
  readonly high: number;
  readonly holds?: boolean;
}

export interface RoundResults {
  readonly variants: Readonly<Record<string, Readonly<Record<string, Summary>>>>;
  readonly ratios: readonly Ratio[];
}

export async function runRounds(
  variants: readonly Variant[],
  ratios: readonly RatioSpec[],
  rounds: number,
  report: (line: string) => void,
): Promise<RoundResults> {
  const runs = new Map<string, Measures[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? variants : [...variants].reverse();
    for (const variant of order) {
      const measures = await variant.run(round);
      runs.get(variant.name)?.push(measures);
      report(`round ${round + 1}/${rounds}  ${variant.name}  ${showMeasures(measures)}`);
    }
  }
  return {
    variants: Object.fromEntries([...runs].map(([name, list]) => [name, summarise(list)])),
    ratios: ratios.map((spec) => ratioOf(spec, runs)),
  };
}

function showMeasures(measures: Measures): string {
  return Object.entries(measures)
    .map(([name, value]) => `${name}=${round3(value)}`)
    .join(' ');
}

function summarise(runs: readonly Measures[]): Record<string, Summary> {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const values = runs.map((run) => run[name] ?? Number.NaN);
      return [name, { median: median(values), min: Math.min(...values), max: Math.max(...values), values }];
    }),
  );
}

function ratioOf(spec: RatioSpec, runs: ReadonlyMap<string, readonly Measures[]>): Ratio {
  const of = runs.get(spec.of) ?? [];
  const to = runs.get(spec.to) ?? [];
  const values = of.map((run, index) => (run[spec.measure] ?? Number.NaN) / (to[index]?.[spec.measure] ?? Number.NaN));
  const resampled = bootstrap(values);
  const middle = median(values);
  const { target } = spec;
  return {
    ...spec,
    median: middle,
    low: quantile(resampled, 0.05),
    high: quantile(resampled, 0.95),
    ...(target ? { holds: middle >= (target.min ?? -Infinity) && middle <= (target.max ?? Infinity) } : {}),
  };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Medians of resampled rounds; a fixed seed, so that the same rounds give the same interval. */
function bootstrap(values: readonly number[]): number[] {
  let state = 0x9e3779b9;
  const next = () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return (state >>> 0) / 2 ** 32;
  };
  return Array.from({ length: 2_000 }, () =>
    median(values.map(() => values[Math.floor(next() * values.length)] ?? Number.NaN)),
  );
}

export function round3(value: number): number {
  if (!Number.isFinite(value)) return value;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return Number(value.toFixed(Math.min(6, digits)));
}
