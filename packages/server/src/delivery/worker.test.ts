// Delivery from the log to a real receiver, on the embedded database and on PostgreSQL.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import { followChange } from '../api/webhook-change.ts';
import { createPostgresLog } from '../log/postgres-log.ts';
import type { Database } from '../store/database.ts';
import { openPglite } from '../store/pglite.ts';
import { openPostgres } from '../store/postgres.ts';
import { createSignals } from '../store/signals.ts';
import { type Receiver, startDelivery, startReceiver } from './delivery.fixture.ts';

const databases = [
  {
    name: 'the embedded database',
    skip: false,
    open: async () => ({ database: await openPglite(), drop: async () => {} }),
  },
  {
    name: `PostgreSQL ${needsPostgres}`,
    skip: !postgresUrl(),
    open: async () => {
      const fresh = await freshDatabase();
      return { database: await openPostgres({ url: fresh.url }), drop: fresh.drop };
    },
  },
];

for (const { name, skip, open } of databases) {
  describe.skipIf(skip)(`delivery on ${name}`, () => {
    let database: Database;
    let drop: () => Promise<void>;
    let delivery: Awaited<ReturnType<typeof startDelivery>>;
    let receiver: Receiver;
    let running: ReturnType<typeof delivery.newWorker>;

    beforeAll(async () => {
      ({ database, drop } = await open());
      delivery = await startDelivery(database);
      receiver = await startReceiver();
      running = delivery.newWorker();
      await running.worker.start();
    });
    afterAll(async () => {
      await running.stop();
      await receiver.close();
      await database.close();
      await drop();
    });
    afterEach(() => {
      receiver.answer = () => 200;
      receiver.packages.length = 0;
      expect(delivery.errors).toEqual([]);
    });

    it('posts matching events in one signed package and moves the cursor', async () => {
      const tenant = await delivery.tenant();
      const other = await delivery.tenant();
      const webhook = await delivery.webhook(tenant, receiver.url, { type: ['ORDER', 'USER'] });
      await delivery.publish(other, ['ORDER.NEW']);
      const ids = await delivery.publish(tenant, ['ORDER.NEW', 'ACCOUNT.CREATED', 'USER.CREATED', 'ORDER.FILLED']);
      const wanted = [ids[0], ids[2], ids[3]];
      await receiver.until(() => receiver.packages.length > 0);
      expect(receiver.packages.map((received) => received.ids)).toEqual([wanted]);
      expect(await Promise.all(receiver.packages.map((received) => delivery.verifies(received)))).toEqual([true]);
      expect(JSON.parse(receiver.packages[0]?.body ?? '').payload[0].webhook_id).toBe(webhook);
      await expect.poll(async () => (await delivery.attempts(webhook)).length).toBe(1);
      expect((await delivery.attempts(webhook))[0]).toMatchObject({
        ok: true,
        status: 200,
        event_count: 3,
        kind: 'delivery',
      });
    });

    it('cuts packages at their size and sends a large event alone', async () => {
      const tenant = await delivery.tenant();
      await delivery.webhook(tenant, receiver.url, { max: 1_000 });
      const small = await delivery.publish(tenant, ['A.A', 'A.A', 'A.A', 'A.A', 'A.A'], 100);
      const large = await delivery.publish(tenant, ['B.B'], 5_000);
      await receiver.until(() => receiver.delivered().length === 6);
      expect(receiver.delivered()).toEqual([...small, ...large]);
      for (const { body, ids } of receiver.packages) {
        if (ids.length > 1) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(1_000);
      }
      expect(receiver.packages.at(-1)?.ids).toEqual(large);
      expect(receiver.packages.length).toBeGreaterThan(2);
    });

    it('keeps a failed package byte for byte, blocks what comes after it and nobody else', async () => {
      const tenant = await delivery.tenant();
      const other = await startReceiver();
      const webhook = await delivery.webhook(tenant, receiver.url);
      await delivery.webhook(tenant, other.url);
      receiver.answer = (index) => (receiver.packages.length < 2 && index >= 0 ? 500 : 200);
      const first = await delivery.publish(tenant, ['A.A', 'A.B']);
      await receiver.until(() => receiver.packages.length === 1);
      const second = await delivery.publish(tenant, ['A.C']);
      await other.until(() => other.delivered().length === 3);
      await receiver.until(() => receiver.delivered().length === 3);
      const bodies = receiver.packages.map(({ body }) => body);
      expect(bodies[1]).toBe(bodies[0]);
      expect(bodies[2]).toBe(bodies[0]);
      expect(receiver.delivered()).toEqual([...first, ...second]);
      expect(new Set(receiver.packages.map(({ headers }) => headers['signature-input'])).size).toBe(4);
      await expect.poll(async () => (await delivery.row(webhook))?.['blocked_since']).toBe(null);
      await other.close();
    });

    it('resumes over a change of owner with the same package and no gap', async () => {
      const tenant = await delivery.tenant();
      const webhook = await delivery.webhook(tenant, receiver.url);
      receiver.answer = () => 503;
      const first = await delivery.publish(tenant, ['A.A', 'A.B']);
      await receiver.until(() => receiver.packages.length >= 1);
      await expect.poll(async () => (await delivery.row(webhook))?.['pending_id']).not.toBe(null);
      const second = await delivery.publish(tenant, ['A.C']);
      await running.stop();
      running = delivery.newWorker();
      const before = receiver.packages[0]?.body;
      receiver.answer = () => 200;
      await running.worker.start();
      await receiver.until(() => receiver.delivered().length === 3);
      expect(receiver.packages.filter(({ status }) => status === 200)[0]?.body).toBe(before);
      expect(receiver.delivered()).toEqual([...first, ...second]);
    });

    it('lets a disabled webhook queue and resumes where it stopped', async () => {
      const tenant = await delivery.tenant();
      const webhook = await delivery.webhook(tenant, receiver.url);
      const first = await delivery.publish(tenant, ['A.A']);
      await receiver.until(() => receiver.delivered().length === 1);
      await delivery.change(
        webhook,
        'enabled = false, cursor = coalesce(cursor, (select checkpoint from partitions where id = partition))',
      );
      await delivery.publish(await delivery.tenant(), ['A.A']);
      const queued = await delivery.publish(tenant, ['A.B', 'A.C']);
      await delivery.change(webhook, 'enabled = true');
      await receiver.until(() => receiver.delivered().length === 3);
      expect(receiver.delivered()).toEqual([...first, ...queued]);
    });

    it.each(['disabled', 'deleted'] as const)(
      'begins no POST to what was %s once the call that did it is answered, also in another process',
      async (change) => {
        const elsewhere = await createSignals(database);
        // The embedded database has one process.
        const signals = database.kind === 'postgres' ? elsewhere : delivery.signals;
        const tenant = await delivery.tenant();
        const webhook = await delivery.webhook(tenant, receiver.url, { max: 100 });
        for (let round = 0; round < 10; round += 1) {
          await delivery.publish(
            tenant,
            Array.from({ length: 100 }, () => 'A.A'),
          );
        }
        await receiver.until(() => receiver.packages.length > 20);
        await database.query(
          change === 'deleted'
            ? 'delete from webhooks where id = $1'
            : `update webhooks set version = version + 1, enabled = false,
                 cursor = coalesce(cursor, (select checkpoint from partitions where id = partition)) where id = $1`,
          [webhook],
        );
        await followChange({ database, signals, patienceMs: 60_000 }, [{ partition: 0, webhookId: webhook }]);
        const count = receiver.packages.length;
        expect(count).toBeLessThan(1_000);
        // A whole delay of somebody else: time for hundreds.
        const other = await startReceiver();
        const otherTenant = await delivery.tenant();
        await delivery.webhook(otherTenant, other.url);
        await delivery.publish(otherTenant, ['A.A']);
        await other.until(() => other.packages.length === 1);
        expect(receiver.packages.length).toBeLessThanOrEqual(count + 1);
        await elsewhere.close();
        await other.close();
      },
    );

    it('settles caught-up webhooks at the checkpoint', async () => {
      const tenant = await delivery.tenant();
      const webhook = await delivery.webhook(tenant, receiver.url);
      await delivery.publish(tenant, ['A.A']);
      await receiver.until(() => receiver.delivered().length === 1);
      // The row says null from the start, too: until the cursor behind the package is written.
      await expect
        .poll(
          async () => {
            const [partition] = await database.query<{ head: number; checkpoint: number }>(
              'select * from partitions where id = 0',
            );
            const row = await delivery.row(webhook);
            return { cursor: row?.['cursor'], isAtHead: partition?.checkpoint === partition?.head };
          },
          { timeout: 10_000 },
        )
        .toEqual({ cursor: null, isAtHead: true });
    });

    it('reads on past offsets that duplicates left unused, and what another process appended', async () => {
      const tenant = await delivery.tenant(1);
      await delivery.webhook(tenant, receiver.url);
      const event = (id: string) => ({
        clientId: tenant,
        id,
        type: 'A.A',
        body: JSON.stringify({ id, created_at: new Date().toISOString(), type: 'A.A', object: {} }),
      });
      const ids = Array.from({ length: 6 }, () => crypto.randomUUID());
      const [a = '', b = '', c = '', d = '', e = '', f = ''] = ids;
      // Like another process: its hints do not carry the events.
      const elsewhere = createPostgresLog({
        database,
        signals: { ...delivery.signals, appended: (partition) => delivery.signals.appended(partition) },
      });
      expect(await delivery.log.append(1, [event(a), event(b)])).toEqual({ accepted: 2, duplicates: 0 });
      expect(await delivery.log.append(1, [event(c), event(a), event(c), event(b)])).toEqual({
        accepted: 1,
        duplicates: 3,
      });
      expect(await delivery.log.append(1, [event(a)])).toEqual({ accepted: 0, duplicates: 1 });
      await elsewhere.append(1, [event(d), event(a)]);
      await delivery.log.append(1, [event(e), event(d)]);
      await Promise.all([elsewhere.append(1, [event(f)]), delivery.log.append(1, [event(f)])]);
      await receiver.until(() => receiver.delivered().length === 6);
      expect(receiver.packages.flatMap((received) => received.ids)).toEqual(ids);
      await expect
        .poll(async () => {
          const [row] = await database.query<{ head: number; checkpoint: number }>(
            'select * from partitions where id = 1',
          );
          return row && row.checkpoint === row.head;
        })
        .toBe(true);
    });

    it('ignores the answer to what was replayed meanwhile and starts again', async () => {
      const tenant = await delivery.tenant();
      const webhook = await delivery.webhook(tenant, receiver.url);
      const [start] = await database.query<{ head: number }>('select head from partitions where id = 0');
      const ids = await delivery.publish(tenant, ['A.A', 'A.B']);
      receiver.answer = () => 500;
      await receiver.until(() => receiver.packages.length >= 1);
      receiver.answer = () => 200;
      await delivery.change(
        webhook,
        `position_version = position_version + 1, cursor = ${start?.head}, pending_id = null, pending_first = null,
         pending_last = null, attempts = 0, next_attempt_at = null, blocked_since = null`,
      );
      await receiver.until(() => receiver.delivered().length === 2);
      expect(receiver.delivered()).toEqual(ids);
    });
  });
}
