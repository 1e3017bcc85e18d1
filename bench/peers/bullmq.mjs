// BullMQ on Redis: addBulk, one worker with concurrency 50, finished jobs removed. Redis keeps nothing on disk here.

import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { deliver, redisUrl, run } from './work.mjs';

const connection = () => new Redis(redisUrl, { maxRetriesPerRequest: null });
const queue = new Queue('deliveries', {
  connection: connection(),
  defaultJobOptions: {
    removeOnComplete: true,
    removeOnFail: true,
    attempts: 10,
    backoff: { type: 'exponential', delay: 1000 },
  },
});
const worker = new Worker('deliveries', (job) => deliver(job.data), { connection: connection(), concurrency: 50 });
await worker.waitUntilReady();

await run({
  publish: (jobs) => queue.addBulk(jobs.map((data) => ({ name: 'delivery', data }))),
  async close() {
    await worker.close();
    await queue.close();
  },
});
process.exit(0);
