// Global set-up of the test runner: one build per run, for the tests that start the real command in a process of its own and
// for those that open the dashboard.
// All other tests run on the sources, so a build that fails is the failure of those tests only.

import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
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
    if (
      await isOld('packages/dashboard/dist/app/index.html', [
        'packages/dashboard/src',
        'packages/dashboard/vite.config.ts',
      ])
    ) {
      await promisify(execFile)('npm', ['run', 'build', '-w', 'packages/dashboard'], { cwd });
    }
    delete process.env[buildFailureVariable];
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    process.env[buildFailureVariable] = output.slice(0, 2_000);
  }
}

/** Whether a product is missing, or older than a file it is made of. */
async function isOld(product: string, sources: readonly string[]): Promise<boolean> {
  const root = new URL('../', import.meta.url);
  const madeMs = await stat(new URL(product, root)).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  for (const source of sources) {
    const isFolder = (await stat(new URL(source, root))).isDirectory();
    const names = isFolder ? await readdir(new URL(source, root), { recursive: true }) : [''];
    for (const name of names) {
      const { mtimeMs } = await stat(new URL(name === '' ? source : `${source}/${name}`, root));
      if (mtimeMs > madeMs) return true;
    }
  }
  return false;
}
