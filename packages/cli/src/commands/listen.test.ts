// `bellhop listen` by the real command against a real service: what arrives, what is forwarded, and what survives.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { createClient } from '@bellhop/client';
import { createHandler, memoryInbox, remoteKeys, toNode } from '@bellhop/handler';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { idsOf, startTarget, type Target } from '../listen/target.fixture.ts';
import { bellhop, type Run } from '../program.fixture.ts';
import { type DevService, startDev } from '../service.fixture.ts';

// Many processes, one after the other: a busy machine needs its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let service: DevService;
const running: Run[] = [];
const servers: Server[] = [];
const targets: Target[] = [];
/** What a killed run left behind must not reach the next test. */
let round = 0;

beforeAll(async () => {
  service = await startDev();
});
afterEach(async () => {
  round += 1;
  for (const run of running.splice(0)) await run.stop('SIGKILL');
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  for (const started of targets.splice(0)) started.close();
  for (const { id } of await webhooks()) await service.cli('webhooks', 'rm', id);
});
afterAll(() => service?.close());

function listen(...args: readonly string[]): Run {
  const run = bellhop(['listen', '--title', `test ${round}`, ...args], service.env, service.folder);
  running.push(run);
  return run;
}

async function webhooks(): Promise<
  readonly { readonly id: string; readonly enabled: boolean; readonly url: string }[]
> {
  return JSON.parse((await service.cli('webhooks', 'list', '--json')).stdout);
}

const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

async function target(...args: Parameters<typeof startTarget>): Promise<Target> {
  const started = await startTarget(...args);
  targets.push(started);
  return started;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function publishedIds(...args: readonly string[]): Promise<string[]> {
  const made = jsonLines((await service.cli('trigger', ...args, '--dry-run')).stdout);
  const publish = bellhop(['events', 'publish', '--json'], service.env);
  publish.child.stdin?.end(made.map((event) => `${JSON.stringify(event)}\n`).join(''));
  expect(await publish.exit()).toBe(0);
  return made.map(({ id }) => id);
}

describe.each(['direct', 'acceptor'])('bellhop listen --via %s', (via) => {
  it('shows verified events, saves them, and removes its webhook when it ends', async () => {
    const run = listen('--via', via, '--events', 'ORDER.*,USER.CREATED', '--save', `saved-${via}.ndjson`);
    await run.see(/ready {2}ORDER\.\*, USER\.CREATED of local/);
    await publishedIds('USER.CREATED');
    // Arrived, so that what follows cannot be in the same package.
    await run.see(/✓ 200 .* USER\.CREATED {2}pkg/);
    await publishedIds('USER.ACTIVATED');
    const ids = await publishedIds('ORDER.FILLED', '--count', '3');
    await run.see(/✓ 200 .* 3 events {2}ORDER\.FILLED ×3 {2}pkg [0-9a-f]{4}\n/);
    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stdout()).not.toMatch(/USER\.ACTIVATED/);
    expect(run.stderr()).toMatch(/4 events in (1 package|\d packages); webhook removed/);
    const saved = jsonLines(await readFile(join(service.folder, `saved-${via}.ndjson`), 'utf8'));
    expect(saved.slice(1).map(({ id }) => id)).toEqual(ids);
    expect(await webhooks()).toEqual([]);
  });

  it('goes on after a kill: the webhook is found again, nothing is lost or reordered', async () => {
    const server = await target();
    const args = ['--via', via, '-f', server.url, '--json'];
    const first = listen(...args);
    const [, id] = await first.see(/"webhook_id":"([^"]+)"/);
    const ids = await publishedIds('ORDER.NEW', '--count', '40', '--same-key');
    await until(() => server.received.length > 0);
    await first.stop('SIGKILL');
    ids.push(...(await publishedIds('ORDER.FILLED', '--count', '40', '--same-key')));
    const second = listen(...args);
    await second.see(new RegExp(`"webhook_id":"${id}","reused":true`));
    await until(() => new Set(idsOf(server.received)).size === 80);
    expect([...new Set(idsOf(server.received))]).toEqual(ids);
    expect(await second.stop('SIGINT')).toBe(0);
    expect(jsonLines(second.stdout()).at(-1)).toMatchObject({ kind: 'stopped', webhook_removed: true });
  });

  it('waits for a server that is down, keeps the order, and leaves the webhook while events wait', async () => {
    const before = await target();
    const args = ['--via', via, '-f', before.url];
    const run = listen(...args);
    await run.see(/ready/);
    before.close();
    const ids = await publishedIds('ORDER.FILLED', '--count', '5');
    await run.see(/is down \(ECONNREFUSED\); packages wait/);
    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stderr()).toMatch(/wait, so the webhook stays; go on: bellhop listen/);
    const again = listen(...args);
    await again.see(/found again from an earlier run/);
    await again.see(/is down/);
    ids.push(...(await publishedIds('ORDER.FILLED', '--count', '5')));
    const after = await target(before.port);
    await again.see(/is back after/);
    await until(() => new Set(idsOf(after.received)).size === 10);
    expect([...new Set(idsOf(after.received))]).toEqual(ids);
  });

  it('honours the answer: what is refused comes again before anything else', async () => {
    const server = await target(0, (_, index) => (index === 0 ? 404 : 200));
    const run = listen('--via', via, '-f', server.url);
    await run.see(/ready/);
    const ids = await publishedIds('ORDER.FILLED');
    await run.see(/✗ 404 .*is the path right\? tried POST http/);
    ids.push(...(await publishedIds('ORDER.NEW')));
    await until(() => new Set(idsOf(server.received)).size === 2);
    expect(server.received[0]?.body).toBe(server.received[1]?.body);
    expect([...new Set(idsOf(server.received))]).toEqual(ids);
  });

  it('forwards a package of 1 MiB whole, and a thousand events a second in order', async () => {
    const server = await target();
    const run = listen('--via', via, '-f', server.url, '--quiet', '--max-package-size', '1048576');
    await run.see(/ready/);
    const large = makeLarge();
    const publish = bellhop(['events', 'publish', '--json'], service.env);
    publish.child.stdin?.end(JSON.stringify([large]));
    expect(await publish.exit()).toBe(0);
    await until(() => server.received.length === 1);
    expect(Buffer.byteLength(server.received[0]?.body ?? '')).toBeGreaterThan(1_000_000);
    expect(JSON.parse(server.received[0]?.body ?? '').payload[0].object).toEqual(large.object);
    const ids = await publishedIds('POSITION.UPDATED', '--count', '3000');
    await until(() => new Set(idsOf(server.received)).size === 3_001);
    expect([...new Set(idsOf(server.received))].slice(1)).toEqual(ids);
  }, 120_000);
});

function makeLarge() {
  return {
    id: crypto.randomUUID(),
    type: 'REPORT.CREATED',
    object: { id: crypto.randomUUID(), text: 'é'.repeat(510_000) },
  };
}

describe('bellhop listen --forward-to', () => {
  it.each([
    ['the original signatures', ['--via', 'direct']],
    ['signatures made anew', ['--via', 'acceptor', '--resign']],
  ])('a handler of the kit verifies %s', async (_, args) => {
    const dev = JSON.parse(await readFile(service.devJson, 'utf8'));
    const client = createClient({
      baseUrl: dev.base_url,
      clientId: dev.client_id,
      clientSecret: dev.client_secret,
      key: { keyId: dev.key_id, privateKey: await readFile(dev.private_key_file, 'utf8') },
    });
    const seen: string[] = [];
    const handler = createHandler({ keys: remoteKeys(client), inbox: memoryInbox() }).on(
      '*',
      async ({ id }) => void seen.push(id),
    );
    await handler.start();
    const server = createServer(toNode(handler)).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const run = listen('-f', `localhost:${port}/webhooks`, ...args);
    await run.see(/ready/);
    const ids = await publishedIds('USER.CREATED', '--count', '2');
    await run.see(/✓ 200 .*USER\.CREATED ×2/);
    await handler.drain();
    expect(seen).toEqual(ids);
    await handler.stop();
  });

  it('refuses what was not signed by the service', async () => {
    const run = listen();
    await run.see(/ready/);
    const [webhook] = await webhooks();
    const answer = await fetch(webhook?.url ?? '', { method: 'POST', body: '{"payload":[]}' });
    expect(answer.status).toBe(401);
    await run.see(/✗ 401 .*not verified: missing_signature/);
  });

  it.each([
    [['--events', 'orders'], /no category ORDERS to listen to\. Near: ORDER/],
    [['-f', 'http://'], /--forward-to takes a URL/],
    [['--resign'], /Add --forward-to/],
    [['--via', 'pigeon'], /Allowed choices are direct, acceptor/],
  ])('refuses %j with 2', async (args, message) => {
    const { code, stderr } = await service.cli('listen', ...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it('keeps a second listener with the same title away', async () => {
    const run = listen();
    await run.see(/ready/);
    const { code, stderr } = await service.cli('listen', '--title', `test ${round}`);
    expect(stderr).toMatch(/Another bellhop listen with this title is running/);
    expect(code).toBe(2);
  });
});
