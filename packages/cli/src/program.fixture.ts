// Runs the real command for tests: the committed bin stub on the built program, in a process of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const bin = join(root, 'packages/cli/bin/bellhop.js');

export interface Run {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with the match as soon as the pattern is in what was written; fails when the process ends without it. */
  see(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code. */
  exit(): Promise<number | null>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export function bellhop(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = root): Run {
  return runNode([bin, ...args], env, cwd);
}

export function runNode(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = root): Run {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BELLHOP_')));
  const child = spawn(process.execPath, args, { cwd, env: { ...inherited, NO_COLOR: '1', ...env } });
  let out = '';
  let err = '';
  let ended = false;
  const watchers = new Set<() => void>();
  const heard = () => {
    for (const watcher of [...watchers]) watcher();
  };
  child.stdout.on('data', (data: Buffer) => {
    out += data;
    heard();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data;
    heard();
  });
  const closed = once(child, 'close').then(() => {
    ended = true;
    heard();
    return child.exitCode;
  });
  const run: Run = {
    child,
    stdout: () => out,
    stderr: () => err,
    see: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(`${out}\n${err}`);
          if (match) resolve(match);
          else if (ended) reject(new Error(`ended without ${pattern}:\n${out}\n${err}`));
          else return;
          watchers.delete(look);
        };
        watchers.add(look);
        look();
      }),
    exit: () => closed,
    stop(signal = 'SIGINT') {
      child.kill(signal);
      return closed;
    },
  };
  return run;
}

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'bellhop-cli-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}
