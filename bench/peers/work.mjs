// The work that every peer does for one delivery: build the body of one event, sign it as Standard Webhooks do (HMAC-SHA-256),
// post it over a pool of 50 connections, expect a 2xx. And the frame around a run: publish in batches of 100 events, three
// jobs an event, while deliveries run; the clock stops when the sink has them all.

import { createHmac, randomBytes } from 'node:crypto';
import { Pool } from 'undici';

const input = JSON.parse(process.argv[2]);
export const { sinkUrl, databaseUrl, redisUrl, endpoints } = input;
const events = input.events;
const perBatch = 100;

const secret = randomBytes(32);
const pool = new Pool(sinkUrl, { connections: 50 });
let delivered = 0;
let finished;
const all = new Promise((resolve) => {
  finished = resolve;
});
const latencies = [];

export async function deliver({ endpoint, event, publishedMs }) {
  const body = JSON.stringify(event);
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', secret).update(`${event.id}.${timestamp}.${body}`).digest('base64');
  const answer = await pool.request({
    method: 'POST',
    path: `/hook/${endpoint}`,
    headers: {
      'content-type': 'application/json',
      'webhook-id': event.id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
    body,
  });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`The sink answered ${answer.statusCode}.`);
  latencies.push(Date.now() - publishedMs);
  delivered += 1;
  if (delivered === events * endpoints) finished();
}

/** `publish(jobs)` hands over the jobs of one batch, durably where the peer can; so many batches at a time as suits it best. */
export async function run({ publish, close, publishers = 4 }) {
  const batches = Array.from({ length: events / perBatch }, (_, batch) =>
    Array.from({ length: perBatch }, (_, index) => {
      const id = crypto.randomUUID();
      const object = { ...input.object, client_reference: `order-${batch * perBatch + index}` };
      return { id, created_at: new Date().toISOString(), type: 'ORDER.FILLED', object };
    }),
  );
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  let next = 0;
  const publisher = async () => {
    for (let index = next++; index < batches.length; index = next++) {
      const publishedMs = Date.now();
      await publish(
        batches[index].flatMap((event) =>
          Array.from({ length: endpoints }, (_, endpoint) => ({ endpoint, event, publishedMs })),
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: publishers }, publisher));
  await all;
  const seconds = (performance.now() - startMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  latencies.sort((a, b) => a - b);
  process.send({
    seconds,
    cpuMicros: cpu.user + cpu.system,
    rssBytes: process.memoryUsage.rss(),
    p50Ms: latencies[Math.floor(latencies.length / 2)],
    p99Ms: latencies[Math.floor(latencies.length * 0.99)],
  });
  await close();
  await pool.close();
  process.disconnect();
}
