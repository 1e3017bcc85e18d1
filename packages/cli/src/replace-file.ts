// Writes a file by rename with mode 0600: whoever reads it sees the old text or the new one, never half of it.

import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '@bellhop/server/make-folder';

export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.new`;
  try {
    const handle = await open(draft, 'w', 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The same, in a folder that only its owner can read and that is made when it is missing. */
export async function replacePrivateFile(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path), 0o700);
  await replaceFile(path, text);
}
