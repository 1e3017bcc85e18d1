// The entry point behind bin/bellhop.js: connects the program to this process, its terminal and its signals, and ends the
// process with an exit code that tells the truth. A stack is shown for defects only, and only on request.

import { readFile } from 'node:fs/promises';
import { exitCodes } from './exit.ts';
import { onInterrupt } from './interrupt.ts';
import { createOutput } from './output.ts';
import { failureJson, failureOfError, runProgram } from './program.ts';

const args = process.argv.slice(2);
if (args.includes('--no-color')) process.env['NO_COLOR'] = '1';
const output = createOutput(process.stdout, process.stderr, process.env);

function fail(error: unknown): number {
  const failure = failureOfError(error);
  const text = [failure.message, failure.hint].filter(Boolean).join(' ');
  output.live(undefined);
  output.note(args.includes('--json') ? failureJson(failure) : `${output.noteColors.red('bellhop:')} ${text}`);
  if (/^(debug|trace)$/.test(process.env['BELLHOP_LOG_LEVEL'] ?? '') && error instanceof Error) {
    output.note(error.stack ?? '');
  }
  return failure.exitCode;
}

/** Lets what was written reach a pipe before the process ends. */
async function leave(exitCode: number): Promise<never> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) => new Promise<void>((resolve) => (stream.writable ? stream.write('', () => resolve()) : resolve())),
    ),
  );
  process.exit(exitCode);
}

process.on('uncaughtException', (error) => void leave(fail(error)));

const interrupt = onInterrupt({
  source: process,
  now: () => performance.now(),
  onSecond: () => {
    output.live(undefined);
    output.note('stopped at once; what was accepted is stored and goes on at the next start');
    process.exit(exitCodes.interrupted);
  },
});

async function main(): Promise<number> {
  try {
    const manifest: unknown = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
    const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
    return await runProgram(args, {
      output,
      env: process.env,
      signal: interrupt.signal,
      elapsedMs: () => performance.now(),
      version: String(version),
    });
  } catch (error) {
    return fail(error);
  }
}

await leave(await main());
