// What the command says and how it ends when it is used in a wrong way, or when what it needs is not there.

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needBuild } from '../../../test/support/build.ts';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../test/support/postgres.ts';
import { bellhop, temporaryFolder } from './program.fixture.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  needBuild();
});
afterAll(() => folder.remove());

async function ended(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const run = bellhop(args, env, folder.path);
  return { code: await run.exit(), stdout: run.stdout(), stderr: run.stderr() };
}

const token = { BELLHOP_OPERATOR_TOKEN: 'a-token-for-tests-of-32-characters' };

describe('bellhop', () => {
  it('shows its version and help on stdout', async () => {
    expect(await ended(['--version'])).toEqual({ code: 0, stdout: '0.1.0\n', stderr: '' });
    for (const args of [['--help'], ['help'], ['dev', '--help'], ['serve', '-h'], ['help', 'serve']]) {
      const { code, stdout, stderr } = await ended(args);
      expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
      expect(stdout, args.join(' ')).toMatch(/Usage: bellhop/);
    }
    expect((await ended(['dev', '--help'])).stdout).toMatch(/Examples:\n {2}\$ bellhop dev/);
  }, 60_000);

  it('shows its help on stderr when no command is given', async () => {
    const { code, stdout, stderr } = await ended([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/Usage: bellhop/);
  });

  const wrong: readonly (readonly [string, readonly string[], NodeJS.ProcessEnv, RegExp])[] = [
    ['an unknown command', ['deev'], {}, /unknown command 'deev' \(Did you mean dev\?\)/],
    ['an unknown flag', ['dev', '--prot', '1'], {}, /unknown option '--prot' \(Did you mean --port\?\)/],
    ['a flag without its value', ['dev', '--port'], {}, /--port <port>.* argument missing/],
    ['an argument too many', ['dev', 'now'], {}, /too many arguments/],
    ['a wrong flag', ['dev', '--port', 'http'], {}, /--port must be a port number/],
    ['a wrong variable', ['dev'], { BELLHOP_PORT: '99999' }, /BELLHOP_PORT must be a port number/],
    ['a flag of another command', ['dev', '--role', 'api'], {}, /unknown option '--role'/],
    ['serve without an operator token', ['serve', '--embedded'], {}, /needs BELLHOP_OPERATOR_TOKEN/],
    ['serve without a database', ['serve'], token, /needs a PostgreSQL database.*--embedded/],
    ['serve with two databases', ['serve', '--embedded', '--database-url', 'postgres://h/d'], token, /contradict/],
    ['a role on the embedded database', ['serve', '--embedded', '--role', 'api'], token, /one process/],
  ];
  it.each(wrong)('refuses %s with one line and exit code 2', async (_, args, env, message) => {
    const { code, stdout, stderr } = await ended(args, env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^bellhop: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  it('refuses a data directory that cannot be made', async () => {
    await writeFile(join(folder.path, 'file'), '');
    const { code, stderr } = await ended(['dev', '--no-demo', '--port', '0', '--data-dir', 'file/below']);
    expect(stderr).toMatch(/^bellhop: The data directory \S+file\/below cannot be written[^\n]+--data-dir\.\n$/);
    expect(code).toBe(2);
  });

  // Hung for ever, with a core to itself.
  it.skipIf(!existsSync('/proc/self'))('refuses a data directory whose parent says that it is not there', async () => {
    const { code, stderr } = await ended(['dev', '--no-demo', '--port', '0', '--data-dir', '/proc/bellhop']);
    expect(stderr).toMatch(/^bellhop: The data directory \/proc\/bellhop cannot be written[^\n]+--data-dir\.\n$/);
    expect(code).toBe(2);
  });

  // Warned first that it listens there.
  it('says one thing of an address that is not of this machine', async () => {
    const { code, stderr } = await ended([
      'dev',
      '--no-demo',
      '--port',
      '0',
      '--data-dir',
      'elsewhere',
      '--host',
      '203.0.113.9',
    ]);
    expect(stderr).toMatch(/^bellhop: Cannot listen on 203\.0\.113\.9:0[^\n]+\n$/);
    expect(code).toBe(2);
  }, 60_000);

  it('waits a while for a database that is away, then says so, without its password', async () => {
    const url = 'postgres://user:hunter2@127.0.0.1:9/bellhop';
    const { code, stderr } = await ended(['serve', '--database-url', url, '--database-wait-ms', '300'], token);
    expect(stderr).toMatch(/trying again/);
    expect(stderr).toMatch(/\nbellhop: The database cannot be reached[^\n]+\n$/);
    expect(stderr).not.toContain('hunter2');
    expect(code).toBe(1);
  });
});

describe.skipIf(!postgresUrl())(`bellhop serve on PostgreSQL ${needsPostgres}`, () => {
  it('is ready when it says so, warns of insecure targets, and stops cleanly', async () => {
    const database = await freshDatabase();
    const env = { ...token, BELLHOP_ALLOW_INSECURE_TARGETS: 'loopback', BELLHOP_DATABASE_URL: database.url };
    const run = bellhop(['serve', '--port', '0', '--log-level', 'warn'], env, folder.path);
    try {
      const [, url] = await run.see(/ready {2}(http:\S+)/);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      expect(run.stderr()).toMatch(/WARNING {2}BELLHOP_ALLOW_INSECURE_TARGETS=loopback/);
      expect((await fetch(`${url}/operator/webhooks`)).status).toBe(401);
      const headers = { authorization: `Bearer ${token.BELLHOP_OPERATOR_TOKEN}` };
      expect((await fetch(`${url}/operator/webhooks`, { headers })).status).toBe(200);
      expect(await run.stop('SIGTERM')).toBe(0);
      expect(run.stdout()).toBe('');
    } finally {
      await run.stop('SIGKILL');
      await database.drop();
    }
  }, 60_000);
});

describe('bellhop serve --embedded', () => {
  it('says what embedded means', async () => {
    const run = bellhop(
      ['serve', '--embedded', '--port', '0', '--data-dir', 'embedded', '--log-level', 'silent'],
      token,
      folder.path,
    );
    await run.see(/ready {2}http/);
    expect(run.stderr()).toMatch(/survives a killed process, not a power cut/);
    expect(await run.stop('SIGINT')).toBe(0);
  }, 60_000);

  it.skipIf(process.platform === 'win32')(
    'warns of a secret file that others can read',
    async () => {
      // What broke: it started without a word.
      const [file, own] = [join(folder.path, 'open-secret'), join(folder.path, 'own-secret')];
      await writeFile(file, 'a-key-encryption-key-of-32-characters', { mode: 0o644 });
      await writeFile(own, 'the-key-encryption-key-before-this-one', { mode: 0o600 });
      const env = {
        ...token,
        BELLHOP_KEY_ENCRYPTION_KEY_FILE: file,
        BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY_FILE: own,
      };
      const args = ['serve', '--embedded', '--port', '0', '--data-dir', 'secrets', '--log-level', 'silent'];
      const run = bellhop(args, env, folder.path);
      await run.see(/ready {2}http/);
      expect(await run.stop('SIGINT')).toBe(0);
      expect(run.stderr()).toContain(`WARNING  BELLHOP_KEY_ENCRYPTION_KEY_FILE names ${file}, which others can read`);
      expect(run.stderr()).not.toContain(own);
      expect(run.stderr()).not.toContain('32-characters');
    },
    60_000,
  );
});
