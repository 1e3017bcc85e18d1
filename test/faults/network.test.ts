// Connections that break: resets, refusals and stalls between the service and its database, and between the sender and its
// endpoints; and endpoints that hang, answer late, answer 500 in bursts, end in the middle of a body or send 100 MiB.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needsPostgres, postgresUrl } from '../support/postgres.ts';
import type { Behaviour } from './endpoint.ts';
import { drawChance, roundsOf } from './seed.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { Totals } from './totals.ts';
import { makeWorld, type World } from './world.ts';

const chance = drawChance();
const totals = new Totals('broken connections and hostile endpoints', chance.seed);
const rounds = roundsOf(0.3);

describe.skipIf(!postgresUrl())(`with a broken network ${needsPostgres}`, () => {
  let world: World;
  let proxy: TcpProxy;

  beforeAll(async () => {
    world = await makeWorld({
      chance,
      databaseUrl: async ({ port, url }) => {
        proxy = await startTcpProxy({ host: '127.0.0.1', port });
        return url.replace(String(port), String(proxy.port));
      },
    });
  }, 90_000);

  afterAll(async () => {
    proxy?.resume();
    totals.print();
    await world?.close();
    await proxy?.close();
  });

  const kinds: Record<string, () => Promise<void>> = {
    async 'resets to the database'() {
      for (let times = chance.between(3, 8); times > 0; times -= 1) {
        totals.fault(
          'database connections cut',
          world.webhooks.length,
          proxy.cut(() => chance.next() < 0.5),
        );
        await sleep(chance.between(20, 400));
      }
    },
    async 'an endpoint of every kind'() {
      const behaviours: readonly Behaviour[] = ['error', 'late', 'huge', 'mid-body', 'reset', 'mid-request', 'hang'];
      for (const [index, endpoint] of world.endpoints.entries()) {
        const behaviour = behaviours[index];
        if (behaviour === undefined) continue;
        // Two of its own, then well again: the waits of a blocked webhook grow.
        let times = 2;
        endpoint.behave = () => (times-- > 0 ? behaviour : 'ok');
        totals.fault(`endpoint: ${behaviour}`, 0);
      }
      await world.publishers.more(100);
      // Long enough to be posted to, short of the sender's own time-out.
      await sleep(2_000);
      for (const endpoint of world.endpoints) endpoint.release();
      await sleep(2_000);
      for (const endpoint of world.endpoints) endpoint.release();
    },
    async 'a database that refuses connections for longer than the lease'() {
      proxy.refuse();
      totals.fault('database refused', world.webhooks.length);
      await sleep(6_000);
      proxy.resume();
    },
    async '500 in bursts'() {
      for (const endpoint of world.endpoints) {
        let burst = 0;
        endpoint.behave = () => {
          if (burst === 0 && chance.next() < 0.1) burst = chance.between(1, 2);
          if (burst === 0) return 'ok';
          burst -= 1;
          return 'error';
        };
      }
      totals.fault('500 in bursts', 0);
      await world.publishers.more(300);
      totals.fault('database connections cut', world.webhooks.length, proxy.cut());
      for (const endpoint of world.endpoints) endpoint.behave = () => 'ok';
    },
    async 'a database that stalls for longer than the lease'() {
      proxy.stall();
      totals.fault('database stalled', world.webhooks.length);
      await sleep(6_000);
      proxy.resume();
    },
    async 'resets everywhere'() {
      for (const endpoint of world.endpoints) {
        endpoint.behave = () => chance.pick(['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'reset', 'mid-request']);
      }
      totals.fault('endpoint resets', 0);
      for (let times = 4; times > 0; times -= 1) {
        totals.fault(
          'database connections cut',
          world.webhooks.length,
          proxy.cut(() => chance.next() < 0.3),
        );
        await sleep(chance.between(50, 500));
      }
      for (const endpoint of world.endpoints) endpoint.behave = () => 'ok';
    },
  };
  const plan = Object.keys(kinds);

  for (let round = 0; round < rounds; round += 1) {
    const kind = plan[round % plan.length] ?? '';
    it(`loses, reorders and changes nothing: ${kind} (round ${round + 1})`, async () => {
      await world.publishers.more(chance.between(50, 150));
      await kinds[kind]?.();
      await world.publishers.more(20);
      const verdict = await world.settle();
      totals.round(world, verdict);
    }, 120_000);
  }

  it('compared blocked packages', async () => {
    const { blockedCompared } = await world.settle();
    expect(blockedCompared).toBeGreaterThan(0);
  });
});
