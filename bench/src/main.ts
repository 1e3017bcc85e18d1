// npm run bench -- <name> [--rounds n] [--scale share]: measures, prints a table, writes bench/results/<name>.json.

import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { makeBed } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { blocked } from './blocked.ts';
import { compare } from './compare.ts';
import { dashboard } from './dashboard.ts';
import { deliver } from './deliver.ts';
import { handler } from './handler.ts';
import { idleWebhooks } from './idle-webhooks.ts';
import { latency } from './latency.ts';
import { machine, versions } from './machine.ts';
import { memory } from './memory.ts';
import { noisyNeighbour } from './noisy-neighbour.ts';
import { openDashboard } from './open-dashboard.ts';
import { peers } from './peers.ts';
import { publish } from './publish.ts';
import { report } from './report.ts';
import { type RoundResults, round3, runRounds } from './rounds.ts';
import { settings } from './settings.ts';
import { smallPackages } from './small-packages.ts';

const benchmarks: readonly Benchmark[] = [
  publish,
  deliver,
  smallPackages,
  latency,
  idleWebhooks,
  blocked,
  noisyNeighbour,
  memory,
  handler,
  peers,
  settings,
  dashboard,
  openDashboard,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    scale: { type: 'string', default: '1' },
    bench: { type: 'string', default: 'deliver' },
  },
});
const [name, ref] = positionals;
const benchmark = benchmarks.find((each) => each.name === name);
if (name === 'report') {
  report();
  process.exit(0);
}
if (name === 'compare' && ref !== undefined) {
  await compare(ref, values.bench, Number(values.rounds ?? 5));
  process.exit(0);
}
if (!benchmark) {
  const names = benchmarks.map((each) => each.name).join('|');
  process.stderr.write(`usage: npm run bench -- <${names}> [--rounds n] [--scale share]\n`);
  process.stderr.write('       npm run bench -- compare <git-ref> [--bench name] [--rounds n]\n');
  process.stderr.write('       npm run bench -- report\n');
  process.exit(2);
}

const rounds = Number(values.rounds ?? benchmark.defaultRounds ?? 5);
const scale = Number(values.scale);
const note = (line: string): void => void process.stderr.write(`${line}\n`);
const bed = await makeBed();
try {
  const started = machine();
  const variants = await benchmark.variants(bed, { scale, report: note });
  const results = await runRounds(variants, benchmark.ratios, rounds, note);
  const document = {
    name: benchmark.name,
    question: benchmark.question,
    caveat: benchmark.caveat,
    command: `npm run bench -- ${benchmark.name} --rounds ${rounds}${scale === 1 ? '' : ` --scale ${scale}`}`,
    measuredAt: new Date().toISOString(),
    machine: started,
    versions: versions(['pg', 'postgres', 'undici', 'hono', ...(benchmark.packages ?? [])]),
    rounds,
    ...results,
  };
  const folder = new URL('../../../results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(`${benchmark.name}.json`, folder), `${JSON.stringify(document, undefined, 2)}\n`);
  print(results);
  for (const line of benchmark.summary?.(results) ?? []) process.stdout.write(`${line}\n`);
} finally {
  await bed.close();
}

function print({ variants: measured, ratios }: RoundResults): void {
  for (const [variant, measures] of Object.entries(measured)) {
    process.stdout.write(`\n${variant}\n`);
    for (const [measure, { median, min, max }] of Object.entries(measures)) {
      process.stdout.write(
        `  ${measure.padEnd(32)} ${String(round3(median)).padStart(12)}   ${round3(min)} to ${round3(max)}\n`,
      );
    }
  }
  process.stdout.write('\n');
  for (const { what, median, low, high, target, holds } of ratios) {
    const wanted = target
      ? `target ${target.min === undefined ? `at most ${target.max}` : `at least ${target.min}`}`
      : '';
    const verdict = holds === undefined ? '' : holds ? 'holds' : 'DOES NOT HOLD';
    process.stdout.write(`${what}: ${round3(median)} (${round3(low)} to ${round3(high)})  ${wanted}  ${verdict}\n`);
  }
}
