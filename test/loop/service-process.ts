// The real binary in a process of its own, for tests that kill it.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../../packages/cli/bin/bellhop.js', import.meta.url));

export interface DevFile {
  readonly base_url: string;
  readonly operator_token: string;
  readonly client_id: string;
  readonly client_secret: string;
  readonly key_id: string;
  readonly private_key_file: string;
  readonly public_key_file: string;
  readonly scopes: readonly string[];
}

export interface ServiceProcess {
  readonly dev: DevFile;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
  /** Calls the operator API with JSON; throws on any other status than 2xx. */
  operator<T>(method: string, path: string, body?: unknown): Promise<T>;
}

/** Starts `bellhop dev --no-demo` and waits until it is ready. */
export async function startServiceProcess(dataDir: string, port: number): Promise<ServiceProcess> {
  const child = spawn(
    process.execPath,
    [binary, 'dev', '--no-demo', '--port', String(port), '--data-dir', dataDir, '--log-level', 'warn'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const said: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  await ready(child, port, said);
  const dev: DevFile = JSON.parse(await readFile(join(dataDir, 'dev.json'), 'utf8'));

  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    dev,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
    async operator(method, path, body) {
      const response = await fetch(dev.base_url + path, {
        method,
        headers: {
          authorization: `Bearer ${dev.operator_token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
  };
}

async function ready(child: ChildProcess, port: number, said: readonly string[]): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`The service ended: ${said.join('')}`);
    const isReady = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`The service was not ready in time: ${said.join('')}`);
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
