// No queue at all: what is published is posted at once, 50 requests at a time, and lost when the process ends. The ceiling of
// every queue that posts one event at a time, and the measure of the machine: the others are read beside it.

import { deliver, run } from './work.mjs';

const maxInFlight = 50;
let inFlight = 0;
const waiting = [];

async function post(job) {
  if (inFlight === maxInFlight) await new Promise((resolve) => waiting.push(resolve));
  else inFlight += 1;
  await deliver(job);
  const next = waiting.shift();
  if (next) next();
  else inFlight -= 1;
}

await run({ publish: (jobs) => Promise.all(jobs.map(post)), close: async () => {} });
process.exit(0);
