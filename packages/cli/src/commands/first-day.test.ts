// `init`, `verify`, `open`, `completion` and the help of every command, by the real command.

import { once } from 'node:events';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { frameworks, starter } from '../init/starter.ts';
import { runNode, temporaryFolder } from '../program.fixture.ts';
import { type DevService, ended, startDev } from '../service.fixture.ts';

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

const bellhop = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  ended(args, { ...service.env, ...env }, folder.path);

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('a port was expected');
  return address.port;
}

describe('bellhop init', () => {
  it('makes keys first, and with the key id a profile that was tried; nothing is overwritten', async () => {
    const dev = JSON.parse(await readFile(service.devJson, 'utf8'));
    const fresh = await bellhop(['init', '--base-url', service.url, '--private-key-file', 'fresh.pem']);
    expect(fresh.code).toBe(0);
    expect(fresh.stdout).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(fresh.stderr).toMatch(
      /key pair made: fresh\.pem[\s\S]*When you have the key id: BELLHOP_CLIENT_SECRET=… bellhop init --base-url/,
    );
    const given = ['--client-id', dev.client_id, '--key-id', dev.key_id, '--private-key-file', dev.private_key_file];
    const secret = { BELLHOP_CLIENT_SECRET: dev.client_secret };
    await writeFile(join(folder.path, 'package.json'), '{"dependencies":{"express":"5"}}');
    const ready = await bellhop(['init', '--base-url', service.url, ...given], secret);
    expect(ready.stderr).toMatch(
      /private key found[\s\S]*profile local works and is saved[\s\S]*starter handler for express: webhooks\.mjs[\s\S]*npm install @bellhop\/client @bellhop\/handler express && node webhooks\.mjs/,
    );
    expect(await readFile(join(folder.path, 'webhooks.mjs'), 'utf8')).toMatch(/toExpress\(webhooks\)/);
    await writeFile(join(folder.path, 'webhooks.mjs'), '// mine');
    expect((await bellhop(['init', '--env', 'local'])).stderr).toMatch(
      /webhooks\.mjs is there already and was left alone/,
    );
    expect(await readFile(join(folder.path, 'webhooks.mjs'), 'utf8')).toBe('// mine');
    expect((await bellhop(['init'])).code).toBe(2);
  });
});

describe('the starter of bellhop init', () => {
  beforeAll(async () => {
    const installed = fileURLToPath(new URL('../../../../node_modules', import.meta.url));
    await symlink(installed, join(folder.path, 'node_modules'));
  });

  it('receives a verified event', async () => {
    const { text } = starter('node');
    await writeFile(join(folder.path, 'starter.mjs'), text);
    const port = await freePort();
    const handler = runNode([join(folder.path, 'starter.mjs')], { ...service.env, PORT: String(port) }, folder.path);
    await handler.see(/listening, POST \/webhooks/);
    await service.cli(
      'webhooks',
      'create',
      '--title',
      'Starter',
      '--url',
      `http://127.0.0.1:${port}/webhooks`,
      '--enable',
    );
    await service.cli('trigger', 'ORDER.FILLED');
    await handler.see(/ORDER\.FILLED [0-9a-f-]{36}/);
    await handler.stop('SIGTERM');
    await service.cli('webhooks', 'rm', 'Starter');
  });

  // It listened on all interfaces, for anybody on the network.
  it.each(frameworks.filter((name) => name !== 'next'))('for %s is reached from this machine only', async (name) => {
    const file = join(folder.path, `starter-${name}.mjs`);
    await writeFile(file, starter(name).text);
    const port = await freePort();
    const handler = runNode([file], { ...service.env, PORT: String(port) }, folder.path);
    await handler.see(/listening, POST \/webhooks/);
    expect((await fetch(`http://127.0.0.1:${port}/webhooks`, { method: 'POST' })).status).toBeGreaterThanOrEqual(400);
    // Another address of this machine: whoever listens on all of them answers there too.
    await expect(fetch(`http://127.0.0.2:${port}/webhooks`)).rejects.toThrow(TypeError);
    await handler.stop('SIGTERM');
  });

  it('is there for every framework, each with its adapter', () => {
    for (const framework of frameworks)
      expect(starter(framework).text, framework).toMatch(/to(Node|Express|Fastify|Hono|Koa|RouteHandler)\(webhooks\)/);
  });
});

describe('bellhop verify', () => {
  async function saved(change: (text: string) => string = (text) => text): Promise<string> {
    const dev = JSON.parse(await readFile(service.devJson, 'utf8'));
    const body = '{"payload":[{"id":"x"}]}';
    const answer = await fetch(`${service.url}/operator/sign`, {
      method: 'POST',
      headers: { authorization: `Bearer ${dev.operator_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url: 'http://127.0.0.1:1/hooks', body }),
    });
    const headers: Record<string, string> = await answer.json();
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const file = join(folder.path, 'saved.http');
    await writeFile(file, change(['POST /hooks HTTP/1.1', ...lines, '', body].join('\r\n')));
    return file;
  }

  it('says yes to a genuine request, with the keys of the service or of a file', async () => {
    const file = await saved();
    expect(await bellhop(['verify', '-r', file])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^✓ genuine: version 6, key /),
    });
    await writeFile(join(folder.path, 'keys.json'), (await bellhop(['keys', 'list', '--json'])).stdout);
    expect((await bellhop(['verify', '-r', file, '--keys', 'keys.json'])).code).toBe(0);
  });

  it('names the first wrong thing and what would make it hold', async () => {
    await service.cli('webhooks', 'create', '--title', 'Hooks', '--url', 'http://127.0.0.1:1/hooks');
    const moved = await bellhop(['verify', '-r', await saved((text) => text.replace('/hooks ', '/api/hooks '))]);
    expect(moved.stdout).toMatch(/✗ signature_mismatch[\s\S]*signed for \/hooks, you were called at \/api\/hooks/);
    expect(moved.code).toBe(1);
    const edited = await bellhop(['verify', '-r', await saved((text) => `${text}\n`)]);
    expect(edited.stdout).toMatch(/it holds without the line end at its end/);
    expect((await bellhop(['verify', '-r', await saved((text) => text.replace('POST /hooks', 'what'))])).code).toBe(2);
    await service.cli('webhooks', 'rm', 'Hooks');
  });
});

describe('bellhop open', () => {
  it('prints a link that signs in once', async () => {
    const { code, stdout } = await bellhop(['open', '--no-browser']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^http:\S+\/dashboard\/open\/\S+\n$/);
    const tenant = await bellhop(['open', 'tenant', '--no-browser']);
    expect(tenant.stdout).toMatch(/^http:\S+\/view\/open\/\S{43}\n$/);
    expect((await fetch(tenant.stdout.trim(), { redirect: 'manual' })).headers.get('location')).toBe('/view/webhooks');
    expect((await bellhop(['open', 'docs', '--no-browser'])).stdout).toBe(`${service.url}/docs\n`);
    expect((await bellhop(['open', 'sesame'])).code).toBe(2);
  });
});

describe('completion and help', () => {
  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', async (shell) => {
    expect((await bellhop(['completion', shell])).stdout).toMatch(/bellhop complete --/);
  });

  it('completes commands, flags, types, categories and profiles', async () => {
    const complete = async (...words: readonly string[]) =>
      (await bellhop(['complete', '--', ...words])).stdout.trim().split('\n');
    expect(await complete('web')).toEqual(['webhooks']);
    expect(await complete('webhooks', 'en')).toEqual(['enable']);
    expect(await complete('trigger', 'ORDER.F')).toEqual(['ORDER.FILLED']);
    expect(await complete('listen', '--forw')).toEqual(['--forward-to']);
    expect(await complete('listen', '--events', 'EXECUTION.')).toContain('EXECUTION.*');
    expect(await complete('webhooks', 'list', '--profile', 'loc')).toContain('local');
    expect(await complete('webhooks', 'list', '--order', '')).toEqual(['ASC', 'DESC']);
    expect((await bellhop(['completion', 'tcsh'])).code).toBe(2);
  });

  it('has help with examples for every command', async () => {
    const names = (await bellhop(['complete', '--', ''])).stdout
      .trim()
      .split('\n')
      .filter((name) => name !== 'help');
    expect(names.length).toBeGreaterThan(12);
    for (const name of names) {
      const { code, stdout, stderr } = await bellhop([name, '--help']);
      expect({ code, stderr }, name).toEqual({ code: 0, stderr: '' });
      expect(stdout, name).toMatch(/Examples:\n {2}\$ /);
    }
  });

  it('says its version without loading what it does not need', async () => {
    const { stdout } = await bellhop(['--version'], { NODE_DEBUG: 'esm' });
    expect(stdout).toBe('0.1.0\n');
    const loaded = (await bellhop(['--version'], { NODE_DEBUG: 'esm' })).stderr;
    expect(loaded).not.toMatch(/packages\/server\/dist/);
  });
});
