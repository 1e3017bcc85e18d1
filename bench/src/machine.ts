// What a result must say about where it was measured.

import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  readonly load1: number;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    openssl: process.versions.openssl,
    load1: loadavg()[0] ?? 0,
  };
}

/** Versions from the lock file, for the named packages. */
export function versions(names: readonly string[]): Record<string, string> {
  const lock: unknown = JSON.parse(readFileSync(new URL('../../../../package-lock.json', import.meta.url), 'utf8'));
  const packages =
    typeof lock === 'object' && lock !== null && 'packages' in lock && typeof lock.packages === 'object'
      ? new Map<string, { version?: string }>(Object.entries(lock.packages ?? {}))
      : new Map<string, { version?: string }>();
  return Object.fromEntries(
    names.map((name) => [name, packages.get(`node_modules/${name}`)?.version ?? 'not installed']),
  );
}
