// What does a noisy neighbour cost the others? One tenant calls at fifty times its limit, 500 connections never finish their
// request, and 1,000 webhooks of another tenant are blocked; beside it the same load without them. Measured is what others
// notice: how long their calls take, and how late their packages are. Who makes the noise needs a good part of the same two
// cores, which no service can help: beside it stands the same noise made at another server.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPeer, newPeerKey, type PeerClient, type PeerKey } from '../../test/conformance/peer.ts';
import { type Bed, makeWebhooks, type RunningService, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { publishBodies } from './events.ts';
import { startNoise } from './noise-process.ts';
import { quantile } from './rounds.ts';
import { startSink } from './sink.ts';

const requestsPerSecond = 10;
const blockedWebhooks = 1_000;
const slowConnections = 500;
const tenants = 10;
const perSecond = 20;
const seconds = 30;
const delayMs = 1_000;

const calls = { measure: 'callP99Ms' };
const late = { measure: 'deliveryP99Ms' };
const target = { max: 1.2 };

export const noisyNeighbour: Benchmark = {
  name: 'noisy-neighbour',
  question: 'What does a noisy neighbour cost the others?',
  caveat:
    'Noise: 500 signed calls a second of one tenant, 50 times its limit; 500 connections that drip headers; 1,000 webhooks that hang or fail. Others: 10 tenants, 20 calls and 20 events a second together, 10 webhooks each. Noise, measuring and database share the two cores with the service.',
  async variants(bed) {
    return [
      { name: 'quiet', run: () => measure(bed, 'none') },
      { name: 'noise elsewhere', run: () => measure(bed, 'elsewhere') },
      { name: 'noisy', run: () => measure(bed, 'here') },
    ];
  },
  ratios: [
    { what: 'p99 of calls, noisy beside noise elsewhere', of: 'noisy', to: 'noise elsewhere', ...calls, target },
    { what: 'p99 of calls, noisy beside quiet', of: 'noisy', to: 'quiet', ...calls, target },
    {
      what: 'p99 of publish to receive, noisy beside noise elsewhere',
      of: 'noisy',
      to: 'noise elsewhere',
      ...late,
      target,
    },
    { what: 'p99 of publish to receive, noisy beside quiet', of: 'noisy', to: 'quiet', ...late, target },
  ],
};

interface Tenant {
  readonly clientId: string;
  readonly key: PeerKey;
  readonly peer: PeerClient;
}

async function makeSigner(service: RunningService): Promise<Tenant> {
  const { client_id: clientId, client_secret: clientSecret } = await service.operator<{
    client_id: string;
    client_secret: string;
  }>('POST', '/operator/tenants', { name: 'bench' });
  const made = newPeerKey('Ed25519');
  const { key_id: keyId } = await service.operator<{ key_id: string }>('POST', `/operator/tenants/${clientId}/keys`, {
    public_key: made.publicPem,
  });
  const key = { ...made, keyId };
  const peer = createPeer(service.url, { clientId, clientSecret, key });
  const answer = await peer.authorize('webhooks:read webhooks:admin');
  if (answer.status !== 200) throw new Error(`No token: ${answer.status} ${answer.text}`);
  return { clientId, key, peer };
}

async function measure(bed: Bed, where: 'none' | 'elsewhere' | 'here') {
  const arrivals = new Map<string, number[]>();
  const server = createServer((request, response) => {
    const arrivedMs = performance.now();
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(200).end();
      const { payload }: { payload: { id: string }[] } = JSON.parse(Buffer.concat(chunks).toString());
      // The first event of a package decides when it is due.
      const [first] = payload;
      if (first) arrivals.set(first.id, [...(arrivals.get(first.id) ?? []), arrivedMs]);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const sink = await startSink();
  const database = await bed.database();
  const service = await startBenchService(database.url, {
    requestsPerSecond,
    requestBurst: requestsPerSecond,
    signingAlgorithm: 'ed25519',
  });
  const others: Tenant[] = [];
  for (let index = 0; index < tenants; index += 1) {
    const tenant = await makeSigner(service);
    await makeWebhooks(
      database,
      tenant.clientId,
      Array.from({ length: 10 }, () => ({ url })),
    );
    others.push(tenant);
  }
  const noisy = await makeSigner(service);
  const blocked = await makeSigner(service);
  if (where === 'here') {
    await makeWebhooks(
      database,
      blocked.clientId,
      Array.from({ length: blockedWebhooks }, (_, index) => ({
        // Nothing listens on port 1.
        url: index % 10 === 0 ? `${sink.url}/hang` : 'http://127.0.0.1:1/',
      })),
    );
  }
  await hint(service, database);
  let noise: Awaited<ReturnType<typeof startNoise>> | undefined;
  if (where === 'here') {
    for (const body of publishBodies(blocked.clientId, 10, 10)) await service.publish(body);
    await untilBlocked();
  }
  if (where !== 'none') {
    noise = await startNoise({
      url: where === 'here' ? service.url : sink.url,
      clientId: noisy.clientId,
      token: noisy.peer.token ?? '',
      keyId: noisy.key.keyId,
      privateKey: noisy.key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      callsPerSecond: 50 * requestsPerSecond,
      slowConnections,
    });
  }
  // The first seconds of either are not measured: connections open, code becomes fast.
  await load(100, []);
  const [callsMs, published] = [[] as number[], [] as { id: string; answeredMs: number }[]];
  const before = await service.usage();
  await load(perSecond * seconds, published, callsMs);
  const after = await service.usage();
  const counts = await noise?.stop();
  const lateMs = published.flatMap(({ id, answeredMs }) =>
    (arrivals.get(id) ?? []).map((arrivedMs) => arrivedMs - answeredMs - delayMs),
  );
  await service.close();
  await database.drop();
  server.close();
  sink.close();
  return {
    callP50Ms: quantile(callsMs, 0.5),
    callP99Ms: quantile(callsMs, 0.99),
    deliveryP50Ms: quantile(lateMs, 0.5),
    deliveryP99Ms: quantile(lateMs, 0.99),
    calls: callsMs.length,
    packages: lateMs.length,
    servicePercentOfACore: (after.cpuMicros - before.cpuMicros) / seconds / 10_000,
    noiseRefused: counts?.['429'] ?? 0,
    noisePassed: counts?.['200'] ?? 0,
    slowClosed: counts?.['closed'] ?? 0,
  };

  async function untilBlocked(): Promise<void> {
    for (;;) {
      const [row] = await database.sql<{ count: number }[]>`
        select count(*)::int as count from webhooks where blocked_since is not null`;
      if ((row?.count ?? 0) >= blockedWebhooks) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function load(total: number, done: { id: string; answeredMs: number }[], tookMs: number[] = []): Promise<void> {
    const startMs = performance.now();
    const running: Promise<void>[] = [];
    for (let index = 0; index < total; index += 1) {
      const dueMs = startMs + (index * 1_000) / perSecond;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
      const tenant = others[index % tenants];
      if (!tenant) continue;
      const [body = ''] = publishBodies(tenant.clientId, 1, 1);
      const id: string = JSON.parse(body).events[0].id;
      running.push(
        service.publish(body).then(() => void done.push({ id, answeredMs: performance.now() })),
        (async () => {
          const sentMs = performance.now();
          const { status } = await tenant.peer.call('GET', '/webhooks');
          if (status !== 200) throw new Error(`a call of another tenant was answered ${status}`);
          tookMs.push(performance.now() - sentMs);
        })(),
      );
    }
    await Promise.all(running);
    await new Promise((resolve) => setTimeout(resolve, delayMs + 1_500));
  }
}
