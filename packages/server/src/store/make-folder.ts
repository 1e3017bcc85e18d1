// `mkdir -p` that always ends. Node's own `recursive` goes round for ever, at full speed and deaf to signals, where a folder
// that is there refuses a new one with ENOENT (`/proc` does): it makes the parent again, and tries again.

import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    const isParentMissing = codeOf(error) === 'ENOENT' && parent !== path && !(await isFolder(parent));
    if (!isParentMissing) throw error;
    await makeFolder(parent, mode);
    await mkdir(path, { mode }).catch(async (again: unknown) => {
      // Another process was faster.
      if (!(await isFolder(path))) throw again;
    });
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
