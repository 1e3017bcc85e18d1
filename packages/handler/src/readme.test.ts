import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { privatePem, publicJwk } from '@bellhop/signatures';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createSender, eventOf, serve } from './sender.fixture.ts';

describe('the first example of the README', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it('is the one that runs here: it gets the keys, takes a delivery, runs the listeners and stops', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const example = await readFile(new URL('./readme.fixture.ts', import.meta.url), 'utf8');
    expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``);

    const sender = await createSender();
    await using api = await serve((request, response) => {
      const token = { access_token: 'token', expires_in: 3600, scope: 'webhooks:admin', token_type: 'bearer' };
      const body = request.url === '/auth/token' ? token : { keys: [publicJwk(sender.key)] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'handler-readme-'));
    const keyFile = join(folder, 'key.pem');
    await writeFile(keyFile, privatePem(sender.key));
    const credentials = {
      client_id: 'client',
      client_secret: 'secret',
      key_id: sender.key.keyId,
      private_key_file: keyFile,
    };
    await writeFile(join(folder, 'dev.json'), JSON.stringify({ base_url: new URL(api.url).origin, ...credentials }));
    vi.stubEnv('BELLHOP_DEV_JSON', join(folder, 'dev.json'));
    vi.stubEnv('PORT', String(port));
    const printed: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
    await import('./readme.fixture.ts');
    await rm(folder, { recursive: true });

    const order = eventOf('ORDER.FILLED');
    const unheard = { ...eventOf('USER.CREATED'), type: 'VOUCHER.ISSUED' };
    const url = `http://127.0.0.1:${port}/webhooks`;
    expect((await sender.post(url, [order, unheard])).status).toBe(200);
    await expect
      .poll(() => [...printed].sort())
      .toEqual([
        'VOUCHER.ISSUED is unheard',
        `order ${order.object['id']} of user ${order.object['user_id']} is filled`,
      ]);

    process.emit('SIGTERM');
    await expect
      .poll(() =>
        fetch(url).then(
          () => 'open',
          () => 'closed',
        ),
      )
      .toBe('closed');
  });
});

async function freePort(): Promise<number> {
  await using server = await serve(() => undefined);
  return server.port;
}
