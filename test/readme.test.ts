// README.md, "A handler": the sample runs as the README says, with the oldest Node.js that is supported.

import { once } from 'node:events';
import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runNode, temporaryFolder } from '../packages/cli/src/program.fixture.ts';
import { type DevService, startDev } from '../packages/cli/src/service.fixture.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
let service: DevService;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  service = await startDev();
  folder = await temporaryFolder();
});
afterAll(async () => {
  await service?.close();
  await folder?.remove();
});

// It is a .ts file, which Node.js 20 refuses, and nothing said how to run it.
it('the handler of the README receives an event', async () => {
  expect(await readFile(join(root, 'README.md'), 'utf8')).toContain('`node --input-type=module < docs/handler.ts`');
  await mkdir(join(folder.path, '.bellhop'));
  await copyFile(service.devJson, join(folder.path, '.bellhop', 'dev.json'));
  await symlink(join(root, 'node_modules'), join(folder.path, 'node_modules'));
  const port = await freePort();
  const sample = await readFile(join(root, 'docs/handler.ts'), 'utf8');

  const handler = runNode(['--input-type=module'], {}, folder.path);
  handler.child.stdin?.end(sample.replace('listen(3000,', `listen(${port},`));
  const url = `http://127.0.0.1:${port}/webhooks`;
  await service.cli('webhooks', 'create', '--title', 'README', '--url', url, '--enable');
  const { first } = JSON.parse((await service.cli('trigger', 'ORDER.FILLED', '--json')).stdout);
  await handler.see(new RegExp(`filled ${first.object.id}`));
  await handler.stop('SIGTERM');
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return address.port;
}
