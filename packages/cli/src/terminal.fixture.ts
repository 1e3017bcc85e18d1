// Runs the real command in a real terminal for tests: a pseudo-terminal made by `script` of util-linux, and an emulator that
// holds what a person would see. Keys are typed as a terminal sends them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import xterm from '@xterm/headless';

const bin = fileURLToPath(new URL('../bin/bellhop.js', import.meta.url));

export const keys = {
  enter: '\r',
  down: '\x1b[B',
  up: '\x1b[A',
  left: '\x1b[D',
  ctrlC: '\x03',
  backspace: '\x7f',
} as const;

export interface TerminalRun {
  /** What is on the screen and what has been scrolled off it. */
  screen(): string;
  /** Everything that was written, escape sequences included. */
  written(): string;
  /** Resolves as soon as the pattern is on the screen; fails when the command ends without it. */
  see(pattern: RegExp): Promise<RegExpExecArray>;
  type(text: string): void;
  /** Resolves with the exit code. */
  exit(): Promise<number | null>;
  kill(): Promise<void>;
}

export interface TerminalOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly columns?: number;
}

export function inTerminal(args: readonly string[], { env, cwd, columns = 80 }: TerminalOptions): TerminalRun {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(BELLHOP_|NO_COLOR$|FORCE_COLOR$|CI$)/.test(name)),
  );
  const command = [process.execPath, bin, ...args].map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(' ');
  const child = spawn('script', ['-qfec', `stty rows 24 cols ${columns} && exec ${command}`, '/dev/null'], {
    cwd,
    env: { ...inherited, TERM: 'xterm-256color', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const emulator = new xterm.Terminal({ rows: 24, cols: columns, scrollback: 1_000, allowProposedApi: true });
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watcher of [...watchers]) watcher();
  };
  let written = '';
  let ended: { readonly failure?: Error } | undefined;
  child.stdout.on('data', (data: Buffer) => {
    written += data;
    emulator.write(data, changed);
  });
  const exited = (async () => {
    try {
      await once(child, 'close');
      await new Promise<void>((resolve) => emulator.write('', resolve));
      ended = {};
      return child.exitCode;
    } catch (error) {
      const failure = new Error('This test needs the command `script` of util-linux (Debian: bsdutils).', {
        cause: error,
      });
      ended = { failure };
      throw failure;
    } finally {
      changed();
    }
  })();
  exited.catch(() => undefined);

  function screen(): string {
    const { active } = emulator.buffer;
    const lines = Array.from(
      { length: active.length },
      (_, index) => active.getLine(index)?.translateToString(true) ?? '',
    );
    return lines.join('\n').trimEnd();
  }

  return {
    screen,
    written: () => written,
    see: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(screen());
          if (match) resolve(match);
          else if (ended) reject(ended.failure ?? new Error(`ended without ${pattern}:\n${screen()}`));
          else return;
          watchers.delete(look);
        };
        watchers.add(look);
        look();
      }),
    type: (text) => void child.stdin.write(text),
    exit: () => exited,
    async kill() {
      child.kill('SIGKILL');
      await exited.catch(() => undefined);
    },
  };
}
