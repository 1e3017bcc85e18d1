import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder } from './make-folder.ts';

describe('making a folder', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bellhop-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('makes what is missing above it too, also when several do it at once', async () => {
    for (let round = 0; round < 200; round += 1) {
      const path = join(dir, `${round}`, 'b', 'c');
      await Promise.all([makeFolder(path, 0o700), makeFolder(path, 0o700), makeFolder(join(path, 'd'), 0o700)]);
      expect((await stat(join(path, 'd'))).isDirectory()).toBe(true);
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
  });

  it('takes a folder that is there, or a link to one', async () => {
    await mkdir(join(dir, 'there'));
    await symlink(join(dir, 'there'), join(dir, 'link'));
    await makeFolder(join(dir, 'there'), 0o700);
    await makeFolder(join(dir, 'link', 'below'), 0o700);
    expect((await stat(join(dir, 'there', 'below'))).isDirectory()).toBe(true);
  });

  it('fails where something else is in the way', async () => {
    await writeFile(join(dir, 'file'), '');
    await symlink(join(dir, 'nowhere'), join(dir, 'dangling'));
    await expect(makeFolder(join(dir, 'file'), 0o700)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolder(join(dir, 'file', 'below'), 0o700)).rejects.toMatchObject({
      code: 'EEXIST',
      path: join(dir, 'file'),
    });
    await expect(makeFolder(join(dir, 'dangling', 'below'), 0o700)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  // Went round for ever at full speed; not even SIGTERM ended it.
  it.skipIf(!existsSync('/proc/self'))('fails where the folder above is there and says ENOENT', async () => {
    for (const path of ['/proc/bellhop', '/proc/bellhop/below', '/proc/self/bellhop']) {
      await expect(makeFolder(path, 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });
});
