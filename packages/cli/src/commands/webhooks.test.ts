// The tenant's commands, by the real command against a real service.

import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bellhop } from '../program.fixture.ts';
import { type DevService, ended, startDev } from '../service.fixture.ts';

let service: DevService;
let handler: Server;
let handlerUrl = '';
let answer = 200;

beforeAll(async () => {
  service = await startDev();
  handler = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(answer).end());
  });
  handler.listen(0, '127.0.0.1');
  await once(handler, 'listening');
  const address = handler.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  handlerUrl = `http://127.0.0.1:${address.port}/webhooks`;
});
afterAll(async () => {
  await service?.close();
  handler?.close();
});

const create = async (title: string, ...more: readonly string[]) => {
  const made = await service.cli('webhooks', 'create', '--title', title, '--url', handlerUrl, '--json', ...more);
  expect(made.stderr).toBe('');
  return JSON.parse(made.stdout);
};

describe('bellhop webhooks', () => {
  it('creates, reads, changes, enables and deletes by id, beginning of the id or title', async () => {
    const made = await create('Orders', '--type', 'order,EXECUTION', '--delay', '2s', '--max-package-size', '5000');
    expect(made).toMatchObject({
      type: ['ORDER', 'EXECUTION'],
      enabled: false,
      config: { delay: '2s', max_package_size: 5000 },
    });
    expect((await service.cli('webhook', 'enable', 'Orders')).stdout).toMatch(/enabled\s+yes/);
    const changed = await service.cli('webhooks', 'update', made.id.slice(0, 8), '--type', 'USER', '--json');
    expect(JSON.parse(changed.stdout)).toMatchObject({ type: ['USER'], config: { delay: '2s' } });
    expect((await service.cli('webhooks', 'disable', made.id)).stdout).toMatch(/enabled\s+no/);
    expect((await service.cli('webhooks', 'ls')).stdout).toBe(`${made.id}\tno\tUSER\tOrders\t${handlerUrl}\n`);
    expect(JSON.parse((await service.cli('webhooks', 'list', '--json')).stdout)).toHaveLength(1);
    expect((await service.cli('webhooks', 'delete', 'Orders')).stderr).toMatch(/✓ deleted Orders/);
    expect((await service.cli('webhooks', 'get', made.id)).code).toBe(1);
  });

  it('refuses wrong input with 2 and tells what is ambiguous', async () => {
    expect((await service.cli('webhooks', 'create', '--title', 'x')).stderr).toMatch(/required option '--url <url>'/);
    expect((await service.cli('webhooks', 'update', 'x')).stderr).toMatch(/nothing to change/);
    expect((await service.cli('webhooks', 'list', '--sort', 'colour')).stderr).toMatch(
      /Allowed choices are created_at/,
    );
    const bad = await service.cli('webhooks', 'create', '--title', 'x', '--url', 'ftp://x');
    expect({ code: bad.code, stdout: bad.stdout }).toEqual({ code: 2, stdout: '' });
    const twins = [await create('Twin'), await create('Twin')];
    const twice = await service.cli('webhooks', 'get', 'Twin');
    expect(twice.stderr).toMatch(/fits several webhooks/);
    expect(twice.code).toBe(2);
    for (const { id } of twins) await service.cli('webhooks', 'rm', id);
  });

  it('prints the request as curl and as code', async () => {
    const { id } = await create('Shown');
    const { stderr } = await service.cli('webhooks', 'enable', id, '--show-request');
    expect(stderr).toContain(
      `curl -sS -X PATCH 'http://127.0.0.1:3000/webhooks/${id}' -H 'content-type: application/json' -d '{"enabled":true}'`,
    );
    expect(stderr).toContain(`await client.webhooks.update('${id}', {"enabled":true})`);
    await service.cli('webhooks', 'rm', id);
  });

  it('on live changes nothing without a yes', async () => {
    const { id } = await create('Precious');
    const login = ['login', 'prod', '--base-url', service.url, '--no-check'];
    const dev = JSON.parse(await readFile(service.devJson, 'utf8'));
    await ended(
      [...login, '--client-id', dev.client_id, '--key-id', dev.key_id, '--private-key-file', dev.private_key_file],
      service.env,
    );
    // What a live profile looks like; the service behind it is the local one.
    const path = join(service.env['XDG_CONFIG_HOME'] ?? '', 'bellhop/config.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"local"', '"live"'));
    const env = { ...service.env, BELLHOP_CLIENT_SECRET: dev.client_secret };
    const declined = await ended(['webhooks', 'delete', id, '--profile', 'prod'], env);
    expect(declined.stderr).toMatch(/on LIVE .* was not confirmed\. Add --yes/);
    expect(declined.code).toBe(3);
    expect((await service.cli('webhooks', 'get', id)).code).toBe(0);
    expect((await ended(['webhooks', 'delete', id, '-p', 'prod', '-y'], env)).code).toBe(0);
  });

  it('tests: tells how the handler answered and fails when it failed', async () => {
    const { id } = await create('Tested');
    answer = 200;
    expect(await service.cli('webhooks', 'test', id)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/✓ your handler answered 200/),
    });
    answer = 404;
    expect(await service.cli('webhooks', 'test', id)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/✗ your handler answered 404 \(status_4xx\)/),
    });
    answer = 200;
    await service.cli('webhooks', 'rm', id);
  });

  it('shows the state in a word and, with --watch, each change of it', async () => {
    const { id } = await create('Watched');
    const run = bellhop(['webhooks', 'status', id, '--watch', '--interval', '100ms'], service.env);
    await run.see(/disabled/);
    await service.cli('webhooks', 'enable', id);
    await run.see(/flowing/);
    expect(await run.stop('SIGINT')).toBe(0);
    await service.cli('webhooks', 'rm', id);
  });
});

describe('bellhop keys and token', () => {
  it('lists the keys of deliveries, as a table and as a key set', async () => {
    const { keys } = JSON.parse((await service.cli('keys', 'list', '--json')).stdout);
    expect(keys.length).toBeGreaterThanOrEqual(2);
    expect((await service.cli('key', 'list')).stdout).toContain(`${keys[0].kid}\tEC\tP-521`);
  });

  it('makes a key pair, never overwrites one, and prints the public half again', async () => {
    const made = await service.cli('keys', 'generate', '--out', 'mine.pem');
    expect(made.stdout).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(made.stdout).not.toMatch(/PRIVATE/);
    expect((await stat(join(service.folder, 'mine.pem'))).mode & 0o777).toBe(0o600);
    expect((await service.cli('keys', 'public', 'mine.pem')).stdout).toBe(made.stdout);
    const again = await service.cli('keys', 'generate', '--out', 'mine.pem');
    expect(again.stderr).toMatch(/exists; a key is never overwritten/);
    expect(again.code).toBe(2);
  });

  it('prints a token that works, alone on stdout', async () => {
    const { stdout, stderr } = await service.cli('token');
    expect(stdout).toMatch(/^\S+\n$/);
    expect(stderr).toBe('');
    expect(JSON.parse((await service.cli('token', '--json', '--scopes', 'webhooks:read')).stdout)).toMatchObject({
      scopes: ['webhooks:read'],
    });
    expect((await service.cli('token', '--scopes', 'nothing:here')).code).toBe(4);
  });
});
