// `mkdir -p` that always ends. Node's own `recursive` goes round for ever, at full speed and deaf to signals, where a folder
// that is there refuses a new one with ENOENT (`/proc` does): it makes the parent again, and tries again. Here what is
// missing is made from the top, each folder once, so that a folder's parent is there before it is tried, whoever made it.

import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function makeFolder(path: string, mode: number): Promise<void> {
  for (const folder of await missingFolders(path)) {
    await mkdir(folder, { mode }).catch(async (error: unknown) => {
      // Another process was faster.
      if (!(await isFolder(folder))) throw error;
    });
  }
}

async function missingFolders(path: string): Promise<string[]> {
  const missing: string[] = [];
  let at = path;
  while (!(await isFolder(at))) {
    missing.unshift(at);
    const parent = dirname(at);
    if (parent === at) break;
    at = parent;
  }
  return missing;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
