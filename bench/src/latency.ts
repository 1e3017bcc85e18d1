// How late is a package? From the moment it is due (the webhook's delay since its first event has passed) to the first byte at
// the receiver, at about half of the load that this machine carries.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KeyAlgorithm } from '@bellhop/signatures';
import { type Bed, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { publishBodies } from './events.ts';
import { quantile } from './rounds.ts';

const tenants = 300;
const webhooksPerTenant = 3;
const perSecond = 130;
const seconds = 20;
/** Not measured: connections open, code becomes fast. */
const warmUpSeconds = 3;
const delayMs = 1_000;

export const latency: Benchmark = {
  name: 'latency',
  question: 'How late is a package, from when it is due to the wire?',
  caveat:
    'The clock starts when the publish call was answered, the delay of one second is taken off. 300 tenants with three webhooks each, 130 single events a second, a tenant after the other: 390 packages a second, which is about half of what P-521 lets through here; with Ed25519 the same load is an eighth.',
  async variants(bed) {
    return [
      { name: 'bellhop, P-521', run: () => measure(bed, 'ecdsa-p521') },
      { name: 'bellhop, Ed25519', run: () => measure(bed, 'ed25519') },
    ];
  },
  ratios: [],
};

async function measure(bed: Bed, signingAlgorithm: KeyAlgorithm) {
  const arrivals = new Map<string, number>();
  const server = createServer((request, response) => {
    const arrivedMs = performance.now();
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(200).end();
      const { payload }: { payload: { id: string; webhook_id: string }[] } = JSON.parse(
        Buffer.concat(chunks).toString(),
      );
      // The first event of a package decides when it is due.
      const [first] = payload;
      if (first) arrivals.set(`${first.id}/${first.webhook_id}`, arrivedMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const database = await bed.database();
  const running = await startBenchService(database.url, { signingAlgorithm });
  const published: { id: string; answeredMs: number }[] = [];
  // One over the API makes sure that the partitions are there.
  const clientIds = [await makeTenant(running), ...Array.from({ length: tenants - 1 }, () => randomUUID())];
  await database.sql`
    insert into tenants (client_id, name, scopes, partition, secret_hash)
    select client_id, 'bench', '{}', (row_number() over ())::integer % (select count(*)::integer from partitions), 'none'
    from unnest(${clientIds.slice(1)}::uuid[]) as client_id`;
  for (const clientId of clientIds) {
    await makeWebhooks(
      database,
      clientId,
      Array.from({ length: webhooksPerTenant }, () => ({ url })),
    );
  }
  await hint(running, database);
  const startMs = performance.now();
  const calls: Promise<void>[] = [];
  for (let index = 0; index < perSecond * (warmUpSeconds + seconds); index += 1) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, startMs + (index * 1000) / perSecond - performance.now())),
    );
    const clientId = clientIds[index % tenants] ?? '';
    const [body = ''] = publishBodies(clientId, 1, 1);
    const id: string = JSON.parse(body).events[0].id;
    const isMeasured = index >= perSecond * warmUpSeconds;
    calls.push(
      running.publish(body).then(() => {
        if (isMeasured) published.push({ id, answeredMs: performance.now() });
      }),
    );
  }
  await Promise.all(calls);
  await new Promise((resolve) => setTimeout(resolve, delayMs + 1_000));
  const answeredMs = new Map(published.map((event) => [event.id, event.answeredMs]));
  const lateMs = [...arrivals].flatMap(([key, arrivedMs]) => {
    const answered = answeredMs.get(key.slice(0, key.indexOf('/')));
    return answered === undefined ? [] : [arrivedMs - answered - delayMs];
  });
  await running.close();
  await database.drop();
  server.close();
  return { p50Ms: quantile(lateMs, 0.5), p99Ms: quantile(lateMs, 0.99), packagesPerSecond: lateMs.length / seconds };
}
