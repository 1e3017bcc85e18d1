// How much memory at full speed, and does it grow? 1,000 webhooks, publishing and delivering for five minutes.

import { type Bed, makeTenant, makeWebhooks, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { publishBodies } from './events.ts';
import { startSink } from './sink.ts';

const minutes = Number(process.env['BENCH_MINUTES'] ?? 5);

export const memory: Benchmark = {
  name: 'memory',
  question: 'How much memory does the service take, and does it stay flat?',
  defaultRounds: 1,
  async variants(bed) {
    return [{ name: 'bellhop, 1,000 webhooks', run: () => measure(bed) }];
  },
  ratios: [],
};

async function measure(bed: Bed) {
  const sink = await startSink();
  const database = await bed.database();
  const service = await startBenchService(database.url, { signingAlgorithm: 'ed25519' });
  const clientId = await makeTenant(service);
  await makeWebhooks(
    database,
    clientId,
    Array.from({ length: 1_000 }, () => ({ url: `${sink.url}/hook` })),
  );
  await hint(service, database);
  const samples: number[] = [];
  const until = performance.now() + minutes * 60_000;
  let published = 0;
  const sampling = setInterval(() => void service.usage().then(({ rssBytes }) => samples.push(rssBytes)), 2_000);
  while (performance.now() < until) {
    const [body = ''] = publishBodies(clientId, 100, 100);
    await service.publish(body);
    published += 100;
  }
  clearInterval(sampling);
  const { packages } = await sink.counts();
  await service.close();
  await database.drop();
  sink.close();
  const mebi = (bytes: number | undefined) => (bytes ?? 0) / 2 ** 20;
  const third = Math.floor(samples.length / 3);
  const mean = (part: readonly number[]) => part.reduce((sum, value) => sum + value, 0) / Math.max(1, part.length);
  return {
    maxMiB: mebi(Math.max(...samples)),
    secondThirdMiB: mebi(mean(samples.slice(third, 2 * third))),
    lastThirdMiB: mebi(mean(samples.slice(2 * third))),
    publishedPerSecond: published / (minutes * 60),
    packagesPerSecond: packages / (minutes * 60),
  };
}
