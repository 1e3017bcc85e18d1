// The files of the project for the checks in this folder: what git knows or would add, so that nothing built, installed or
// ignored is looked at.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Paths relative to the root. */
export function projectFiles(pattern) {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root });
  return listed
    .toString()
    .split('\0')
    .filter((path) => pattern.test(path) && existsSync(join(root, path)));
}

export function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

export function readJson(path) {
  return JSON.parse(read(path));
}

/** Prints the faults, one a line, and sets the exit code. */
export function report(name, faults) {
  for (const fault of faults) console.error(fault);
  console.error(faults.length === 0 ? `${name}: nothing found` : `${name}: ${faults.length} found`);
  if (faults.length > 0) process.exitCode = 1;
}
