// docs/tutorial.md, by hand: the files it shows, run in its order against a local service, and what it says they do.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bellhop, type Run, runNode, temporaryFolder } from '../packages/cli/src/program.fixture.ts';
import { needBuild } from './support/build.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let service: Run;
let env: NodeJS.ProcessEnv;
let handler: Run;

beforeAll(async () => {
  folder = await temporaryFolder();
  needBuild();
  service = bellhop(['dev', '--no-demo', '--port', '0', '--data-dir', folder.path]);
  await service.see(/ready {2}http/);
  env = { BELLHOP_DEV_JSON: join(folder.path, 'dev.json'), PORT: String(await freePort()) };
});

afterAll(async () => {
  await handler?.stop('SIGKILL');
  await service?.stop('SIGKILL');
  await folder.remove();
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return address.port;
}

async function file(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`docs/tutorial/${name}.mjs`, ...args], {
    cwd: root,
    env,
  });
  return stdout.trim();
}

describe('the tutorial', { timeout: 90_000 }, () => {
  let id = '';

  it('implements a handler', async () => {
    handler = runNode(['docs/tutorial/handler.mjs'], env);
    await handler.see(/listening on http:\/\/127\.0\.0\.1:\d+\/webhooks/);
  });

  it('registers it', async () => {
    id = await file('register', `http://127.0.0.1:${env['PORT']}/webhooks`);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('tests it', async () => {
    expect(await file('test', id)).toMatch(/accepted: 20[02]/);
    await handler.see(/^USER\.ACTIVATED, nothing to do$/m);
    expect(await file('publish')).toBe('202 {"accepted":3,"duplicates":0}');
    await handler.see(/^hello [\s\S]*^ORDER\.NEW [\s\S]*^ORDER\.FILLED /m);
  });

  it('loses nothing while the handler is away', async () => {
    await handler.stop('SIGINT');
    expect(await file('publish')).toMatch(/^202 /);
    handler = runNode(['docs/tutorial/handler.mjs'], env);
    await handler.see(/^hello [\s\S]*^ORDER\.NEW [\s\S]*^ORDER\.FILLED /m);
  });

  it('takes the handler of an existing Express app in its place', async () => {
    await handler.stop('SIGINT');
    handler = runNode(['docs/tutorial/existing-app.mjs'], { ...env, INBOX_FILE: join(folder.path, 'inbox.sqlite') });
    await handler.see(/the app listens/);
    expect(await file('publish')).toMatch(/^202 /);
    await handler.see(/^USER\.CREATED, nothing to do$/m);
    const orders = async () => Object.keys(await (await fetch(`http://127.0.0.1:${env['PORT']}/orders`)).json());
    await expect.poll(orders, { timeout: 10_000 }).not.toEqual([]);
    await expect(file('test', id)).resolves.toMatch(/accepted: 20[02]/);
  });

  it('manages it', async () => {
    const line = (text: string) => new RegExp(`^${id} ${text}`);
    expect(await file('manage')).toMatch(line('enabled  USER,ORDER my first webhook http'));
    expect(await file('manage', 'disable', id)).toMatch(line('disabled'));
    expect(await file('manage', 'enable', id)).toMatch(line('enabled'));
    expect(await file('manage', 'narrow', id)).toMatch(line('enabled  ORDER my'));
    expect(await file('manage', 'delete', id)).toBe('');
  });
});
