// The real commands `bellhop check` and `bellhop bench` against handlers on loopback: what they say, write and end with.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@bellhop/client';
import { createHandler, remoteKeys, toNode } from '@bellhop/handler';
import { generateSigningKey, privatePem, verificationKeyOf } from '@bellhop/signatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listener, newMemory, rightSteps } from '../../../../test/bad-handlers/right-handler.ts';
import { needBuild } from '../../../../test/support/build.ts';
import { bellhop, runNode, temporaryFolder } from '../program.fixture.ts';
import { pageOf, probes } from './registry.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const key = await generateSigningKey(randomUUID(), 'ecdsa-p521');
const keys = new Map([[key.keyId, verificationKeyOf(key).publicKey]]);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let signer: readonly string[];

beforeAll(async () => {
  needBuild();
  folder = await temporaryFolder();
  const file = join(folder.path, 'key.pem');
  await writeFile(file, privatePem(key));
  signer = ['--key-file', file, '--key-id', key.keyId];
});
afterAll(() => folder.remove());

async function ended(args: readonly string[]) {
  const run = bellhop(args, {}, folder.path);
  return { code: await run.exit(), stdout: run.stdout(), stderr: run.stderr() };
}

async function served(handler: RequestListener) {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/webhooks`,
    effectsUrl: `http://127.0.0.1:${port}/effects`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function failuresIn(text: string): readonly (string | undefined)[] {
  return [...text.matchAll(/✗ fail +([\w-]+) /g)].map(([, id]) => id);
}

const right = () => listener(newMemory(keys), rightSteps);
const answers202 = () => listener(newMemory(keys), { ...rightSteps, answer: () => ({ status: 202 }) });

describe('bellhop check', () => {
  it('ends with 0 and says what could not be told when nothing failed', async () => {
    await using handler = await served(right());
    const { code, stdout, stderr } = await ended([
      'check',
      handler.url,
      ...signer,
      '--effects-url',
      handler.effectsUrl,
    ]);
    expect(stderr).toBe('');
    expect(code, stdout).toBe(0);
    for (const { id } of probes) expect(stdout).toContain(` ${id} `);
    expect(stdout).toMatch(/score 100 %: \d+ passed, 0 failed, 4 could not be told/);
    expect(stdout).toMatch(/could not tell {2}key-rotation .*--next-key-file/);
  });

  it('ends with 1 and shows what was seen, the fix and the page of each failure', async () => {
    await using handler = await served(answers202());
    const { code, stdout } = await ended(['check', handler.url, ...signer, '--only', 'delivery,get']);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /✗ fail +status-200 .*\n +seen {2}answered 202 .*\n +fix {3}.*\n +docs {2}docs\/check\/status-200\.md\n/,
    );
    expect(stdout.match(/✗/g)).toHaveLength(1);
    expect(stdout).not.toContain('unknown-type');
  });

  it('says the same as JSON and as JUnit XML', async () => {
    await using handler = await served(answers202());
    const junit = join(folder.path, 'doctor.xml');
    const args = ['--only', 'delivery', '--skip', 'size-1mib', '--json', '--junit', junit];
    const { code, stdout } = await ended(['check', handler.url, ...signer, ...args]);
    expect(code).toBe(1);
    const report: { score: object; probes: { id: string; result: string; fix?: string }[] } = JSON.parse(stdout);
    expect(report.score).toEqual({ passed: 5, failed: 1, unknown: 0, percent: 83 });
    expect(report.probes.find(({ id }) => id === 'status-200')).toMatchObject({
      result: 'fail',
      docs: 'docs/check/status-200.md',
    });
    const xml = await readFile(junit, 'utf8');
    expect(xml).toContain('tests="6" failures="1" errors="0" skipped="0"');
    expect(xml).toMatch(/<failure type="status-200" message="answered 202 instead of 200">/);
    expect(xml.match(/<testcase /g)).toHaveLength(6);
  });

  it('names one thing to correct when no delivery is taken at all', async () => {
    await using handler = await served((_request, response) => response.writeHead(404).end('no such page'));
    const { code, stdout } = await ended(['check', handler.url, ...signer]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/seen {2}answered 404 "no such page"; tried POST http:.*: is the path right\?/);
    expect(stdout).toMatch(/\d\d more probes: the first delivery was not acknowledged/);
    expect(stdout.split('\n').length).toBeLessThan(25);
  });

  it('reports a handler that hangs instead of waiting for it', async () => {
    await using handler = await served(() => {});
    const { code, stdout } = await ended(['check', handler.url, ...signer, '--timeout', '300ms']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ fail +single .*\n +seen {2}no answer within 0\.3 s/);
  });

  it('ends with 5 when the handler, the effects or the service that signs are not reachable', async () => {
    await using handler = await served(right());
    const devJson = join(folder.path, 'away.json');
    await writeFile(devJson, JSON.stringify({ base_url: 'http://127.0.0.1:1', operator_token: 'x' }));
    const runs = [
      ['check', 'http://127.0.0.1:1/webhooks', ...signer],
      ['check', handler.url, ...signer, '--effects-url', 'http://127.0.0.1:1/effects'],
      ['check', handler.url, '--dev-json', devJson],
      ['bench', 'http://127.0.0.1:1/webhooks', ...signer, '--packages', '2'],
    ];
    for (const args of runs) {
      const { code, stderr } = await ended(args);
      expect({ code, stderr }, args.join(' ')).toEqual({ code: 5, stderr: expect.stringMatching(/^bellhop: .+\n$/) });
    }
  });

  it('ends with 2 and one line for wrong usage', async () => {
    await using handler = await served(right());
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [['check'], /URL of the handler is missing/],
      [['check', 'localhost:3000'], /must be an http or https URL/],
      [['check', handler.url], /Nothing to sign with.*bellhop dev/],
      [['check', handler.url, ...signer, '--only', 'singel'], /there is no probe singel/],
      [['check', handler.url, ...signer, '--only', 'single', '--skip', 'delivery'], /No probe is left/],
      [['check', handler.url, ...signer, '--timeout', 'soon'], /--timeout must be a duration/],
      [['check', handler.url, ...signer, '--concurrency', '0'], /--concurrency must be a number from 1 to 32/],
      [['check', handler.url, '--key-file', 'key.pem'], /--key-file and --key-id go together/],
      [['check', handler.url, '--key-file', 'no.pem', '--key-id', 'x'], /no\.pem cannot be read/],
      [['check', handler.url, ...signer, '--effects-url', handler.url], /not a list of effects/],
      [['check', handler.url, ...signer, '--only', 'get', '--junit', '/no/such/folder/x.xml'], /cannot be written/],
      [['bench', handler.url, ...signer, '--packages', 'many'], /--packages must be a number/],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await ended(args);
      expect({ code, stderr }, args.join(' ')).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    }
  });

  it('signs through a running bellhop dev, whose keys the handler fetches', async () => {
    const dev = bellhop(['dev', '--no-demo', '--port', '0'], {}, folder.path);
    try {
      await dev.see(/ready\s+http/);
      const file: Record<string, string> = JSON.parse(await readFile(join(folder.path, '.bellhop/dev.json'), 'utf8'));
      const client = createClient({
        baseUrl: file['base_url'] ?? '',
        clientId: file['client_id'] ?? '',
        clientSecret: file['client_secret'] ?? '',
        key: { keyId: file['key_id'] ?? '', privateKey: await readFile(file['private_key_file'] ?? '', 'utf8') },
      });
      const webhooks = createHandler({ keys: remoteKeys(client) });
      await using handler = await served(toNode(webhooks));
      await using _ = webhooks;
      await webhooks.start();
      const { code, stdout, stderr } = await ended(['check', handler.url, '--json']);
      expect(stderr).toBe('');
      const report: { probes: { id: string; result: string; detail: string }[] } = JSON.parse(stdout);
      expect(report.probes.filter(({ result }) => result === 'fail')).toEqual([]);
      expect(report.probes.find(({ id }) => id === 'key-rotation')).toMatchObject({ result: 'pass' });
      expect(code).toBe(0);

      // The handler of the transcript, found as the transcript says.
      const port = await freePort();
      const env = { BELLHOP_DEV_JSON: join(folder.path, '.bellhop/dev.json'), PORT: `${port}` };
      const bad = runNode([join(root, 'docs/transcripts/handler.mjs')], env);
      const found = await ended(['check', `http://127.0.0.1:${port}/webhooks`, '--wait', '20s']).finally(() =>
        bad.stop(),
      );
      const transcript = readFileSync(join(root, 'docs/transcripts/check.md'), 'utf8');
      expect(found.code).toBe(1);
      expect(failuresIn(found.stdout)).toEqual(failuresIn(transcript));
    } finally {
      await dev.stop();
    }
  });
});

describe('the script of docs/how-to/check-in-ci.md', () => {
  it('starts service and handler, checks, leaves JUnit and stops both', async () => {
    const [servicePort, handlerPort] = [await freePort(), await freePort()];
    const env = {
      BELLHOP: `${process.execPath} ${join(root, 'packages/cli/bin/bellhop.js')}`,
      BELLHOP_PORT: `${servicePort}`,
      BELLHOP_DATA_DIR: join(folder.path, 'ci'),
      HANDLER: `${process.execPath} ${join(root, 'docs/tutorial/handler.mjs')}`,
      HANDLER_URL: `http://127.0.0.1:${handlerPort}/webhooks`,
      PORT: `${handlerPort}`,
    };
    const script = join(root, 'docs/how-to/check-in-ci.sh');
    const child = spawn('sh', [script], { cwd: folder.path, env: { ...process.env, ...env } });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data));
    const [code] = await once(child, 'close');
    expect(code, said).toBe(0);
    expect(await readFile(join(folder.path, 'doctor.xml'), 'utf8')).toContain('failures="0"');
    for (const port of [servicePort, handlerPort]) {
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    }
  });
});

describe('bellhop bench', () => {
  it('tells packages and events a second, percentiles and a histogram', async () => {
    await using handler = await served(right());
    const args = ['bench', handler.url, ...signer, '--packages', '40', '--events', '3'];
    const { code, stdout } = await ended(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/acknowledged +[\d,]+ packages\/s +[\d,]+ events\/s/);
    expect(stdout).toMatch(/p50 .* p90 .* p99 .* max/);
    const counts = [...stdout.matchAll(/^ +<= .*?(\d+)$/gm)].map(([, count]) => Number(count));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40);
    const { stdout: json } = await ended([...args, '--json']);
    expect(JSON.parse(json)).toMatchObject({ packages: 40, events_per_package: 3, acknowledged: 40, failed: 0 });
  });

  it('ends with 1 when packages were not acknowledged', async () => {
    await using handler = await served((_request, response) => response.writeHead(503).end());
    const { code, stdout } = await ended(['bench', handler.url, ...signer, '--packages', '5']);
    expect(code).toBe(1);
    expect(stdout).toContain('5 of 5 were not acknowledged: answered 503');
  });
});

describe('the pages of the probes', () => {
  it('each probe has one, with cause, behaviour and fix, and no page is left over', () => {
    const pages = readdirSync(join(root, 'docs/check')).filter((name) => name !== 'README.md');
    expect(pages.map((name) => `docs/check/${name}`).sort()).toEqual(probes.map(pageOf).sort());
    for (const probe of probes) {
      const text = readFileSync(join(root, pageOf(probe)), 'utf8');
      for (const part of ['# ', '## Cause\n', '## What the provider does\n', '## Fix\n']) expect(text).toContain(part);
      expect(text, probe.id).toContain(probe.fix);
    }
  });

  it('the list of the documents is that of the command', async () => {
    const { code, stdout } = await ended(['check', '--list', '--json']);
    const listed: { id: string; title: string; docs: string }[] = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(listed.map(({ id }) => id)).toEqual(probes.map(({ id }) => id));
    expect(listed.every(({ docs }) => existsSync(join(root, docs)))).toBe(true);
    const readme = readFileSync(join(root, 'docs/check/README.md'), 'utf8');
    const rows = [...readme.matchAll(/^\| \[([\w-]+)\]\([\w-]+\.md\) \| (.+) \|$/gm)].map(
      ([, id, title]) => `${id} ${title}`,
    );
    expect(rows).toEqual(probes.map(({ id, title }) => `${id} ${title}`));
  });
});
