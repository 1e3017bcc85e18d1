// What do webhooks cost that have nothing to do? CPU per published event with 1, 100 and 10,000 webhooks that do not match.

import { type Bed, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { inFlight, publishBodies } from './events.ts';

const events = 20_000;

export const idleWebhooks: Benchmark = {
  name: 'idle-webhooks',
  question: 'What do idle webhooks cost?',
  defaultRounds: 15,
  async variants(bed) {
    return [1, 100, 10_000].map((count) => ({ name: `${count} idle`, run: () => measure(bed, count) }));
  },
  ratios: [
    { what: '100 beside 1', of: '100 idle', to: '1 idle', measure: 'cpuMicrosPerEvent', target: { max: 1.1 } },
    { what: '10,000 beside 1', of: '10000 idle', to: '1 idle', measure: 'cpuMicrosPerEvent', target: { max: 1.1 } },
  ],
};

async function measure(bed: Bed, count: number) {
  const database = await bed.database();
  const service = await startBenchService(database.url);
  const clientId = await makeTenant(service);
  await makeWebhooks(
    database,
    clientId,
    Array.from({ length: count }, () => ({ url: 'http://127.0.0.1:9/', type: ['USER'] })),
  );
  await hint(service, database);
  await inFlight(publishBodies(clientId, 2_000, 100), 4, service.publish);
  const bodies = publishBodies(clientId, events, 100);
  const before = await service.usage();
  await inFlight(bodies, 4, service.publish);
  const after = await service.usage();
  await service.close();
  await database.drop();
  return { cpuMicrosPerEvent: (after.cpuMicros - before.cpuMicros) / events };
}
