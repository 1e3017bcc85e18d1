// `bellhop proxy` by the real command: plain requests in front, a real service behind.

import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { bellhop, type Run } from '../program.fixture.ts';
import { type DevService, startDev } from '../service.fixture.ts';

// Many processes, one after the other: a busy machine needs its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

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

  it('takes the sample file of httpsignature-proxy: one key for every client id, encrypted, found in the working folder', async () => {
    const pem = createPrivateKey(await readFile(dev['private_key_file'] ?? ''));
    const encrypted = pem.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: '123456' });
    await writeFile(join(service.folder, 'key.ppk'), encrypted);
    const elsewhere = join(service.folder, 'elsewhere');
    await mkdir(elsewhere);
    const lines = [
      'private-key: "./key.ppk"',
      'private-key-password: "123456"',
      `server-base-url: "${service.url}"`,
      `key-id: "${dev['key_id']}"`,
      'port: 0',
    ];
    await writeFile(join(elsewhere, 'sample.yaml'), lines.join('\n'));
    const run = bellhop(
      ['proxy'],
      { ...service.env, HOME: service.folder, BELLHOP_PROXY_CONFIG: 'elsewhere/sample.yaml' },
      service.folder,
    );
    running.push(run);
    const [, url = ''] = await run.see(/ready {2}(http:\S+) →/);
    const form = new URLSearchParams({
      client_id: dev['client_id'] ?? '',
      client_secret: dev['client_secret'] ?? '',
      grant_type: 'client_credentials',
      scope: 'webhooks:admin',
    });
    expect((await fetch(`${url}/auth/token`, { method: 'POST', body: form })).status).toBe(200);
    await writeFile(join(elsewhere, 'wrong.yaml'), lines.join('\n').replace('123456', 'wrong'));
    const wrong = await service.cli('proxy', '--config', 'elsewhere/wrong.yaml');
    expect(wrong.stderr).toMatch(/Check private-key-password/);
    expect(wrong.code).toBe(2);
    const own = `    client-id: x\n    key-id: k\n    private-key: ../data/tenant-key.pem\n    server-base-url: ${service.url}\n`;
    await writeFile(join(elsewhere, 'twice.yaml'), `key-configs:\n  config-1:\n${own}  config-2:\n${own}`);
    expect((await service.cli('proxy', '--config', 'elsewhere/twice.yaml')).stderr).toMatch(/two keys for client id x/);
  });

  it('streams answers, passes large requests whole, and repeats nothing', async () => {
    const requests: { readonly url: string | undefined; readonly bytes: number; readonly digest: unknown }[] = [];
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const upstream = createServer(async (request, response) => {
      let bytes = 0;
      for await (const chunk of request) bytes += chunk.length;
      requests.push({ url: request.url, bytes, digest: request.headers['content-digest'] });
      response.writeHead(503, { 'x-thing': 'kept', 'set-cookie': ['a=1', 'b=2'] }).write('first ');
      await released;
      response.end('last');
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const address = upstream.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const file = join(service.folder, 'stream.yaml');
    await writeFile(
      file,
      `key-id: k\nprivate-key: ${dev['private_key_file']}\nserver-base-url: http://127.0.0.1:${port}/prefix/\n`,
    );
    const { run, url } = await start('--config', file);
    const answer = await fetch(`${url}/orders?b=2&a=%20x`, { method: 'POST', body: 'x'.repeat(5_000_000) });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    // The other half has not been sent yet.
    expect((await reader?.read())?.value).toBe('first ');
    release();
    expect((await reader?.read())?.value).toBe('last');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('x-thing')).toBe('kept');
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(requests).toEqual([
      { url: '/prefix/orders?b=2&a=%20x', bytes: 5_000_000, digest: expect.stringMatching(/^sha-512=:/) },
    ]);
    await run.see(/503 .*POST \/orders\?b=2&a=%20x {2}↑ 5000000 B ↓ 10 B/);
    upstream.close().closeAllConnections();
  });

  it('does not sign for a page whose name was pointed at this machine', async () => {
    // What broke: such a page is of one origin with the proxy, so its GET carries no origin, and everything was signed.
    const { url, run } = await start();
    const { port } = new URL(url);
    const get = async (host: string) => {
      const asked = request({ host: '127.0.0.1', port, path: '/webhooks', headers: { host } }).end();
      const [answer] = await once(asked, 'response');
      let text = '';
      for await (const chunk of answer) text += chunk;
      return { status: answer.statusCode, text };
    };
    const rebound = await get(`attacker.example:${port}`);
    expect(rebound).toEqual({ status: 403, text: expect.stringMatching(/another host are not signed/) });
    expect(rebound.text).not.toContain('data');
    await run.see(/403 .*GET \/webhooks/);
    expect((await get(`localhost:${port}`)).status).toBe(200);
    expect((await get(`127.0.0.1:${port}`)).status).toBe(200);
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
