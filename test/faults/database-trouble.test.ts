// The database is away when the service starts, goes away while it runs, is full, is slow, or is too new: what the service
// says, and that nothing is harmed.

import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../support/postgres.ts';
import { startCluster } from '../support/postgres-cluster.ts';
import { drawChance } from './seed.ts';
import { operator, operatorToken, type ServeProcess, spawnServe, startServe } from './serve-process.ts';
import { makeWorld, type World } from './world.ts';

const chance = drawChance();

async function publish(url: string, client_id: string): Promise<Response> {
  return fetch(`${url}/operator/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_id, events: [{ type: 'ORDER.FILLED', object: { id: 'x' } }] }),
  });
}

describe.skipIf(!postgresUrl())(`a database that is away at the start ${needsPostgres}`, () => {
  it('is asked again with a line each time, then the command ends with 1 and one line', async () => {
    const service = spawnServe({
      databaseUrl: 'postgres://bellhop:hidden@127.0.0.1:1/none',
      env: { BELLHOP_DATABASE_WAIT_MS: '1500' },
    });
    expect(await service.exited).toBe(1);
    const lines = service.said().trim().split('\n');
    const waiting = lines.filter((line) => line.includes('the database does not answer yet, trying again'));
    expect(waiting.length).toBeGreaterThanOrEqual(2);
    expect(waiting[0]).toContain('ECONNREFUSED');
    expect(lines.at(-1)).toMatch(
      /^bellhop: The database cannot be reached: .*Start PostgreSQL, or correct --database-url/,
    );
    expect(service.said()).not.toMatch(/hidden|\n {4}at /);
  });

  it('is used as soon as it is there', async () => {
    const cluster = await startCluster();
    let service: ServeProcess | undefined;
    try {
      await cluster.stop();
      service = spawnServe({ databaseUrl: cluster.url });
      await service.see(/does not answer yet/);
      await cluster.start();
      await service.see(/^ready {2}http/m);
      expect(await service.stop()).toBe(0);
    } finally {
      await service?.kill();
      await cluster.remove();
    }
  });

  it('does not keep a stop waiting', async () => {
    const service = spawnServe({ databaseUrl: 'postgres://127.0.0.1:1/none' });
    await service.see(/does not answer yet/);
    expect(await service.stop()).toBe(0);
  });
});

describe.skipIf(!postgresUrl())(`a schema that is newer than the program ${needsPostgres}`, () => {
  it('ends the start with one line and is left as it is', async () => {
    const fresh = await freshDatabase();
    const sql = postgres(fresh.url, { max: 1 });
    try {
      await (await startServe({ databaseUrl: fresh.url })).stop();
      await sql`insert into migrations (id) values (9999)`;
      const tables = () =>
        sql`select relname, relnatts from pg_class where relnamespace = 'public'::regnamespace order by 1`;
      const before = await tables();
      const service = spawnServe({ databaseUrl: fresh.url });
      expect(await service.exited).toBe(1);
      expect(service.said().trim().split('\n').at(-1)).toMatch(
        /^bellhop: The database was migrated by a newer Bellhop \(migration 9999/,
      );
      expect([...(await tables())]).toEqual([...before]);
    } finally {
      await sql.end();
      await fresh.drop();
    }
  });
});

describe.skipIf(!postgresUrl())(`a database in trouble while the service runs ${needsPostgres}`, () => {
  let world: World;
  let api: ServeProcess;
  let worker: ServeProcess;

  beforeAll(async () => {
    world = await makeWorld({
      chance,
      role: 'api',
      tenants: 2,
      webhooksPerTenant: 1,
      databaseUrl: async ({ url }) => `${url}?statement_timeout=2000`,
    });
    const [first] = world.apis;
    if (!first) throw new Error('The API did not start.');
    api = first;
    worker = await world.start({ role: 'worker' });
    await world.publishers.more(20);
  }, 90_000);

  afterAll(() => world?.close());

  const status = (service: ServeProcess, path: string) => fetch(service.url + path).then((response) => response.status);
  const statuses = () => Promise.all([status(api, '/readyz'), status(worker, '/readyz')]);

  it('is seen on /readyz, answered with 503 and retry-after, and all goes on by itself when it is back', async () => {
    const [tenant] = world.publishers.accepted.keys();
    await world.crashDatabase();
    await expect.poll(statuses, { timeout: 20_000 }).toEqual([503, 503]);
    expect(await status(api, '/healthz')).toBe(200);
    const answer = await publish(api.url, tenant ?? '');
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    await world.startDatabase();
    await expect.poll(statuses, { timeout: 20_000 }).toEqual([200, 200]);
    expect(await world.settle()).toMatchObject({ lost: 0, outOfOrder: 0, skipped: 0, changed: 0 });
    expect(world.publishers.unexpected).toEqual([]);
  }, 120_000);

  it('answers 503 to what takes too long in the database, and stores it later', async () => {
    const [tenant] = world.publishers.accepted.keys();
    const [row] = await world.sql<
      { partition: number }[]
    >`select partition from tenants where client_id = ${tenant ?? ''}`;
    await world.sql.begin(async (tx) => {
      await tx`select 1 from partitions where id = ${row?.partition ?? 0} for update`;
      const answer = await publish(api.url, tenant ?? '');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    });
    expect(api.said()).toContain('canceling statement due to statement timeout');
    expect(await world.settle()).toMatchObject({ lost: 0, outOfOrder: 0, skipped: 0, changed: 0 });
  }, 120_000);

  it('hears hints again after the connection that listens was lost', async () => {
    const [tenant] = world.publishers.accepted.keys();
    await world.publishers.pause();
    const listeners = () => world.sql<{ pid: number }[]>`select pid from pg_stat_activity where query ilike 'listen%'`;
    const before = (await listeners()).map(({ pid }) => pid);
    // Both processes listen; the API on two channels.
    expect(before.length).toBeGreaterThanOrEqual(2);
    await world.sql`select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'`;
    await expect
      .poll(async () => (await listeners()).filter(({ pid }) => !before.includes(pid)).length, { timeout: 20_000 })
      .toBe(before.length);
    const webhook = world.webhooks.find(({ clientId }) => clientId === tenant);
    if (!webhook) throw new Error('There is no webhook.');
    // A change of a webhook is told by hint only: the worker compares by itself every half minute.
    await operator(api.url, 'POST', `/operator/webhooks/${webhook.id}/disable`);
    const { length } = webhook.endpoint.receipts;
    await operator(api.url, 'POST', `/operator/webhooks/${webhook.id}/enable`);
    expect((await publish(api.url, tenant ?? '')).status).toBe(202);
    await expect.poll(() => webhook.endpoint.receipts.length, { timeout: 20_000 }).toBeGreaterThan(length);
    world.publishers.resume();
  }, 60_000);

  it('goes on after a stop of the server that lasted as long as the lease', async () => {
    await world.crashDatabase();
    await sleep(6_000);
    await world.startDatabase();
    await world.publishers.more(20);
    expect(await world.settle()).toMatchObject({ lost: 0, outOfOrder: 0, skipped: 0, changed: 0 });
    expect(worker.said()).not.toContain('unhandled');
  }, 120_000);
});
