// npm run fuzz -- [--minutes 10] [--seed n]: for a nightly job. The fuzz test of test/security for as long as wanted, then
// every property test, all with a seed that nobody has tried yet. The first line tells the seed; the exit code is that of the
// tests.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0) || (values.seed !== undefined && !/^\d{1,10}$/.test(values.seed))) {
  process.stderr.write('usage: npm run fuzz -- [--minutes 10] [--seed number]\n');
  process.exit(2);
}
const seed = values.seed ?? String(randomInt(2 ** 31));
process.stdout.write(`seed: ${seed}\n`);

const propertyTests = ['packages', 'test'].flatMap((folder) =>
  readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .filter((path) => path.endsWith('.test.ts') && !path.includes('node_modules'))
    .filter((path) => readFileSync(path, 'utf8').includes("from 'fast-check'")),
);
const child = spawn('npx', ['--no', 'vitest', 'run', ...propertyTests], {
  stdio: 'inherit',
  env: {
    ...process.env,
    BELLHOP_FUZZ_SECONDS: String(Math.round(minutes * 60)),
    BELLHOP_PROPERTY_SEED: seed,
  },
});
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
