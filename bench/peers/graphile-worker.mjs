// graphile-worker tuned as its documentation recommends for throughput: local queue of 500, batched completion.

import { Logger, makeWorkerUtils, run as startRunner } from 'graphile-worker';
import pg from 'pg';
import { databaseUrl, deliver, run } from './work.mjs';

const pgPool = new pg.Pool({ connectionString: databaseUrl, max: 20 });
pgPool.on('error', (error) => console.error(error));
// A line for each task would be a good part of the work.
const logger = new Logger(() => () => {});
const utils = await makeWorkerUtils({ pgPool, logger });
await utils.migrate();
const runner = await startRunner({
  pgPool,
  concurrency: 50,
  noHandleSignals: true,
  taskList: { delivery: (payload) => deliver(payload) },
  preset: {
    worker: {
      pollInterval: 50,
      localQueue: { size: 500, ttl: 30_000, refetchDelay: { durationMs: 10 } },
      completeJobBatchDelay: 5,
      failJobBatchDelay: 5,
    },
  },
  logger,
});

await run({
  publish: (jobs) =>
    utils.withPgClient((client) =>
      client.query(
        `select graphile_worker.add_jobs(array(
           select json_populate_record(null::graphile_worker.job_spec, item) from json_array_elements($1::json) as item))`,
        [JSON.stringify(jobs.map((payload) => ({ identifier: 'delivery', payload, max_attempts: 10 })))],
      ),
    ),
  async close() {
    await runner.stop();
    await utils.release();
    await pgPool.end();
  },
});
process.exit(0);
