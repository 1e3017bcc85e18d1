// npm run fuzz -- [--minutes 10] [--seed n]: the fuzz test of test/security for as long as wanted, for a nightly job. The
// last lines tell seed, cases and crashes; the exit code is that of the test.

import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0) || (values.seed !== undefined && !/^\d{1,10}$/.test(values.seed))) {
  process.stderr.write('usage: npm run fuzz -- [--minutes 10] [--seed number]\n');
  process.exit(2);
}
const child = spawn('npx', ['--no', 'vitest', 'run', 'test/security/fuzz.test.ts'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    BELLHOP_FUZZ_SECONDS: String(Math.round(minutes * 60)),
    ...(values.seed === undefined ? {} : { BELLHOP_FUZZ_SEED: values.seed }),
  },
});
child.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
