// SIGSTOP of a worker for longer than its lease, then SIGCONT while another worker has taken over. What it writes is told
// apart by its database role (a trigger keeps who held the partition's newest lease at each write), what it posts by the
// process that holds the connection. And a lease that ran out while nobody else was there to take it.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needsPostgres, postgresUrl } from '../support/postgres.ts';
import { drawChance, roundsOf } from './seed.ts';
import type { ServeProcess } from './serve-process.ts';
import { knowsOwners, ownerOf } from './tcp-owner.ts';
import { Totals } from './totals.ts';
import { makeWorld, type World } from './world.ts';

const chance = drawChance();
const totals = new Totals('SIGSTOP for longer than the lease', chance.seed);
const rounds = roundsOf(0.1);
const roles = ['worker_a', 'worker_b'] as const;
/** A request that was written in time may reach the endpoint's code a little later on a busy machine. */
const onTheWayMs = 1_000;

/** Who took which partition when, and every write of delivery beside who held the lease at that moment. */
const witness = `
  create table witness_leases (partition integer, epoch bigint, role name, at timestamptz);
  create table witness_writes (partition integer, role name, holder name, at timestamptz);
  create function witness_lease() returns trigger security definer language plpgsql as $$ begin
    insert into witness_leases values (new.id, new.epoch, session_user, clock_timestamp()); return new; end $$;
  create function witness_write() returns trigger security definer language plpgsql as $$ begin
    insert into witness_writes values (new.partition, session_user, (select role from witness_leases
      where partition = new.partition order by epoch desc limit 1), clock_timestamp()); return new; end $$;
  create trigger witness after update of epoch on partitions for each row when (new.epoch > old.epoch)
    execute function witness_lease();
  create trigger witness after insert on attempts for each row when (new.kind = 'delivery')
    execute function witness_write();
  create trigger witness after update of cursor, pending_id on webhooks for each row
    when (session_user in ('worker_a', 'worker_b')) execute function witness_write();
  create role worker_a superuser login; create role worker_b superuser login;`;

describe.skipIf(!postgresUrl())(`a worker that slept through its lease ${needsPostgres}`, () => {
  let world: World;
  const workers: ServeProcess[] = [];
  /** The role of the process that posted, by endpoint and port. */
  const posters = new Map<string, Promise<number | undefined>>();

  beforeAll(async () => {
    world = await makeWorld({ chance, role: 'api' });
    await world.sql.unsafe(witness);
    for (const endpoint of world.endpoints) {
      endpoint.onConnection = (port) => {
        if (knowsOwners)
          posters.set(
            `${endpoint.port} ${port}`,
            ownerOf(
              port,
              workers.map(({ pid }) => pid),
            ),
          );
      };
    }
    for (const role of roles) {
      workers.push(
        await world.start({ role: 'worker', databaseUrl: world.cluster.url.replace('postgres@', `${role}@`) }),
      );
    }
  }, 90_000);

  afterAll(async () => {
    for (const worker of workers) worker.signal('SIGCONT');
    totals.print();
    await world?.close();
  });

  /** Tenants' partitions whose newest lease is of the role. */
  async function heldBy(role: string): Promise<number> {
    const [row] = await world.sql<{ held: number }[]>`
      select count(*)::integer as held from (select distinct on (partition) partition, role from witness_leases
        order by partition, epoch desc) as newest
      where newest.role = ${role} and partition in (select partition from tenants)`;
    return row?.held ?? 0;
  }

  /** Leases that the role ever took. */
  async function leasesOf(role: string): Promise<number> {
    const [row] = await world.sql<{ taken: number }[]>`
      select count(*)::integer as taken from witness_leases where role = ${role}`;
    return row?.taken ?? 0;
  }

  for (let round = 0; round < rounds; round += 1) {
    it(`writes and posts nothing once another one holds the partition (round ${round + 1})`, async () => {
      const held = await Promise.all(roles.map(heldBy));
      const index = (held[0] ?? 0) >= (held[1] ?? 0) ? 0 : 1;
      const sleeper = workers[index];
      const [sleeperRole, otherRole] = index === 0 ? roles : ([roles[1], roles[0]] as const);
      if (!sleeper) throw new Error('There is no worker.');
      await world.publishers.more(chance.between(50, 200));
      sleeper.signal('SIGSTOP');
      const leasesBefore = await leasesOf(sleeperRole);
      totals.fault('SIGSTOP', world.webhooks.length);
      await expect.poll(() => heldBy(otherRole), { timeout: 30_000 }).toBe(3);
      await world.publishers.more(50);
      await sleep(chance.between(0, 2_000));
      sleeper.signal('SIGCONT');
      await world.publishers.more(100);
      // It takes part again, under a new lease.
      await expect.poll(() => leasesOf(sleeperRole), { timeout: 30_000 }).toBeGreaterThan(leasesBefore);
      totals.round(world, await world.settle());

      const foreign = await world.sql`
        select role, holder, count(*)::integer as writes from witness_writes where role <> holder group by 1, 2`;
      expect([...foreign]).toEqual([]);
      const written = await world.sql<{ role: string }[]>`select distinct role from witness_writes order by role`;
      expect(written.map(({ role }) => role)).toEqual([...roles]);
    }, 120_000);
  }

  it.skipIf(!knowsOwners)(
    'is told apart by its connections: nothing was posted under a lease of another one',
    async () => {
      const leases = await world.sql<{ client_id: string; role: string; at: Date }[]>`
      select client_id, role, at from witness_leases join tenants using (partition) order by partition, epoch`;
      let seen = 0;
      const late: string[] = [];
      for (const { clientId, endpoint } of world.webhooks) {
        const own = leases.filter((lease) => lease.client_id === clientId);
        for (const { atMs, port } of endpoint.receipts) {
          const pid = await posters.get(`${endpoint.port} ${port}`);
          const poster = roles[workers.findIndex((worker) => worker.pid === pid)];
          if (poster === undefined) continue;
          seen += 1;
          // Held at any moment of the time that the request may have been on its way.
          const holders = own.filter(
            ({ at }, place) => at.getTime() <= atMs && (own[place + 1]?.at.getTime() ?? Infinity) >= atMs - onTheWayMs,
          );
          if (!holders.some(({ role }) => role === poster)) late.push(`${poster} at ${new Date(atMs).toISOString()}`);
        }
      }
      expect(late).toEqual([]);
      expect(seen).toBeGreaterThan(100);
    },
  );

  it('goes on by itself when its lease ran out and nobody took it', async () => {
    const [first, second] = workers;
    if (!first || !second) throw new Error('There is no worker.');
    await world.kill(second);
    await expect.poll(() => heldBy(roles[0]), { timeout: 30_000 }).toBe(3);
    await world.publishers.more(50);
    first.signal('SIGSTOP');
    const [stopped] = await world.sql<{ now: Date }[]>`select now()`;
    totals.fault('SIGSTOP alone', world.webhooks.length);
    const expired = () =>
      world.sql<{ held: number }[]>`
      select count(*)::integer as held from partitions where lease_until > now()`.then(([row]) => row?.held);
    await expect.poll(expired, { timeout: 30_000 }).toBe(0);
    first.signal('SIGCONT');
    await world.publishers.more(50);
    totals.round(world, await world.settle());
    const again = await world.sql<{ renewed: number }[]>`
      select count(*)::integer as renewed from partitions where lease_until > ${stopped?.now ?? new Date()}`;
    expect(again[0]?.renewed).toBe(64);
  }, 120_000);
});
