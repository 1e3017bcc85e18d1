// File systems made for a test: an ext4 in a loop file, which can be copied as the disk would look after a power cut, and a
// small tmpfs. Both need root on Linux; where they cannot be mounted the tests that need them skip and say so.

import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const needsMounts = '(needs root and loop mounts)';

export interface Mount {
  readonly path: string;
  /** Ends the mount and deletes what it was made of. */
  remove(): Promise<void>;
}

export interface LoopDisk extends Mount {
  /** What has reached the disk by now, nothing of what only the kernel's memory holds. */
  photograph(): Promise<void>;
  /** Puts the last photograph in the place of the disk. Whoever used it must be gone. */
  develop(): Promise<void>;
}

export async function canMount(): Promise<boolean> {
  try {
    await (await mountLoopDisk(8)).remove();
    return true;
  } catch {
    // Not root, no loop devices, no mkfs: it does not matter which.
    return false;
  }
}

export async function mountLoopDisk(mebibytes: number): Promise<LoopDisk> {
  const folder = await newFolder();
  const disk = join(folder, 'disk.img');
  const copy = join(folder, 'photograph.img');
  const path = join(folder, 'mnt');
  try {
    await run('truncate', ['-s', `${mebibytes}M`, disk]);
    await run('mkfs.ext4', ['-q', '-F', disk]);
    await run('mkdir', [path]);
    await run('mount', ['-o', 'loop', disk, path]);
    await chmod(path, 0o755);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    path,
    photograph: async () => void (await run('cp', ['--sparse=always', disk, copy])),
    async develop() {
      await unmount(path);
      await run('mount', ['-o', 'loop', copy, path]);
    },
    async remove() {
      await unmount(path);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface SmallDisk extends Mount {
  grow(mebibytes: number): Promise<void>;
}

/** A tmpfs that belongs to the account given. */
export async function mountSmallDisk(mebibytes: number, account: string): Promise<SmallDisk> {
  const path = await newFolder();
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);
  await run('chown', [account, path]);
  return {
    path,
    grow: async (size) => void (await run('mount', ['-o', `remount,size=${size}m`, path])),
    async remove() {
      await unmount(path);
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bellhop-disk-'));
  await chmod(folder, 0o755);
  return folder;
}

/** A process that was killed just now may hold it for a moment longer. */
async function unmount(path: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await run('umount', [path]);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
