// What does somebody who looks cost? The service delivers at a steady pace, with and without one open dashboard: a client that
// does what the page "Now" does in a browser, the stream of server-sent events and the calls it repeats.

import { Agent, request } from 'undici';
import {
  type Bed,
  delivered,
  makeTenant,
  makeWebhooks,
  operatorToken,
  type RunningService,
  startBenchService,
} from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { hint } from './deliver.ts';
import { publishBodies } from './events.ts';
import { startSink } from './sink.ts';

const webhooks = 3;
const idle = 1_000;
const refused = 10;
const batchEvents = 100;
/** 2,000 events a second: a tenth of what the service delivers when it is pushed. */
const batchEveryMs = 50;
const seconds = 10;
const events = (seconds * 1_000 * batchEvents) / batchEveryMs;

export const openDashboard: Benchmark = {
  name: 'open-dashboard',
  question: 'What does an open dashboard cost?',
  caveat:
    'A steady 2,000 events a second to 3 webhooks, beside 1,000 idle and 10 blocked ones. The dashboard is an HTTP client that ' +
    'does what the page Now does: the stream, the chart every 5 s, the last 24 h every 30 s.',
  defaultRounds: 15,
  async variants(bed) {
    const world = await start(bed);
    // Compiled by now, with as many partitions, connections and rows as in all rounds.
    await measure(world, true);
    return [
      { name: 'closed', run: () => measure(world, false) },
      { name: 'open', run: () => measure(world, true) },
    ];
  },
  ratios: [
    {
      what: 'CPU of the service per delivery, open beside closed',
      of: 'open',
      to: 'closed',
      measure: 'serviceCpuMicrosPerDelivery',
      target: { max: 1.05 },
    },
    {
      what: 'CPU of the database per delivery, open beside closed',
      of: 'open',
      to: 'closed',
      measure: 'databaseCpuMicrosPerDelivery',
    },
  ],
};

interface World {
  readonly service: RunningService;
  readonly clientId: string;
  readonly databaseCpuMicros: () => Promise<number>;
  /** Resolves when everything that was published is delivered. */
  readonly idle: (published: number) => Promise<void>;
}

async function start(bed: Bed): Promise<World> {
  const sink = await startSink();
  bed.onClose(() => sink.close());
  const database = await bed.database();
  const service = await startBenchService(database.url);
  bed.onClose(() => service.close());
  const clientId = await makeTenant(service);
  const stuckClient = await makeTenant(service);
  await makeWebhooks(database, clientId, [
    ...Array.from({ length: webhooks }, () => ({ url: `${sink.url}/hook`, type: ['ORDER'] })),
    ...Array.from({ length: idle }, () => ({ url: `${sink.url}/hook`, type: ['USER'] })),
  ]);
  await makeWebhooks(
    database,
    stuckClient,
    Array.from({ length: refused }, () => ({ url: 'http://127.0.0.1:9/' })),
  );
  await hint(service, database);
  for (const body of publishBodies(stuckClient, 100, 100)) await service.publish(body);
  let all = 0;
  return {
    service,
    clientId,
    databaseCpuMicros: () => bed.databaseCpuMicros(),
    idle(published) {
      all += published;
      return delivered(database, clientId, all * webhooks);
    },
  };
}

async function measure({ service, clientId, databaseCpuMicros, idle: untilIdle }: World, isOpen: boolean) {
  const bodies = publishBodies(clientId, events, batchEvents);
  const page = isOpen ? await openPage(service) : undefined;
  const databaseBefore = await databaseCpuMicros();
  const before = await service.usage();
  const startedMs = performance.now();
  await steadily(bodies, service);
  const after = await service.usage();
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const databaseAfter = await databaseCpuMicros();
  const messages = await page?.close();
  await untilIdle(events);
  const deliveries = events * webhooks;
  return {
    serviceCpuMicrosPerDelivery: (after.cpuMicros - before.cpuMicros) / deliveries,
    databaseCpuMicrosPerDelivery: (databaseAfter - databaseBefore) / deliveries,
    serviceCpuMsPerSecond: (after.cpuMicros - before.cpuMicros) / 1_000 / tookSeconds,
    streamMessages: messages ?? 0,
  };
}

/** A batch each `batchEveryMs`, whatever the answers take. */
async function steadily(bodies: readonly string[], service: RunningService): Promise<void> {
  const startMs = performance.now();
  const answers: Promise<void>[] = [];
  for (const [index, body] of bodies.entries()) {
    const waitMs = startMs + index * batchEveryMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    answers.push(service.publish(body));
  }
  await Promise.all(answers);
  const restMs = startMs + bodies.length * batchEveryMs - performance.now();
  if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
}

/** Resolves with the first numbers. Closing answers how many messages the stream has sent. */
async function openPage(service: RunningService): Promise<{ close(): Promise<number> }> {
  const dispatcher = new Agent();
  const headers = { authorization: `Bearer ${operatorToken}` };
  const get = (path: string) => request(`${service.url}${path}`, { headers, dispatcher });
  const poll = (path: string, everyMs: number): NodeJS.Timeout => {
    const once = async (): Promise<void> => {
      const answer = await get(path);
      await answer.body.json();
    };
    void once();
    return setInterval(() => void once(), everyMs);
  };
  let messages = 0;
  const stream = await get('/operator/stream');
  const first = new Promise<void>((resolve) => {
    stream.body.on('data', (chunk: Buffer) => {
      messages += chunk.toString('utf8').split('event: overview').length - 1;
      if (messages > 0) resolve();
    });
  });
  // Ended from here when the page closes.
  stream.body.on('error', () => {});
  await first;
  const timers = [poll('/operator/rollups?range=1h', 5_000), poll('/operator/rollups?range=24h', 30_000)];
  return {
    async close() {
      for (const timer of timers) clearInterval(timer);
      stream.body.destroy();
      await dispatcher.destroy();
      return messages;
    },
  };
}
