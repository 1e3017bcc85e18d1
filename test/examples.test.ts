// examples/: each is started as a reader does, takes deliveries over HTTP, is killed in the middle and goes on where it was.
// The service behind dev.json is played by a token and a key set: the real one is in the tests of the tutorial and the loop.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { privatePem, publicJwk } from '@bellhop/signatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Run, runNode, temporaryFolder } from '../packages/cli/src/program.fixture.ts';
import { createSender, eventOf, type Served, serve } from '../packages/handler/src/sender.fixture.ts';
import { needBuild } from './support/build.ts';

const sender = await createSender();
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let api: Served;

beforeAll(async () => {
  needBuild();
  folder = await temporaryFolder();
  api = await serve((request, response) => {
    const token = { access_token: 'token', expires_in: 3600, scope: 'webhooks:admin', token_type: 'bearer' };
    const body = request.url === '/auth/token' ? token : { keys: [publicJwk(sender.key)] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const keyFile = join(folder.path, 'key.pem');
  await writeFile(keyFile, privatePem(sender.key));
  const credentials = {
    base_url: new URL(api.url).origin,
    client_id: 'client',
    client_secret: 'secret',
    key_id: sender.key.keyId,
    private_key_file: keyFile,
  };
  await writeFile(join(folder.path, 'dev.json'), JSON.stringify(credentials));
});

afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
  await folder?.remove();
});

interface Started {
  readonly run: Run;
  readonly url: string;
  effects(): Promise<{ id: string; type: string; at: string }[]>;
}

async function start(name: string): Promise<Started> {
  const dataDir = join(folder.path, name);
  await mkdir(dataDir, { recursive: true });
  const env = { BELLHOP_DEV_JSON: join(folder.path, 'dev.json'), DATA_DIR: dataDir, PORT: '0' };
  const run = runNode(['examples/dist/main.js', name], env);
  const [, url = ''] = await run.see(/listening on (http:\/\/127\.0\.0\.1:\d+\/webhooks)/);
  return { run, url, effects: async () => (await fetch(new URL('/effects', url))).json() };
}

describe.each(['express', 'fastify', 'hono', 'next', 'lambda', 'nestjs'])('the example %s', (name) => {
  it('processes every acknowledged event once, also after SIGKILL, and unheard-of types too', async () => {
    let started = await start(name);
    try {
      const order = eventOf('ORDER.NEW');
      const filled = { ...eventOf('ORDER.FILLED'), object: order.object };
      const unheard = { ...eventOf('USER.CREATED'), type: 'VOUCHER.ISSUED' };
      const first = [order, filled, unheard];
      expect((await sender.post(started.url, first)).status).toBe(200);
      expect((await fetch(started.url, { method: 'POST', body: '{}', headers: jsonType })).status).toBe(401);
      await expect.poll(async () => (await started.effects()).length).toBe(3);
      const seen = await started.effects();
      const ofOrder = seen.filter(({ type }) => type.startsWith('ORDER.')).map(({ id }) => id);
      expect(ofOrder).toEqual([order.id, filled.id]);
      expect(seen.find(({ id }) => id === unheard.id)).toMatchObject({ type: 'VOUCHER.ISSUED' });
      expect(seen.every(({ at }) => !Number.isNaN(Date.parse(at)))).toBe(true);

      const large = {
        ...filled,
        id: eventOf('ORDER.FILLED').id,
        object: { ...order.object, note: 'x'.repeat(1_500_000) },
      };
      const burst = Array.from({ length: 40 }, () => eventOf('USER.CREATED'));
      expect((await sender.post(started.url, [large])).status).toBe(200);
      expect((await sender.post(started.url, burst)).status).toBe(200);
      await started.run.stop('SIGKILL');

      started = await start(name);
      expect(await (await sender.post(started.url, first)).json()).toEqual({ stored: 0, duplicates: 3 });
      const all = [...first, large, ...burst].map(({ id }) => id).sort();
      await expect
        .poll(async () => (await started.effects()).map(({ id }) => id).sort(), { timeout: 20_000 })
        .toEqual(all);
      expect((await started.effects()).slice(0, 3)).toEqual(seen);
      expect(await started.run.stop('SIGTERM')).toBe(0);
    } finally {
      await started.run.stop('SIGKILL');
    }
  });
});

describe('npm run example', () => {
  it('without a name lists the names and ends with 2', async () => {
    const run = runNode(['examples/dist/main.js', 'constructor']);
    expect(await run.exit()).toBe(2);
    expect(run.stderr()).toMatch(/express, fastify, hono, next, lambda, nestjs/);
  });
});

const jsonType = { 'content-type': 'application/json' };
