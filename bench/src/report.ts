// npm run bench -- report: writes docs/explain/performance.md from bench/results/*.json and bench/notes.md. One table and one
// chart (Mermaid, drawn by whoever shows the page) a question; nothing in the page is written by hand.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Machine } from './machine.ts';
import { type Ratio, round3, type Summary } from './rounds.ts';

interface Result {
  readonly name: string;
  readonly question: string;
  readonly caveat?: string;
  readonly command: string;
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly variants: Readonly<Record<string, Readonly<Record<string, Summary>>>>;
  readonly ratios: readonly Ratio[];
}

/** The measure a reader looks at first, for the chart. */
const charted: Readonly<Record<string, string>> = {
  publish: 'eventsPerSecond',
  deliver: 'deliveriesPerSecond',
  'small-packages': 'packagesPerSecond',
  latency: 'p99Ms',
  'idle-webhooks': 'cpuMicrosPerEvent',
  blocked: 'cpuMicrosPerDelivery',
  memory: 'lastThirdMiB',
  peers: 'deliveriesPerSecond',
  'open-dashboard': 'serviceCpuMicrosPerDelivery',
  dashboard: 'warmMedianMs',
  settings: 'deliveriesPerSecond',
  handler: 'packagesPerSecond',
  'noisy-neighbour': 'callP99Ms',
};

/** More bars than this nobody can read. */
const maxCharted = 12;

export function report(): void {
  const root = new URL('../../../../', import.meta.url);
  const results = Object.keys(charted).flatMap((name): Result[] => {
    const file = new URL(`bench/results/${name}.json`, root);
    return existsSync(file) ? [JSON.parse(readFileSync(file, 'utf8'))] : [];
  });
  const notes = readFileSync(new URL('bench/notes.md', root), 'utf8');
  const [first] = results;
  if (!first) throw new Error('There are no results: run the benchmarks first.');
  const { machine } = first;
  const page = [
    '# Performance',
    '',
    '<!-- Written by `npm run bench -- report` from bench/results and bench/notes.md. Do not edit. -->',
    '',
    `Measured on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}, ` +
      `OpenSSL ${machine.openssl}, PostgreSQL on the same machine with fsync on. The service, the database, the publisher and the ` +
      'receiver share these cores. Medians of rounds that alternate between the variants; ratios are taken within a round, ' +
      'with the interval that holds 90 % of resampled medians. Repeat on your machine before you believe a number.',
    '',
    ...results.flatMap(section),
    notes.trim(),
    '',
  ];
  writeFileSync(new URL('docs/explain/performance.md', root), page.join('\n'));
}

function section(result: Result): string[] {
  const variants = Object.entries(result.variants);
  const measures = [...new Set(variants.flatMap(([, values]) => Object.keys(values)))];
  return [
    `## ${result.question}`,
    '',
    `\`${result.command}\`, ${result.measuredAt.slice(0, 10)}, ${result.rounds} rounds, load ${round3(result.machine.load1)} at the start.` +
      (result.caveat ? ` ${result.caveat}` : ''),
    '',
    `| | ${measures.map(words).join(' | ')} |`,
    `| --- |${' ---: |'.repeat(measures.length)}`,
    ...variants.map(
      ([name, values]) => `| ${name} | ${measures.map((measure) => show(values[measure])).join(' | ')} |`,
    ),
    '',
    ...ratioTable(result.ratios),
    ...chart(result, variants),
  ];
}

function ratioTable(ratios: readonly Ratio[]): string[] {
  if (ratios.length === 0) return [];
  return [
    '| Ratio | Median | 90 % interval | Target | |',
    '| --- | ---: | ---: | ---: | --- |',
    ...ratios.map(({ what, median, low, high, target, holds }) => {
      const wanted = target ? (target.min === undefined ? `at most ${target.max}` : `at least ${target.min}`) : '';
      const verdict = holds === undefined ? '' : holds ? 'holds' : '**does not hold**';
      return `| ${what} | ${round3(median)} | ${round3(low)} to ${round3(high)} | ${wanted} | ${verdict} |`;
    }),
    '',
  ];
}

function chart(result: Result, variants: readonly [string, Readonly<Record<string, Summary>>][]): string[] {
  const measure = charted[result.name] ?? '';
  if (variants.length < 2 || variants.length > maxCharted) return [];
  const values = variants.map(([, measured]) => round3(measured[measure]?.median ?? 0));
  return [
    '```mermaid',
    'xychart-beta',
    `  title "${words(measure)}"`,
    `  x-axis [${variants.map(([name]) => `"${name.replaceAll(',', '')}"`).join(', ')}]`,
    `  y-axis "${words(measure)}" 0 --> ${round3(Math.max(...values) * 1.1)}`,
    `  bar [${values.join(', ')}]`,
    '```',
    '',
  ];
}

function show(summary: Summary | undefined): string {
  return summary ? String(round3(summary.median)) : '';
}

function words(name: string): string {
  return name
    .replace(/([A-Z])/g, (_, letter: string) => ` ${letter.toLowerCase()}`)
    .replace(/\bcpu\b/, 'CPU')
    .replace(/ mi b$/, ' (MiB)')
    .replace(/ ms$/, ' (ms)');
}
