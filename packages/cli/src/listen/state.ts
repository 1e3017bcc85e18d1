// What `listen` must not forget when it is killed, one file per service and title: the acceptor endpoint that is registered,
// the position up to which everything was passed on, and deliveries that were read from an acceptor which has forgotten
// them. A lock keeps a second listener with the same title away.

import { createHash } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '@bellhop/server/make-folder';
import { usageError } from '../exit.ts';
import { isRecord, recordsOf, textOf } from '../json.ts';
import { replacePrivateFile } from '../replace-file.ts';
import { isSystemError, reasonOf } from '../system-error.ts';

/** As the acceptor hands it out. */
export interface HeldDelivery {
  readonly created_at: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly payload: string;
  readonly position?: number;
}

export interface ListenState {
  readonly endpoint?: { readonly id: string; readonly url: string };
  readonly position: number;
  readonly held: readonly HeldDelivery[];
}

export interface StateFile {
  readonly path: string;
  read(): Promise<ListenState>;
  write(state: ListenState): Promise<void>;
  remove(): Promise<void>;
  /** Gives the lock back. */
  release(): Promise<void>;
}

const empty: ListenState = { position: 0, held: [] };

export function stateFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'bellhop');
}

export async function openState(env: NodeJS.ProcessEnv, what: readonly string[]): Promise<StateFile> {
  const folder = stateFolder(env);
  const name = createHash('sha256').update(what.join('\n')).digest('hex').slice(0, 16);
  const path = join(folder, `listen-${name}.json`);
  const lockPath = join(folder, `listen-${name}.lock`);
  try {
    await makeFolder(folder, 0o700);
  } catch (error) {
    throw usageError(`${folder} cannot be made (${reasonOf(error)}).`, 'Set XDG_STATE_HOME.');
  }
  await lock(lockPath);
  return {
    path,
    async read() {
      try {
        return parseState(await readFile(path, 'utf8'));
      } catch (error) {
        if (isSystemError(error) && error.code === 'ENOENT') return empty;
        throw usageError(`${path} cannot be read (${reasonOf(error)}).`);
      }
    },
    write: (state) => replacePrivateFile(path, `${JSON.stringify(state)}\n`),
    remove: () => rm(path, { force: true }),
    release: () => rm(lockPath, { force: true }),
  };
}

async function lock(path: string): Promise<void> {
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      const handle = await open(path, 'wx', 0o600);
      await handle.writeFile(String(process.pid));
      await handle.close();
      return;
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EEXIST')
        throw usageError(`${path} cannot be written (${reasonOf(error)}).`);
      const pid = Number(await readFile(path, 'utf8').catch(() => ''));
      if (isAlive(pid)) {
        throw usageError(
          `Another bellhop listen with this title is running (process ${pid}).`,
          'Stop it, or choose another --title.',
        );
      }
      await rm(path, { force: true });
    }
  }
  throw usageError(`${path} is taken.`, 'Another bellhop listen is starting; choose another --title.');
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isSystemError(error) && error.code === 'EPERM';
  }
}

function parseState(text: string): ListenState {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) return empty;
  const endpoint = isRecord(value['endpoint']) ? value['endpoint'] : {};
  const [id, url] = [textOf(endpoint['id']), textOf(endpoint['url'])];
  return {
    ...(id === undefined || url === undefined ? {} : { endpoint: { id, url } }),
    position: typeof value['position'] === 'number' ? value['position'] : 0,
    held: readDeliveries(value['held']),
  };
}

export function readDeliveries(value: unknown): readonly HeldDelivery[] {
  return recordsOf(value).map(({ created_at: createdAt, headers, payload, position }) => ({
    created_at: String(createdAt),
    headers: Object.fromEntries(
      Object.entries(isRecord(headers) ? headers : {}).map(([name, values]) => [
        name,
        Array.isArray(values) ? values.map(String) : [],
      ]),
    ),
    payload: String(payload),
    ...(typeof position === 'number' ? { position } : {}),
  }));
}
