// `bellhop listen` over an acceptor whose reading forgets, as Upvest's does: what is promised then, what is not, and that it
// says so. The acceptor is that of the service without positions, behind a relay that can lose an answer on its way.

import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { idsOf, startTarget, type Target } from '../listen/target.fixture.ts';
import { bellhop, type Run } from '../program.fixture.ts';
import { type DevService, startDev } from '../service.fixture.ts';
import { makeEvent } from '../trigger/make-event.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let service: DevService;
let relay: Awaited<ReturnType<typeof startRelay>>;
const stops: (() => unknown)[] = [];

beforeAll(async () => {
  service = await startDev();
  relay = await startRelay(service.url);
  const dev = JSON.parse(await readFile(service.devJson, 'utf8'));
  const { client_id, client_secret, key_id, private_key_file } = dev;
  const common = { client_id, client_secret, key_id, private_key_file };
  // What a profile of the sandbox looks like: no operator token, and another acceptor.
  const sandbox = { environment: 'sandbox', base_url: relay.url, ...common };
  const other = { environment: 'other', base_url: relay.url, ...common };
  const folder = join(service.env['XDG_CONFIG_HOME'] ?? '', 'bellhop');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify({ profiles: { sandbox, other } }), { mode: 0o600 });
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(async () => {
  relay?.close();
  await service?.close();
});

/** Passes calls on. Positions are taken out of answers: who does not ask for them never sees one. */
async function startRelay(to: string) {
  let losing = false;
  let lost = 0;
  const server = createServer((incoming, response) => {
    const isPoll = incoming.method === 'GET' && incoming.url?.startsWith('/events-acceptor-service/endpoints/');
    const outgoing = request(
      new URL(incoming.url ?? '/', to),
      { method: incoming.method, headers: incoming.headers },
      async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        if (isPoll && losing && body.length > 2) {
          losing = false;
          lost += 1;
          response.destroy();
          return;
        }
        const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
        const passed = isPoll ? body.toString().replaceAll(/,"position":\d+|"position":\d+,/g, '') : body;
        response.writeHead(answer.statusCode ?? 502, headers).end(passed);
      },
    );
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    lost: () => lost,
    /** The next answer with deliveries never arrives. */
    loseOne() {
      losing = true;
    },
    close: () => void server.close().closeAllConnections(),
  };
}

function listen(url: string, profile = 'sandbox'): Run {
  const args = ['listen', '--profile', profile, '--via', 'acceptor', '--title', 'forgetful', '-f', url];
  const run = bellhop(args, { ...service.env, BELLHOP_DEV_JSON: '' }, service.folder);
  stops.push(() => run.stop('SIGKILL'));
  return run;
}

async function target(port?: number): Promise<Target> {
  const started = await startTarget(port);
  stops.push(() => started.close());
  return started;
}

function publishedIds(count: number): Promise<readonly string[]> {
  return service.publish(Array.from({ length: count }, () => makeEvent({ type: 'ORDER.FILLED', set: [] })));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50));
}

const warning = /This acceptor forgets what it hands out.*lost\. For no loss: --url/;

describe('bellhop listen over an acceptor that forgets', () => {
  it('says what cannot be promised before it is ready, and removes its webhook in the end', async () => {
    const server = await target();
    const run = listen(server.url);
    await run.see(/^ready {2}every event of sandbox/m);
    expect(run.stderr()).toMatch(new RegExp(`${warning.source}[\\s\\S]*^ready`, 'm'));
    const ids = await publishedIds(3);
    await until(() => server.received.length > 0);
    expect(idsOf(server.received)).toEqual(ids);
    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stderr()).toMatch(/3 events in 1 package; webhook removed/);
  });

  it('keeps what it has read until it is passed on, also when it is killed', async () => {
    const before = await target();
    const first = listen(before.url);
    await first.see(/^ready/m);
    before.close();
    const ids = [...(await publishedIds(3))];
    // Read, and forgotten by the acceptor.
    await first.see(/is down \(ECONNREFUSED\)/);
    await first.stop('SIGKILL');
    const after = await target(before.port);
    const second = listen(after.url);
    await second.see(/found again from an earlier run/);
    await until(() => after.received.length > 0);
    ids.push(...(await publishedIds(2)));
    await until(() => new Set(idsOf(after.received)).size === 5);
    expect([...new Set(idsOf(after.received))]).toEqual(ids);
    expect(await second.stop('SIGINT')).toBe(0);
  });

  it('does not get an answer back that was lost on its way, says that something went wrong, and goes on in order', async () => {
    const server = await target();
    const run = listen(server.url);
    await run.see(/^ready/m);
    relay.loseOne();
    const gone = await publishedIds(2);
    await run.see(/; trying again/);
    expect(relay.lost()).toBe(1);
    await run.see(/connected again/);
    const ids = [...(await publishedIds(1)), ...(await publishedIds(1))];
    await until(() => new Set(idsOf(server.received)).size === 2);
    expect([...new Set(idsOf(server.received))]).toEqual(ids);
    expect(idsOf(server.received)).not.toContain(gone[0]);
    expect(await run.stop('SIGINT')).toBe(0);
  });

  it('finds out about an acceptor that nobody knows', async () => {
    const server = await target();
    const run = listen(server.url, 'other');
    await run.see(/^ready/m);
    expect(run.stderr()).not.toMatch(warning);
    const ids = [...(await publishedIds(2))];
    await run.see(warning);
    ids.push(...(await publishedIds(1)));
    await until(() => new Set(idsOf(server.received)).size === 3);
    expect([...new Set(idsOf(server.received))]).toEqual(ids);
    expect(await run.stop('SIGINT')).toBe(0);
  });

  it('leaves its webhook when something was refused', async () => {
    const server = await target();
    server.close();
    const run = listen(server.url);
    await run.see(/^ready/m);
    await publishedIds(1);
    await run.see(/is down/);
    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stderr()).toMatch(/events may wait, so the webhook stays; go on: bellhop listen/);
  });
});
