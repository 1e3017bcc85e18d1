// A commit whose answer never comes: the connection is cut after the server has committed and before the service hears of
// it. Every such write is repeated by the service or by the publisher, so every one must bear to be done twice.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needsPostgres, postgresUrl } from '../support/postgres.ts';
import { type CommitCutter, startCommitCutter } from './commit-cutter.ts';
import { drawChance } from './seed.ts';
import { Totals } from './totals.ts';
import { makeWorld, type World } from './world.ts';

const chance = drawChance();
const totals = new Totals('commits that were not answered', chance.seed);

describe.skipIf(!postgresUrl())(`a commit that is not answered ${needsPostgres}`, () => {
  let world: World;
  let cutter: CommitCutter;

  beforeAll(async () => {
    world = await makeWorld({
      chance,
      tenants: 2,
      databaseUrl: async ({ port, url }) => {
        cutter = await startCommitCutter({ host: '127.0.0.1', port });
        return url.replace(String(port), String(cutter.port));
      },
    });
  }, 90_000);

  afterAll(async () => {
    totals.print();
    await world?.close();
    await cutter?.close();
  });

  it('is repeated without harm: attempts, cursors, checkpoints, blocked packages, events', async () => {
    for (const endpoint of world.endpoints) endpoint.behave = () => (chance.next() < 0.1 ? 'error' : 'ok');
    await world.publishers.more(50);
    for (let times = 0; times < 10; times += 1) {
      const before = cutter.cuts;
      cutter.cutNext();
      await expect.poll(() => cutter.cuts, { timeout: 30_000 }).toBeGreaterThan(before);
      totals.fault('commits cut', world.webhooks.length);
      await world.publishers.more(30);
    }
    for (const endpoint of world.endpoints) endpoint.behave = () => 'ok';
    totals.round(world, await world.settle());
  }, 120_000);
});
