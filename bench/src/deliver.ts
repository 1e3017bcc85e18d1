// How many deliveries a second? Three webhooks, packages of 64 KiB, publishing at the same time; beside a raw loop of signed
// posts of the same size on as many lanes.

import type { ServiceConfig } from '@bellhop/server';
import type { KeyAlgorithm } from '@bellhop/signatures';
import { type Bed, delivered, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { inFlight, publishBodies } from './events.ts';
import { rawLanes } from './raw-lanes.ts';
import { startSink } from './sink.ts';

const webhooks = 3;
const events = 60_000;
const packageBytes = 65_536;
/** Bytes of one of these events in a package; the raw loop posts bodies of the same size. */
const eventBytes = 680;

export const deliver: Benchmark = {
  name: 'deliver',
  question: 'How many deliveries (event x webhook) a second, and what do they cost?',
  caveat: 'Publishing runs at the same time, on the same two cores, with the database and the receiver.',
  async variants(bed) {
    return [
      { name: 'raw loop, P-521', run: () => raw('ecdsa-p521') },
      { name: 'bellhop, P-521', run: () => service(bed, 'ecdsa-p521') },
      { name: 'raw loop, Ed25519', run: () => raw('ed25519') },
      { name: 'bellhop, Ed25519', run: () => service(bed, 'ed25519') },
    ];
  },
  ratios: [
    {
      what: 'P-521 beside the raw loop',
      of: 'bellhop, P-521',
      to: 'raw loop, P-521',
      measure: 'deliveriesPerSecond',
      target: { min: 0.5 },
    },
    {
      what: 'Ed25519 beside the raw loop',
      of: 'bellhop, Ed25519',
      to: 'raw loop, Ed25519',
      measure: 'deliveriesPerSecond',
      target: { min: 0.5 },
    },
  ],
};

async function raw(algorithm: KeyAlgorithm) {
  const sink = await startSink();
  const packages = algorithm === 'ed25519' ? 4_000 : 1_500;
  const perSecond = await rawLanes({
    lanes: webhooks,
    bodyBytes: packageBytes,
    packages,
    algorithm,
    sinkUrl: sink.url,
  });
  sink.close();
  return { packagesPerSecond: perSecond, deliveriesPerSecond: perSecond * Math.floor(packageBytes / eventBytes) };
}

export async function service(bed: Bed, algorithm: KeyAlgorithm, settings: Partial<ServiceConfig> = {}) {
  const sink = await startSink();
  const database = await bed.database();
  const running = await startBenchService(database.url, { signingAlgorithm: algorithm, ...settings });
  const clientId = await makeTenant(running);
  await makeWebhooks(
    database,
    clientId,
    Array.from({ length: webhooks }, () => ({ url: `${sink.url}/hook`, maxPackageSize: packageBytes })),
  );
  // The worker learns of rows that came past the API by its comparison; a hint brings it forward.
  await hint(running, database);
  const bodies = publishBodies(clientId, events, 100).map((body) => Buffer.from(body));
  const walBefore = await database.wal();
  const cpuBefore = await bed.databaseCpuMicros();
  const before = await running.usage();
  const startedAt = Date.now();
  await inFlight(bodies, 4, running.publish);
  await delivered(database, clientId, events * webhooks);
  const after = await running.usage();
  const deliveries = events * webhooks;
  const { packages } = await sink.counts();
  // The last package of each webhook is not full and waits for its delay: it is left out of the rate.
  const [full] = await database.sql<{ deliveries: number; packages: number; ended_at: Date }[]>`
    select sum(event_count)::integer as deliveries, count(*)::integer as packages,
      max(started_at + duration_ms * interval '1 millisecond') as ended_at
    from attempts where id not in (select (array_agg(id order by first_offset desc))[1] from attempts group by webhook_id)`;
  const seconds = ((full?.ended_at.getTime() ?? 0) - startedAt) / 1000;
  const measures = {
    deliveriesPerSecond: (full?.deliveries ?? 0) / seconds,
    packagesPerSecond: (full?.packages ?? 0) / seconds,
    eventsPerPackage: deliveries / packages,
    serviceCpuMicrosPerDelivery: (after.cpuMicros - before.cpuMicros) / deliveries,
    databaseCpuMicrosPerDelivery: ((await bed.databaseCpuMicros()) - cpuBefore) / deliveries,
    walBytesPerDelivery: ((await database.wal()) - walBefore) / deliveries,
    rssMiB: after.rssBytes / 2 ** 20,
  };
  await running.close();
  await database.drop();
  sink.close();
  return measures;
}

/** Says for every webhook that it changed, as the API would have. */
export async function hint(
  running: Awaited<ReturnType<typeof startBenchService>>,
  database: Awaited<ReturnType<Bed['database']>>,
): Promise<void> {
  const rows = await database.sql<{ id: string; partition: number }[]>`select id, partition from webhooks`;
  for (let start = 0; start < rows.length; start += 100) {
    const items = rows.slice(start, start + 100).map(({ id, partition }) => `${partition}:${id}`);
    await database.sql.notify('bellhop_hints', `bench  ${items.join(',')}`);
  }
  // The service answers after it has taken the notifications in: they come in order on one connection.
  await running.operator('GET', '/operator/webhooks?limit=1');
  await new Promise((resolve) => setTimeout(resolve, 500 + rows.length / 5));
}
