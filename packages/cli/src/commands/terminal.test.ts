// What asks, in a real terminal: answers typed key by key, wrong ones, Ctrl-C, secrets, colours, a narrow window.

import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../program.fixture.ts';
import { type DevService, ended, startDev } from '../service.fixture.ts';
import { inTerminal, keys, type TerminalRun } from '../terminal.fixture.ts';

// Many processes, one after the other: a busy machine needs its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let service: DevService;
let dev: { client_id: string; client_secret: string; key_id: string; private_key_file: string };
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let configFile: string;
const running: TerminalRun[] = [];
/** SGR sequences: colours, bold, inverse. */
const styled = /\x1b\[[0-9;]*m/;

beforeAll(async () => {
  service = await startDev();
  dev = JSON.parse(await readFile(service.devJson, 'utf8'));
});
beforeEach(async () => {
  folder = await temporaryFolder();
  configFile = join(folder.path, 'config/bellhop/config.json');
});
afterEach(async () => {
  for (const run of running.splice(0)) await run.kill();
  await folder.remove();
});
afterAll(() => service?.close());

function terminal(args: readonly string[], env: NodeJS.ProcessEnv = {}, columns = 80): TerminalRun {
  const home = { XDG_CONFIG_HOME: join(folder.path, 'config'), XDG_STATE_HOME: join(folder.path, 'state') };
  const run = inTerminal(args, { env: { ...home, ...env }, cwd: folder.path, columns });
  running.push(run);
  return run;
}

async function answer(run: TerminalRun, question: RegExp, text: string): Promise<void> {
  await run.see(question);
  run.type(`${text}${keys.enter}`);
}

/** The question that is open: nothing was answered below it. */
const asks = (question: string) => new RegExp(`◆ +${question}`);

const given = () => [
  ...['--base-url', service.url, '--client-id', dev.client_id, '--key-id', dev.key_id],
  ...['--private-key-file', dev.private_key_file],
];

describe('bellhop login in a terminal', () => {
  it('asks for everything, again for what cannot be, and never shows the secret', async () => {
    const run = terminal(['login']);
    await run.see(asks('Where'));
    await run.see(/● sandbox/);
    run.type(keys.up);
    await run.see(/● bellhop/);
    run.type(keys.up + keys.down + keys.enter);
    await answer(run, asks('Base URL'), 'nonsense');
    await run.see(/It must be an http or https URL/);
    run.type(keys.backspace.repeat('nonsense'.length));
    await answer(run, /▲ +Base URL/, service.url);
    await answer(run, asks('Client id'), '');
    await run.see(/Something is needed here/);
    run.type(`7${keys.enter}`);
    await run.see(/It must be a UUID/);
    run.type(`${keys.backspace}${dev.client_id}${keys.enter}`);
    await answer(run, asks('Key id'), dev.key_id);
    await answer(run, asks('Private key file'), 'away.pem');
    await run.see(/away\.pem does not exist/);
    run.type(`${keys.backspace.repeat('away.pem'.length)}${dev.private_key_file}${keys.enter}`);
    await answer(run, asks('Client secret'), dev.client_secret);
    expect(await run.exit()).toBe(0);
    expect(run.screen()).toMatch(/✓ profile local works and is saved/);
    expect(run.written()).not.toContain(dev.client_secret);
    // Each question once: nothing is left behind by what was drawn over it.
    for (const question of ['Where?', 'Base URL', 'Client id', 'Key id', 'Client secret']) {
      expect(run.screen().split(question), question).toHaveLength(2);
    }
    expect(JSON.parse(await readFile(configFile, 'utf8')).profiles.local).toMatchObject({
      client_id: dev.client_id,
      client_secret: dev.client_secret,
    });
  });

  it('gives back what was typed when it does not work', async () => {
    const run = terminal(['login', 'mine', ...given()]);
    await answer(run, asks('Client secret'), 'wrong');
    expect(await run.exit()).toBe(4);
    expect(run.screen().replaceAll('\n', '')).toContain(`bellhop login mine --base-url ${service.url} --client-id`);
    await expect(access(configFile)).rejects.toThrow(/ENOENT/);
  });

  it.each([
    ['a choice', ['login'], 'Where'],
    ['a text', ['login', '--env', 'sandbox'], 'Client id'],
  ])('ends with 3 when Ctrl-C answers %s, the cursor shown again', async (_, args, question) => {
    const run = terminal(args);
    await run.see(asks(question));
    run.type(keys.ctrlC);
    expect(await run.exit()).toBe(3);
    expect(run.screen()).toMatch(/bellhop: Cancelled\.$/);
    expect(run.written().lastIndexOf('\x1b[?25h')).toBeGreaterThan(run.written().lastIndexOf('\x1b[?25l'));
    await expect(access(configFile)).rejects.toThrow(/ENOENT/);
  });

  it('ends with 3 when Ctrl-C answers a secret, nothing saved', async () => {
    const run = terminal(['login', ...given()]);
    await run.see(asks('Client secret'));
    run.type(`half${keys.ctrlC}`);
    expect(await run.exit()).toBe(3);
    expect(run.written()).not.toContain('half');
    await expect(access(configFile)).rejects.toThrow(/ENOENT/);
  });

  it('has colours, and none with NO_COLOR or --no-color', async () => {
    for (const [args, env, expected] of [
      [[], {}, true],
      [[], { NO_COLOR: '1' }, false],
      [['--no-color'], {}, false],
    ] as const) {
      const run = terminal(['login', ...args], env);
      await run.see(asks('Where'));
      run.type(keys.down);
      await run.see(/● live/);
      run.type(keys.ctrlC);
      await run.exit();
      expect(styled.test(run.written()), `${args} ${JSON.stringify(env)}`).toBe(expected);
    }
  });

  it('draws over itself also in a narrow window', async () => {
    const run = terminal(['login'], {}, 24);
    await run.see(/● sandbox/);
    for (const name of ['live', 'bellhop', 'sandbox', 'live', 'bellhop']) {
      run.type(keys.down);
      await run.see(new RegExp(`● ${name}`));
      for (const once of ['Where?', '● ', 'navigate']) expect(run.screen().split(once), run.screen()).toHaveLength(2);
    }
    run.type(keys.enter);
    const url = `http://${'long.'.repeat(12)}example`;
    await answer(run, asks('Base URL'), url);
    await run.see(asks('Client id'));
    expect(run.screen().split('Base URL')).toHaveLength(2);
    expect(run.screen().replaceAll(/\s/g, '')).toContain(url);
  });

  it.each([
    ['CI', { CI: 'true' }],
    ['a dumb terminal', { TERM: 'dumb' }],
  ])('asks nothing in %s', async (_, env) => {
    const run = terminal(['login'], env);
    expect(await run.exit()).toBe(2);
    expect(run.screen()).toMatch(/--env or --base-url is missing\. There is no terminal to ask/);
  });
});

describe('bellhop init in a terminal', () => {
  it('makes keys, asks for what the provider answered, tries it and writes the handler of the chosen framework', async () => {
    const first = terminal(['init', '--base-url', service.url]);
    await first.see(/-----END PUBLIC KEY-----/);
    await first.see(asks('Do you have the key id'));
    first.type(`${keys.left}n`);
    expect(await first.exit()).toBe(0);
    expect(first.screen().replaceAll('\n', '')).toContain(`go on: bellhop init --base-url ${service.url}`);

    // The provider knows the key of the profile, not the one just made.
    const run = terminal(['init', '--base-url', service.url, '--private-key-file', dev.private_key_file]);
    await run.see(asks('Do you have the key id'));
    run.type('y');
    await answer(run, asks('Client id'), dev.client_id);
    await answer(run, asks('Key id'), dev.key_id);
    await answer(run, asks('Client secret'), dev.client_secret);
    await run.see(asks('Which framework'));
    await run.see(/● node/);
    run.type(keys.down);
    await run.see(/● express/);
    run.type(keys.enter);
    expect(await run.exit()).toBe(0);
    expect(run.screen()).toMatch(/starter handler for express: webhooks\.mjs/);
    expect(run.written()).not.toContain(dev.client_secret);
    expect(await readFile(join(folder.path, 'webhooks.mjs'), 'utf8')).toMatch(/toExpress/);
  });

  it('begins with the local service, and leaves when Ctrl-C says so', async () => {
    const env = { BELLHOP_DEV_JSON: service.devJson };
    const run = terminal(['init'], env);
    await run.see(/● local/);
    run.type(keys.enter);
    await run.see(asks('Which framework'));
    run.type(keys.ctrlC);
    expect(await run.exit()).toBe(3);
    await expect(access(join(folder.path, 'webhooks.mjs'))).rejects.toThrow(/ENOENT/);
    const keysFirst = terminal(['init', '--base-url', service.url]);
    await keysFirst.see(asks('Do you have the key id'));
    keysFirst.type(keys.ctrlC);
    expect(await keysFirst.exit()).toBe(3);
  });
});

describe('a change on live in a terminal', () => {
  it('is asked for, with no as the answer of Enter, and Ctrl-C is no', async () => {
    const env = { BELLHOP_CLIENT_SECRET: dev.client_secret, XDG_CONFIG_HOME: join(folder.path, 'config') };
    const made = await service.cli(
      'webhooks',
      'create',
      '--title',
      'Precious',
      '--url',
      'http://127.0.0.1:1/',
      '--json',
    );
    const { id } = JSON.parse(made.stdout);
    await ended(['login', 'prod', ...given(), '--no-check'], env, folder.path);
    // What a live profile looks like; the service behind it is the local one.
    await writeFile(configFile, (await readFile(configFile, 'utf8')).replace('"local"', '"live"'), { mode: 0o600 });
    const asked = async (typed: string) => {
      const run = terminal(['webhooks', 'delete', id, '-p', 'prod'], env);
      await run.see(/◆ +Delete webhook[\s\S]+ on LIVE/);
      await run.see(/○ Yes \/ ● No/);
      run.type(typed);
      return { code: await run.exit(), screen: run.screen() };
    };
    expect(await asked(keys.enter)).toMatchObject({ code: 3, screen: expect.stringMatching(/nothing was changed/) });
    expect(await asked(keys.ctrlC)).toMatchObject({ code: 3, screen: expect.stringMatching(/Cancelled/) });
    expect((await service.cli('webhooks', 'get', id)).code).toBe(0);
    expect(await asked('y')).toMatchObject({ code: 0, screen: expect.stringMatching(/✓ deleted Precious/) });
    expect((await service.cli('webhooks', 'get', id)).code).toBe(1);
  });
});

describe('long work in a terminal', () => {
  it('listen stops at Ctrl-C', async () => {
    const run = terminal(['listen'], { BELLHOP_DEV_JSON: service.devJson });
    await run.see(/^ready {2}every event of local/m);
    await service.cli('trigger', 'ORDER.FILLED');
    await run.see(/✓ 200 .*ORDER\.FILLED/);
    run.type(keys.ctrlC);
    expect(await run.exit()).toBe(0);
    expect(run.screen()).toMatch(/1 events? in 1 packages?; webhook removed/);
  });

  it('says that it reads from the terminal, and leaves at Ctrl-C', async () => {
    const env = { BELLHOP_DEV_JSON: service.devJson };
    const run = terminal(['events', 'publish'], env);
    await run.see(/reading from the terminal/);
    run.type(keys.ctrlC);
    expect(await run.exit()).toBe(130);
    const typed = terminal(['events', 'publish'], env);
    await typed.see(/reading from the terminal/);
    typed.type('{"type":"ORDER.NEW","object":{}}\r\x04');
    await typed.see(/✓ published 1 event$/m);
    expect(await typed.exit()).toBe(0);
  });

  it('trigger counts on one line that is gone in the end', async () => {
    const env = { BELLHOP_DEV_JSON: service.devJson };
    const run = terminal(['trigger', 'ORDER.FILLED', '--count', '1200'], env, 40);
    expect(await run.exit()).toBe(0);
    expect(run.written()).toMatch(/ 500 of 1200/);
    expect(run.screen()).toMatch(/^✓ published 1200 × ORDER\.FILLED$/);
    await rm(join(folder.path, 'state'), { recursive: true, force: true });
  });
});
