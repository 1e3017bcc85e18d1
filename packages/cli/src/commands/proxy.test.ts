// `bellhop proxy` by the real command: plain requests in front, a real service behind.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bellhop, type Run } from '../program.fixture.ts';
import { type DevService, startDev } from '../service.fixture.ts';

let service: DevService;
let dev: Record<string, string>;
const running: Run[] = [];

beforeAll(async () => {
  service = await startDev();
  dev = JSON.parse(await readFile(service.devJson, 'utf8'));
});
afterEach(async () => {
  for (const run of running.splice(0)) await run.stop('SIGKILL');
});
afterAll(() => service?.close());

async function start(...args: readonly string[]): Promise<{ run: Run; url: string }> {
  const run = bellhop(['proxy', '--port', '0', ...args], { ...service.env, HOME: service.folder }, service.folder);
  running.push(run);
  const [, url = ''] = await run.see(/ready {2}(http:\S+) →/);
  return { run, url };
}

describe('bellhop proxy', () => {
  it('signs, adds client id and token, and passes bodies on both ways', async () => {
    const { run, url } = await start('-v');
    const body = JSON.stringify({ title: 'Über den Proxy', url: 'http://127.0.0.1:1/', type: ['ORDER'] });
    const made = await fetch(`${url}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(made.status).toBe(201);
    const listed = await (await fetch(`${url}/webhooks?limit=1&sort=title`)).json();
    expect(listed).toMatchObject({ meta: { limit: 1 }, data: [{ title: 'Über den Proxy' }] });
    await run.see(/201 +\d+ ms {2}POST \/webhooks {2}↑ \d+ B ↓ \d+ B {2}request \S+/);
    await run.see(/upvest-signature-version: 15/);
    expect(run.stdout()).toMatch(/authorization: Bearer …/);
    expect(await run.stop('SIGINT')).toBe(0);
  });

  it('leaves tokens to the tool with --no-token, and a token call takes its client id from the form', async () => {
    const { url } = await start('--no-token');
    expect((await fetch(`${url}/webhooks`)).status).toBe(401);
    const form = new URLSearchParams({
      client_id: dev['client_id'] ?? '',
      client_secret: dev['client_secret'] ?? '',
      grant_type: 'client_credentials',
      scope: 'webhooks:admin',
    });
    const token = await (await fetch(`${url}/auth/token`, { method: 'POST', body: form })).json();
    const answer = await fetch(`${url}/webhooks`, { headers: { authorization: `Bearer ${token.access_token}` } });
    expect(answer.status).toBe(200);
  });

  it('reads the file of httpsignature-proxy and chooses the key by client id', async () => {
    const entry = (clientId: string) =>
      `    client-id: "${clientId}"\n    key-id: "${dev['key_id']}"\n    private-key: "${dev['private_key_file']}"\n    server-base-url: "${service.url}"\n`;
    const file = join(service.folder, 'proxy.yaml');
    await writeFile(
      file,
      `port: 3000\nkey-configs:\n  one:\n${entry(dev['client_id'] ?? '')}  two:\n${entry(crypto.randomUUID())}`,
    );
    const { url } = await start('--config', file);
    const token = JSON.parse((await service.cli('token', '--json')).stdout).access_token;
    const headers = { authorization: `Bearer ${token}`, 'upvest-client-id': dev['client_id'] ?? '' };
    expect((await fetch(`${url}/webhooks`, { headers })).status).toBe(200);
    const nobody = await fetch(`${url}/webhooks`, { headers: { 'upvest-client-id': crypto.randomUUID() } });
    expect(nobody.status).toBe(400);
    expect(await nobody.json()).toMatchObject({ detail: expect.stringMatching(/No key for client id/) });
  });

  it('does not sign for web pages, and says when the service is away', async () => {
    const { url } = await start();
    expect((await fetch(`${url}/webhooks`, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    const file = join(service.folder, 'away.yaml');
    await writeFile(file, `key-id: k\nprivate-key: ${dev['private_key_file']}\nserver-base-url: http://127.0.0.1:9\n`);
    const away = await start('--config', file);
    const answer = await fetch(`${away.url}/webhooks`);
    expect(answer.status).toBe(502);
    expect(await answer.text()).toMatch(/gave no answer: ECONNREFUSED/);
  });

  it('refuses a file that it cannot use with 2', async () => {
    const file = join(service.folder, 'broken.yaml');
    await writeFile(file, 'key-configs:\n  one:\n    client-id: x\n');
    const { code, stderr } = await service.cli('proxy', '--config', file);
    expect(stderr).toMatch(/private-key is missing at key-configs\.one/);
    expect(code).toBe(2);
  });
});
