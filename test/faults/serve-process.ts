// `bellhop serve` in a process of its own, to be killed, stopped and continued.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { needBuild } from '../support/build.ts';

const binary = fileURLToPath(new URL('../../packages/cli/bin/bellhop.js', import.meta.url));

export const operatorToken = 'operator-token-of-the-fault-suite';

export interface ServeProcess {
  readonly pid: number;
  /** Everything it wrote to stderr so far. */
  said(): string;
  /** Its address, once it said that it is ready. */
  readonly url: string;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  /** The exit code, when it ends by itself. */
  readonly exited: Promise<number | null>;
  /** Resolves with the match as soon as its words do. */
  see(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
}

export interface ServeOptions {
  readonly role?: 'all' | 'api' | 'worker';
  readonly databaseUrl: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Spawned only; `see` and `exited` tell what becomes of it. */
export function spawnServe({ role = 'all', databaseUrl, env = {} }: ServeOptions): ServeProcess {
  needBuild();
  const child: ChildProcess = spawn(process.execPath, [binary, 'serve', '--role', role, '--port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      BELLHOP_DATABASE_URL: databaseUrl,
      BELLHOP_OPERATOR_TOKEN: operatorToken,
      BELLHOP_ALLOW_INSECURE_TARGETS: 'loopback',
      BELLHOP_LOG_LEVEL: 'warn',
      NO_COLOR: '1',
      ...env,
    },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('The service could not be spawned.');
  let text = '';
  let url = '';
  const watchers = new Set<() => void>();
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    url ||= /^ready {2}(http\S+)/m.exec(text)?.[1] ?? '';
    for (const check of [...watchers]) check();
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  void exited.then(() => {
    for (const check of [...watchers]) check();
  });
  const end = (name: NodeJS.Signals) => {
    child.kill(name);
    return exited;
  };

  return {
    pid,
    said: () => text,
    get url() {
      return url;
    },
    exited,
    kill: async () => void (await end('SIGKILL')),
    signal: (name) => void child.kill(name),
    stop: () => end('SIGTERM'),
    see: (pattern, timeoutMs = 60_000) =>
      new Promise((resolve, reject) => {
        const done = (act: () => void) => {
          clearTimeout(timer);
          watchers.delete(check);
          act();
        };
        const check = () => {
          const match = pattern.exec(text);
          if (match) done(() => resolve(match));
          else if (child.exitCode !== null || child.signalCode !== null) {
            done(() => reject(new Error(`It ended without saying ${pattern}:\n${text}`)));
          }
        };
        const timer = setTimeout(
          () => done(() => reject(new Error(`It did not say ${pattern} in time:\n${text.slice(-4_000)}`))),
          timeoutMs,
        );
        watchers.add(check);
        check();
      }),
  };
}

/** Up and ready. */
export async function startServe(options: ServeOptions): Promise<ServeProcess> {
  const service = spawnServe(options);
  try {
    await service.see(/^ready {2}http/m);
    return service;
  } catch (error) {
    await service.kill();
    throw error;
  }
}

/** Calls the operator API with JSON; throws on any other status than 2xx. */
export async function operator<T>(url: string, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${operatorToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text || 'null');
}
