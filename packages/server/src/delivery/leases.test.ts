// Several workers on one PostgreSQL: shares, take-over, hand-over, fencing.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import type { Database } from '../store/database.ts';
import { openPostgres } from '../store/postgres.ts';
import { startDelivery, startReceiver } from './delivery.fixture.ts';
import { Leases } from './leases.ts';
import { createLedger } from './ledger.ts';

describe.skipIf(!postgresUrl())(`leases ${needsPostgres}`, () => {
  let database: Database;
  let drop: () => Promise<void>;
  let delivery: Awaited<ReturnType<typeof startDelivery>>;

  beforeAll(async () => {
    const fresh = await freshDatabase();
    drop = fresh.drop;
    database = await openPostgres({ url: fresh.url });
    delivery = await startDelivery(database, { partitions: 8 });
  });
  afterAll(async () => {
    await database.close();
    await drop();
  });

  const ownedBy = async () => {
    const rows = await database.query<{ owner: string | null; count: number }>(
      'select owner, count(*) as count from partitions group by owner',
    );
    return new Map(rows.map(({ owner, count }) => [owner, count]));
  };

  it('are shared fairly, handed over at once on a clean stop, and deliveries go on', async () => {
    const receiver = await startReceiver();
    const first = delivery.newWorker();
    await first.worker.start();
    expect(first.worker.owned()).toHaveLength(8);
    const tenants = await Promise.all(Array.from({ length: 8 }, (_, partition) => delivery.tenant(partition)));
    for (const tenant of tenants) await delivery.webhook(tenant, receiver.url);

    const second = delivery.newWorker();
    await second.worker.start();
    await expect.poll(() => second.worker.owned().length, { timeout: 10_000 }).toBe(4);
    expect(first.worker.owned()).toHaveLength(4);
    const ids = (await Promise.all(tenants.map((tenant) => delivery.publish(tenant, ['A.A'])))).flat();
    await receiver.until(() => receiver.delivered().length === 8);
    expect(new Set(receiver.delivered())).toEqual(new Set(ids));

    await first.stop();
    await expect.poll(() => second.worker.owned().length, { timeout: 10_000 }).toBe(8);
    await Promise.all(tenants.map((tenant) => delivery.publish(tenant, ['A.A'])));
    await receiver.until(() => receiver.delivered().length === 16);
    // Handed over in peace: nothing went out twice.
    expect(receiver.packages.flatMap(({ ids: sent }) => sent)).toHaveLength(16);
    await second.stop();
    expect(await ownedBy()).toEqual(new Map([[null, 8]]));
    await receiver.close();
    expect(delivery.errors).toEqual([]);
  });

  it('run out when nobody renews them, and the old owner writes nothing more', async () => {
    const dead = new Leases(database, '00000000-0000-4000-8000-000000000001');
    const taken = await dead.acquire(8, false);
    expect(taken).toHaveLength(8);
    const heir = new Leases(database, '00000000-0000-4000-8000-000000000002');
    expect(await heir.acquire(8, false)).toEqual([]);
    await database.query(`update partitions set lease_until = now() - interval '1 second'`);
    const inherited = await heir.acquire(8, false);
    expect(inherited.map(({ id }) => id).sort()).toEqual(taken.map(({ id }) => id).sort());
    for (const { id, epoch } of inherited) {
      expect(epoch).toBe((taken.find((lease) => lease.id === id)?.epoch ?? 0) + 1);
    }
    expect(await dead.renew(taken.map(({ id }) => id))).toEqual(new Map());

    const ledger = createLedger(database);
    const [old] = taken;
    const [current] = inherited.filter(({ id }) => id === old?.id);
    const checkpoint = { kind: 'checkpoint' as const, partition: old?.id ?? 0, settled: [], behind: [] };
    expect(await ledger.add({ ...checkpoint, epoch: old?.epoch ?? 0, offset: 1_000_000 })).toBe('fenced');
    const [row] = await database.query<{ checkpoint: number }>('select checkpoint from partitions where id = $1', [
      old?.id ?? 0,
    ]);
    expect(row?.checkpoint).toBe(old?.checkpoint);
    expect(await ledger.add({ ...checkpoint, epoch: current?.epoch ?? 0, offset: 1_000_000 })).toBe('written');
    // The dead one giving back under its old epoch frees nothing.
    await dead.release(taken);
    expect((await ownedBy()).get('00000000-0000-4000-8000-000000000002')).toBe(8);
    await heir.release(inherited);
  });
});
