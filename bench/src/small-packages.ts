// How many packages a second with one event each? 300 webhooks, beside raw posts signed the same way on as many lanes.

import type { KeyAlgorithm } from '@bellhop/signatures';
import { type Bed, delivered, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { publishBodies, timed } from './events.ts';
import { rawLanes } from './raw-lanes.ts';
import { startSink } from './sink.ts';

const webhooks = 300;
/** Each of these events goes to each webhook in a package of its own. */
const events: Readonly<Record<'ecdsa-p521' | 'ed25519', number>> = { 'ecdsa-p521': 20, ed25519: 60 };

export const smallPackages: Benchmark = {
  name: 'small-packages',
  question: 'How many packages a second, with one event each?',
  caveat: 'The service is stopped while the events are published, so that all lanes start at once.',
  async variants(bed) {
    return [
      { name: 'raw posts, P-521', run: () => raw('ecdsa-p521') },
      { name: 'bellhop, P-521', run: () => service(bed, 'ecdsa-p521') },
      { name: 'raw posts, Ed25519', run: () => raw('ed25519') },
      { name: 'bellhop, Ed25519', run: () => service(bed, 'ed25519') },
    ];
  },
  ratios: [
    {
      what: 'P-521 beside raw posts',
      of: 'bellhop, P-521',
      to: 'raw posts, P-521',
      measure: 'packagesPerSecond',
      target: { min: 0.7 },
    },
    {
      what: 'Ed25519 beside raw posts',
      of: 'bellhop, Ed25519',
      to: 'raw posts, Ed25519',
      measure: 'packagesPerSecond',
      target: { min: 0.4 },
    },
  ],
};

async function raw(algorithm: 'ecdsa-p521' | 'ed25519') {
  const sink = await startSink();
  const packages = webhooks * events[algorithm];
  const packagesPerSecond = await rawLanes({ lanes: webhooks, bodyBytes: 700, packages, algorithm, sinkUrl: sink.url });
  sink.close();
  return { packagesPerSecond };
}

async function service(bed: Bed, algorithm: KeyAlgorithm & ('ecdsa-p521' | 'ed25519')) {
  const sink = await startSink();
  const database = await bed.database();
  const first = await startBenchService(database.url, { signingAlgorithm: algorithm });
  const clientId = await makeTenant(first);
  await makeWebhooks(
    database,
    clientId,
    Array.from({ length: webhooks }, () => ({ url: `${sink.url}/hook`, maxPackageSize: 100 })),
  );
  await first.close();
  // Published by an API process without a worker, so that nothing is sent yet.
  const api = await startBenchService(database.url, { signingAlgorithm: algorithm, role: 'api' });
  await database.sql`update webhooks set enabled = false`;
  for (const body of publishBodies(clientId, events[algorithm], 100)) await api.publish(body);
  await api.close();

  const running = await startBenchService(database.url, { signingAlgorithm: algorithm });
  await database.sql`update webhooks set enabled = true, version = version + 1`;
  const packages = webhooks * events[algorithm];
  const before = await running.usage();
  const seconds = await timed(async () => {
    void hint(running, database);
    await delivered(database, clientId, packages);
  });
  const after = await running.usage();
  await running.close();
  await database.drop();
  sink.close();
  return {
    packagesPerSecond: packages / seconds,
    serviceCpuMicrosPerPackage: (after.cpuMicros - before.cpuMicros) / packages,
  };
}
