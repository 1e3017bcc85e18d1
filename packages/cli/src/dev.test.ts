// `bellhop dev` as a user runs it: the built program in a process of its own, on a data directory that lives through a
// first start, a start without the demo, a start that resumes, and one with a lost database.

import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@bellhop/client';
import { example } from '@bellhop/events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needBuild } from '../../../test/support/build.ts';
import { bellhop, type Run, temporaryFolder } from './program.fixture.ts';

interface DevFile {
  base_url: string;
  operator_token: string;
  client_id: string;
  client_secret: string;
  key_id: string;
  private_key_file: string;
  public_key_file: string;
  scopes: string[];
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let dataDir = '';
const runs: Run[] = [];

function start(...args: string[]): Run {
  const run = bellhop(['dev', '--port', '0', '--data-dir', dataDir, ...args]);
  runs.push(run);
  return run;
}

async function devFile(): Promise<DevFile> {
  return JSON.parse(await readFile(join(dataDir, 'dev.json'), 'utf8'));
}

async function operator(path: string, body?: unknown): Promise<Response> {
  const { base_url, operator_token } = await devFile();
  const headers = { authorization: `Bearer ${operator_token}`, 'content-type': 'application/json' };
  return fetch(
    `${base_url}${path}`,
    body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) },
  );
}

async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

beforeAll(async () => {
  folder = await temporaryFolder();
  needBuild();
  dataDir = join(folder.path, 'data');
});

afterAll(async () => {
  for (const run of runs) await run.stop('SIGKILL');
  await folder.remove();
});

describe('bellhop dev', { timeout: 120_000 }, () => {
  let first: DevFile;
  let leftOver = '';

  it('carries out the tutorial, one ticked-off step after the other', async () => {
    const run = start();
    await run.see(/ready {2}http:\/\/127\.0\.0\.1:\d+/);
    await run.see(/first verified delivery after (\d+) ms/);
    const steps = run
      .stdout()
      .split('\n')
      .filter((line) => /^ [✓✗]/.test(line));
    const expected = [
      /^ ✓ handler listening +http:\/\/127\.0\.0\.1:\d+\/webhooks$/,
      /^ ✓ key pair made, tenant created +client [0-9a-f-]{36}/,
      /^ ✓ webhook registered +bellhop dev demo → http:/,
      /^ ✓ webhook enabled/,
      /^ ✓ test-triggered +your handler answered 200/,
      /^ ✓ events published +36 events/,
      /^ ✓ delivered, verified, counted +36 of 36 events in \d+ packages, each valid/,
      /^ ✓ first verified delivery after \d+ ms$/,
    ];
    expect(steps).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(steps[index]).toMatch(pattern);
    expect(run.stderr()).toMatch(/^ready {2}http:\/\/127\.0\.0\.1:\d+$/m);

    // The trickle begins by itself.
    await until(async () => {
      const page: { data: { type: string }[] } = await (await operator('/operator/events?limit=100')).json();
      return page.data.length > 36 || undefined;
    });
    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stderr()).toMatch(/^stopping; delivered and verified: [\d,]+ events? in [\d,]+ packages?$/m);
    expect(run.stdout() + run.stderr()).not.toMatch(/^\s+at /m);
  });

  it('leaves credentials that other programs can use', async () => {
    first = await devFile();
    expect(Object.keys(first)).toEqual([
      'base_url',
      'operator_token',
      'client_id',
      'client_secret',
      'key_id',
      'private_key_file',
      'public_key_file',
      'scopes',
    ]);
    expect((await stat(join(dataDir, 'dev.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
  });

  it('only serves with --no-demo, and refuses a second process on its data directory and its port', async () => {
    const run = start('--no-demo');
    await run.see(/ready {2}http/);
    const now = await devFile();
    expect(now).toEqual({ ...first, base_url: now.base_url });
    expect((await fetch(`${now.base_url}/readyz`)).status).toBe(200);
    expect(run.stdout()).not.toMatch(/✓/);

    // Nobody listens for the webhook of the demo now: this one waits for the next start.
    const event = example('ORDER.FILLED');
    leftOver = event.id;
    expect((await operator('/operator/events', { client_id: now.client_id, events: [event] })).status).toBe(202);

    const same = start('--no-demo');
    expect(await same.exit()).toBe(1);
    expect(same.stderr()).toMatch(/^bellhop: The data directory .* is in use by another process\..*--data-dir\.\n$/);

    const port = new URL(now.base_url).port;
    const other = bellhop(['dev', '--no-demo', '--port', port, '--data-dir', join(folder.path, 'other')]);
    expect(await other.exit()).toBe(1);
    expect(other.stderr()).toMatch(/^bellhop: Port \d+ on 127\.0\.0\.1 is in use\..*--port\.\n$/);

    expect((await fetch(`${now.base_url}/healthz`)).status).toBe(200);
    expect(await run.stop('SIGTERM')).toBe(0);
  });

  it('resumes: the same tenant and webhook, and what was left over arrives', async () => {
    const run = start();
    await run.see(/✓ webhook registered .*found again/);
    await run.see(/first verified delivery after \d+ ms/);
    expect((await devFile()).client_id).toBe(first.client_id);
    const webhooks: { data: unknown[] } = await (await operator('/operator/webhooks')).json();
    expect(webhooks.data).toHaveLength(1);
    await until(async () => {
      const event: { webhooks: { state: string }[] } = await (await operator(`/operator/events/${leftOver}`)).json();
      return event.webhooks[0]?.state === 'delivered' || undefined;
    });
    expect(await run.stop('SIGINT')).toBe(0);
  });

  it('makes the tenant again, with the same credentials, when the database is gone', async () => {
    await rm(join(dataDir, 'db'), { recursive: true });
    const run = start('--no-demo');
    await run.see(/ready {2}http/);
    const now = await devFile();
    expect(now).toEqual({ ...first, base_url: now.base_url });
    const client = createClient({
      baseUrl: now.base_url,
      clientId: now.client_id,
      clientSecret: now.client_secret,
      scopes: now.scopes,
      key: { keyId: now.key_id, privateKey: await readFile(now.private_key_file, 'utf8') },
    });
    expect((await client.token()).scopes).toEqual(now.scopes);
    expect((await client.webhooks.list()).data).toEqual([]);
    expect(await run.stop('SIGTERM')).toBe(0);
  });

  it('lives on when the reader of its output leaves', async () => {
    const run = start('--no-demo');
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    const { base_url } = await until(async () => {
      const file = await devFile();
      const answer = await fetch(`${file.base_url}/readyz`).catch(() => undefined);
      return answer?.status === 200 ? file : undefined;
    });
    run.child.kill('SIGTERM');
    expect(await run.exit()).toBe(0);
    await expect(fetch(`${base_url}/healthz`)).rejects.toThrow();
  });
});
