// Global set-up of the test runner: one build per run, for the tests that start the real command in a process of its own.
// All other tests run on the sources, so a build that fails is the failure of those tests only.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildFailureVariable } from './support/build.ts';

export async function setup(): Promise<void> {
  const compiler = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace('package.json', 'bin/tsc');
  try {
    const cwd = fileURLToPath(new URL('..', import.meta.url));
    await promisify(execFile)(process.execPath, [compiler, '-b'], { cwd });
    // Embedded databases start from it; a stale one would lack what a migration brought since.
    await promisify(execFile)(process.execPath, ['packages/server/scripts/make-template.js'], { cwd });
    delete process.env[buildFailureVariable];
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    process.env[buildFailureVariable] = output.slice(0, 2_000);
  }
}
