// How late is a package? From the moment it is due (the webhook's delay since its first event has passed) to the first byte at
// the receiver, at about half of the load that this machine carries.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Bed, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { publishBodies } from './events.ts';
import { quantile } from './rounds.ts';

const webhooks = 100;
const perSecond = 20;
const seconds = 10;
const delayMs = 1_000;

export const latency: Benchmark = {
  name: 'latency',
  question: 'How late is a package, from when it is due to the wire?',
  caveat:
    'The clock starts when the publish call was answered, the delay of one second is taken off. 100 webhooks, 20 single events a second to each tenth webhook: about 200 packages a second, signed with P-521.',
  async variants(bed) {
    return [{ name: 'bellhop', run: () => measure(bed) }];
  },
  ratios: [],
};

async function measure(bed: Bed) {
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
  const running = await startBenchService(database.url);
  const groups = 10;
  const published: { id: string; clientId: string; answeredMs: number }[] = [];
  const tenants: string[] = [];
  for (let group = 0; group < groups; group += 1) {
    const clientId = await makeTenant(running);
    await makeWebhooks(
      database,
      clientId,
      Array.from({ length: webhooks / groups }, () => ({ url })),
    );
    tenants.push(clientId);
  }
  await hint(running, database);
  const startMs = performance.now();
  const calls: Promise<void>[] = [];
  for (let index = 0; index < perSecond * seconds; index += 1) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, startMs + (index * 1000) / perSecond - performance.now())),
    );
    const clientId = tenants[index % groups] ?? '';
    const [body = ''] = publishBodies(clientId, 1, 1);
    const id: string = JSON.parse(body).events[0].id;
    calls.push(running.publish(body).then(() => void published.push({ id, clientId, answeredMs: performance.now() })));
  }
  await Promise.all(calls);
  await new Promise((resolve) => setTimeout(resolve, delayMs + 1_000));
  const lateMs = published.flatMap(({ id, answeredMs }) =>
    [...arrivals].flatMap(([key, arrivedMs]) => (key.startsWith(id) ? [arrivedMs - answeredMs - delayMs] : [])),
  );
  await running.close();
  await database.drop();
  server.close();
  return { p50Ms: quantile(lateMs, 0.5), p99Ms: quantile(lateMs, 0.99), packages: lateMs.length };
}
