// What do blocked webhooks cost the others? 10,000 webhooks of which none or 1 % hang; CPU per delivery of those that answer.

import { type Bed, delivered, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { inFlight, publishBodies, timed } from './events.ts';
import { startSink } from './sink.ts';

const webhooks = 10_000;
const busy = 100;
const hanging = 100;
const events = 2_000;

export const blocked: Benchmark = {
  name: 'blocked',
  question: 'What do hanging endpoints cost the others?',
  caveat: 'Of 10,000 webhooks 100 are busy; 0 or 100 others hang without an answer; the rest want other events.',
  async variants(bed) {
    return [
      { name: 'none blocked', run: () => measure(bed, 0) },
      { name: '1 % blocked', run: () => measure(bed, hanging) },
    ];
  },
  ratios: [
    {
      what: 'CPU per delivery, 1 % blocked beside none',
      of: '1 % blocked',
      to: 'none blocked',
      measure: 'cpuMicrosPerDelivery',
      target: { max: 1.1 },
    },
  ],
};

async function measure(bed: Bed, blockedCount: number) {
  const sink = await startSink();
  // Elsewhere: deliveries to one origin share its connections.
  const hangingSink = await startSink();
  const database = await bed.database();
  const service = await startBenchService(database.url, { signingAlgorithm: 'ed25519' });
  const clientId = await makeTenant(service);
  const hangingClient = await makeTenant(service);
  await makeWebhooks(database, clientId, [
    ...Array.from({ length: busy }, () => ({ url: `${sink.url}/hook`, type: ['ORDER'] })),
    ...Array.from({ length: webhooks - busy - blockedCount }, () => ({ url: `${sink.url}/hook`, type: ['USER'] })),
  ]);
  await makeWebhooks(
    database,
    hangingClient,
    Array.from({ length: blockedCount }, () => ({ url: `${hangingSink.url}/hang`, type: ['ORDER'] })),
  );
  await hint(service, database);
  for (const body of publishBodies(hangingClient, 100, 100)) await service.publish(body);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const bodies = publishBodies(clientId, events, 100);
  const before = await service.usage();
  const seconds = await timed(async () => {
    await inFlight(bodies, 2, service.publish);
    await delivered(database, clientId, events * busy);
  });
  const after = await service.usage();
  await service.close();
  await database.drop();
  sink.close();
  hangingSink.close();
  return {
    cpuMicrosPerDelivery: (after.cpuMicros - before.cpuMicros) / (events * busy),
    deliveriesPerSecond: (events * busy) / seconds,
  };
}
