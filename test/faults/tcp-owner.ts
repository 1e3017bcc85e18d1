// Which process holds a TCP connection on this machine, from the kernel's own tables: an endpoint can thus tell which worker
// posted to it. Linux only.

import { readdir, readFile, readlink } from 'node:fs/promises';
import { platform } from 'node:os';

export const knowsOwners = platform() === 'linux';

/** The one of the processes that holds the loopback socket bound to the port, undefined when none does. */
export async function ownerOf(localPort: number, pids: readonly number[]): Promise<number | undefined> {
  const inode = await inodeOf(localPort);
  if (inode === undefined) return undefined;
  for (const pid of pids) if ((await socketsOf(pid)).has(`socket:[${inode}]`)) return pid;
  return undefined;
}

async function inodeOf(localPort: number): Promise<string | undefined> {
  const suffix = `:${localPort.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return rows.find((row) => row[1]?.endsWith(suffix))?.[9];
}

async function socketsOf(pid: number): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  try {
    const links = (await readdir(folder)).map((name) => readlink(`${folder}/${name}`).catch(() => ''));
    return new Set(await Promise.all(links));
  } catch {
    // The process is gone, and its sockets with it.
    return new Set();
  }
}
