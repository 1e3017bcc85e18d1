// SIGKILL of workers, of the API and of the database server at random moments under load. Two workers, one API process,
// one PostgreSQL server; whatever dies is started again.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needsPostgres, postgresUrl } from '../support/postgres.ts';
import { drawChance, roundsOf } from './seed.ts';
import type { ServeProcess } from './serve-process.ts';
import { Totals } from './totals.ts';
import { makeWorld, type World } from './world.ts';

const chance = drawChance();
const totals = new Totals('SIGKILL of worker, API and database', chance.seed);
const rounds = roundsOf(1);

describe.skipIf(!postgresUrl())(`under SIGKILL ${needsPostgres}`, () => {
  let world: World;
  let api: ServeProcess;
  const workers: ServeProcess[] = [];

  beforeAll(async () => {
    world = await makeWorld({ chance, role: 'api' });
    const [first] = world.apis;
    if (!first) throw new Error('The API did not start.');
    api = first;
    workers.push(...(await Promise.all([world.start({ role: 'worker' }), world.start({ role: 'worker' })])));
    // One webhook of each tenant is blocked now and then: its package must be the same after the kill.
    for (const endpoint of world.endpoints.filter((_, index) => index % 3 === 0)) {
      endpoint.behave = () => (chance.next() < 0.1 ? 'error' : 'ok');
    }
  }, 90_000);

  afterAll(async () => {
    totals.print();
    await world?.close();
  });

  const kinds = {
    worker: async () => {
      const index = chance.between(0, workers.length - 1);
      const victim = workers[index];
      if (!victim) throw new Error('There is no worker.');
      await world.kill(victim);
      workers[index] = await world.start({ role: 'worker' });
    },
    API: async () => {
      await world.kill(api);
      api = await world.start({ role: 'api' });
    },
    database: async () => {
      await world.crashDatabase();
      await sleep(chance.between(0, 1_000));
      await world.startDatabase();
    },
    everything: async () => {
      await Promise.all([world.kill(api), ...workers.map((worker) => world.kill(worker)), world.crashDatabase()]);
      await world.startDatabase();
      api = await world.start({ role: 'api' });
      workers.splice(0, 2, ...(await Promise.all([world.start({ role: 'worker' }), world.start({ role: 'worker' })])));
    },
  };
  const plan = ['worker', 'API', 'database', 'worker', 'database', 'everything'] as const;

  for (let round = 0; round < rounds; round += 1) {
    const kind = plan[round % plan.length] ?? 'worker';
    it(`loses, reorders and changes nothing when it is the ${kind} that dies (round ${round + 1})`, async () => {
      await world.publishers.more(chance.between(50, 300));
      await sleep(chance.between(0, 300));
      await kinds[kind]();
      totals.fault(kind, kind === 'API' ? 0 : world.webhooks.length);
      totals.round(world, await world.settle());
    }, 120_000);
  }

  it('sent some batches twice and some packages again, so that ids and blocked packages were put to the test', async () => {
    expect(world.publishers.resent).toBeGreaterThan(0);
    const { blockedCompared } = await world.settle();
    expect(blockedCompared).toBeGreaterThan(0);
  });
});
