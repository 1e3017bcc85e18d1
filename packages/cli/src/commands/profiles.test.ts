// Profiles through the real command: where a target comes from, what is kept, what is refused.

import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../program.fixture.ts';
import { type DevService, ended, startDev } from '../service.fixture.ts';

let service: DevService;
let dev: Record<string, string>;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let home: { XDG_CONFIG_HOME: string };

beforeAll(async () => {
  service = await startDev();
  dev = JSON.parse(await readFile(service.devJson, 'utf8'));
  folder = await temporaryFolder();
  home = { XDG_CONFIG_HOME: join(folder.path, 'config') };
});
afterAll(async () => {
  await service?.close();
  await folder?.remove();
});

/** Nobody listens there any more. */
async function closedUrl(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

const bellhop = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => ended(args, { ...home, ...env }, folder.path);
const credentials = () => [
  ...['--base-url', service.url, '--client-id', dev['client_id'] ?? '', '--key-id', dev['key_id'] ?? ''],
  ...['--private-key-file', dev['private_key_file'] ?? ''],
];

describe('bellhop whoami', () => {
  it('finds the local service by its dev.json, tries it and names the file', async () => {
    const { code, stdout } = await service.cli('whoami');
    expect(code).toBe(0);
    expect(stdout).toMatch(/profile\s+local\n/);
    expect(stdout).toContain(service.devJson);
    expect(stdout).toMatch(/token\s+works, scopes webhooks:admin/);
    expect(stdout).not.toContain(dev['client_secret']);
    expect(stdout).not.toContain(dev['operator_token']);
  });

  it('says what to do when there is nothing to talk to', async () => {
    const { code, stderr } = await bellhop(['whoami']);
    expect(stderr).toMatch(/no dev\.json here and no profile\. Start one: bellhop dev\. Or name one: bellhop login\n$/);
    expect(code).toBe(2);
  });

  it('gives one JSON object, also for errors', async () => {
    expect(JSON.parse((await service.cli('whoami', '--json')).stdout)).toMatchObject({
      profile: 'local',
      base_url: service.url,
      has_client_secret: true,
    });
    const { stderr, stdout } = await bellhop(['whoami', '--json', '--profile', 'nowhere']);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'usage', hint: 'Make it: bellhop login nowhere' } });
  });

  it('ends with 4 for a wrong secret and with 5 for a service that is away', async () => {
    const wrong = await ended(['whoami'], { ...service.env, BELLHOP_CLIENT_SECRET: 'wrong' });
    expect({ code: wrong.code, stdout: wrong.stdout }).toEqual({ code: 4, stdout: '' });
    const away = await ended(['whoami'], { ...service.env, BELLHOP_BASE_URL: await closedUrl() });
    expect(away.stderr).toMatch(/ECONNREFUSED.*Is it running\? Start it: bellhop dev\n$/);
    expect(away.code).toBe(5);
  });
});

describe('a dev.json that lies in the folder', () => {
  /** A folder as `npm start` leaves it, or as a repository brings it. */
  async function folderWith(changes: Record<string, string>): Promise<string> {
    const path = await mkdtemp(join(folder.path, 'repository-'));
    await mkdir(join(path, '.bellhop'));
    await writeFile(join(path, '.bellhop/dev.json'), JSON.stringify({ ...dev, ...changes }));
    return path;
  }
  const secrets = { BELLHOP_CLIENT_SECRET: 'secret-of-live', BELLHOP_OPERATOR_TOKEN: 'token-of-live' };

  it('is found without a word where its service is of this machine', async () => {
    const near = await folderWith({});
    const { code, stdout, stderr } = await ended(['whoami'], home, near);
    expect(stdout).toMatch(/profile\s+local[\s\S]*token\s+works/);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('is refused when it names another machine, and taken when it is named itself', async () => {
    // What broke: a repository's dev.json beat the profile in use, and the secrets of the environment were sent there.
    for (const base_url of ['https://attacker.example', 'http://127.0.0.1.attacker.example:8080', 'http://10.0.0.1']) {
      const near = await folderWith({ base_url });
      for (const args of [['whoami'], ['webhooks', 'list', '--env', 'local'], ['tokens', 'list']]) {
        const { code, stderr } = await ended(args, { ...home, ...secrets }, near);
        expect(stderr).toMatch(/names \S+, which is not this machine, and nobody named the file/);
        expect(code).toBe(2);
      }
      const named = { ...home, BELLHOP_DEV_JSON: '.bellhop/dev.json' };
      expect((await ended(['whoami', '--offline'], named, near)).stdout).toContain(base_url);
    }
  });

  it('gets no secret of the environment, unless the environment says where the calls go', async () => {
    const asked: unknown[] = [];
    const listener = createServer((request, response) => {
      asked.push(request.headers.authorization, request.url);
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        asked.push(body);
        response.writeHead(401).end();
      });
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    const base_url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    const near = await folderWith({ base_url });
    const whoami = await ended(['whoami'], { ...home, ...secrets }, near);
    expect(whoami.stderr).toMatch(
      /BELLHOP_CLIENT_SECRET, BELLHOP_OPERATOR_TOKEN ignored: \S+dev\.json was found, not named/,
    );
    await ended(['events', 'list'], { ...home, ...secrets }, near);
    expect(asked.length).toBeGreaterThan(3);
    expect(JSON.stringify(asked)).not.toMatch(/of-live/);
    await ended(['whoami'], { ...home, ...secrets, BELLHOP_BASE_URL: base_url }, near);
    expect(JSON.stringify(asked)).toMatch(/secret-of-live/);
    listener.close();
  });
});

describe('bellhop login and profile', () => {
  it('keeps what works, with mode 0600, and the secret only on request', async () => {
    const secret = { BELLHOP_CLIENT_SECRET: dev['client_secret'] ?? '' };
    const { code, stderr } = await bellhop(['login', 'mine', ...credentials()], secret);
    expect(stderr).toMatch(/profile mine works and is saved/);
    expect(code).toBe(0);
    const path = join(home.XDG_CONFIG_HOME, 'bellhop/config.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).not.toContain(dev['client_secret']);
    expect((await bellhop(['webhooks', 'list'])).stderr).toMatch(/holds no client secret\. Set BELLHOP_CLIENT_SECRET/);

    await bellhop(['login', 'kept', ...credentials(), '--store-secret'], secret);
    expect((await bellhop(['whoami'])).stdout).toMatch(/profile\s+kept[\s\S]*token\s+works/);
    const list = await bellhop(['profile', 'list']);
    expect(list.stdout).toMatch(/^\tmine\tlocal\t.*\n\*\tkept\tlocal\t/);
    expect((await bellhop(['profile', 'use', 'mine'])).code).toBe(0);
    expect((await bellhop(['whoami', '--offline', '--json'])).stdout).toMatch(/"profile":"mine"/);
    expect((await bellhop(['profile', 'show', 'kept'])).stdout).not.toContain(dev['client_secret']);
  });

  it('refuses what does not work and saves nothing', async () => {
    const { code } = await bellhop(['login', 'bad', ...credentials()], { BELLHOP_CLIENT_SECRET: 'wrong' });
    expect(code).toBe(4);
    expect((await bellhop(['profile', 'list'])).stdout).not.toMatch(/bad/);
  });

  it('asks before it forgets, and without a terminal names the flag', async () => {
    const { code, stderr } = await bellhop(['profile', 'remove', 'kept']);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: 'bellhop: Removing profile kept was not confirmed. Add --yes.\n',
    });
    expect((await bellhop(['profile', 'rm', 'kept', '--yes'])).code).toBe(0);
    expect((await bellhop(['profile', 'list'])).stdout).not.toMatch(/kept/);
  });

  it('names the missing flag where nobody can be asked', async () => {
    const { code, stderr } = await bellhop(['login', '--env', 'sandbox']);
    expect(stderr).toMatch(/--client-id is missing\./);
    expect(code).toBe(2);
  });

  it('refuses a file with secrets that others can read', async () => {
    const path = join(home.XDG_CONFIG_HOME, 'bellhop/config.json');
    await chmod(path, 0o644);
    const { code, stderr } = await bellhop(['whoami', '--profile', 'mine']);
    expect(stderr).toMatch(/others can read it\. chmod 600/);
    expect(code).toBe(2);
    await chmod(path, 0o600);
    await writeFile(path, '{');
    expect((await bellhop(['whoami', '--profile', 'mine'])).stderr).toMatch(/is damaged/);
  });
});
