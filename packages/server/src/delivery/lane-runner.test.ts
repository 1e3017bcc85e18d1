// Ends and beginnings of lanes that once went wrong: each test opens with what broke.

import { setImmediate as breathe } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followChange } from '../api/webhook-change.ts';
import type { Database } from '../store/database.ts';
import { openPglite } from '../store/pglite.ts';
import { type Clock, systemClock } from './clock.ts';
import { startDelivery, startReceiver } from './delivery.fixture.ts';

describe('a lane', () => {
  let database: Database;
  let delivery: Awaited<ReturnType<typeof startDelivery>>;

  beforeAll(async () => {
    database = await openPglite();
    delivery = await startDelivery(database, { partitions: 1 });
  });
  afterAll(async () => {
    await database.close();
  });

  const isSettled = async (webhook: string) => (await delivery.row(webhook))?.['cursor'] === null;

  it('ends a stop while a retry is in flight, and keeps the package', async () => {
    // The package that was cut off was "sent" again at once, without end and without a breath.
    const receiver = await startReceiver();
    const tenant = await delivery.tenant();
    await delivery.webhook(tenant, receiver.url);
    const running = delivery.newWorker();
    await running.worker.start();
    receiver.answer = (index) => (index === 0 ? 500 : 'hang');
    const ids = await delivery.publish(tenant, ['A.A']);
    await receiver.until(() => receiver.packages.length === 2);
    await running.stop(100);

    receiver.answer = () => 200;
    const next = delivery.newWorker();
    await next.worker.start();
    await receiver.until(() => receiver.delivered().length === 1);
    expect(receiver.delivered()).toEqual(ids);
    expect(new Set(receiver.packages.map(({ body }) => body)).size).toBe(1);
    await next.stop();
    await receiver.close();
    expect(delivery.errors).toEqual([]);
  });

  it('posts nothing without a lease, and goes on when its worker has one again', async () => {
    // A process that stood still for longer than its lease: the lane tried again and again without a breath.
    let skewMs = 0;
    const longWaitMs = 1_500;
    const clock: Clock = {
      wallMs: systemClock.wallMs,
      monotonicMs: () => systemClock.monotonicMs() + skewMs,
      callAt(atMs, callback) {
        const waitMs = atMs - skewMs - systemClock.monotonicMs();
        return systemClock.callAt(atMs - skewMs, () => {
          // Of all that waits only the lane's delay is this long: time stands still until it is over.
          if (waitMs > longWaitMs && skewMs === 0) skewMs = 6_000;
          callback();
        });
      },
    };
    const receiver = await startReceiver();
    const tenant = await delivery.tenant();
    await delivery.webhook(tenant, receiver.url, { delay: '2s' });
    const running = delivery.newWorker(clock);
    await running.worker.start();
    const epoch = () => running.worker.owned().find(({ id }) => id === 0)?.epoch ?? 0;
    const epochBefore = epoch();
    const ids = await delivery.publish(tenant, ['A.A']);
    await receiver.until(() => receiver.delivered().length === 1);
    expect(receiver.delivered()).toEqual(ids);
    expect(skewMs).toBeGreaterThan(0);
    // Not by the lane that had lost its lease.
    expect(epoch()).toBeGreaterThan(epochBefore);
    await running.stop();
    await receiver.close();
    expect(delivery.errors).toEqual([]);
  });

  it('is one lane, also when its webhook changes while its partition starts', async () => {
    // The hint and the start of the partition each made a lane: everything was delivered twice.
    const receiver = await startReceiver();
    const tenant = await delivery.tenant();
    const webhook = await delivery.webhook(tenant, receiver.url);
    const running = delivery.newWorker();
    let hasStarted = false;
    const starting = running.worker.start().then(() => {
      hasStarted = true;
    });
    while (!hasStarted) {
      delivery.signals.webhookChanged({ partition: 0, webhookId: webhook });
      await breathe();
    }
    await starting;
    await delivery.publish(tenant, ['A.A']);
    await receiver.until(() => receiver.delivered().length === 1);
    await expect.poll(() => isSettled(webhook), { timeout: 10_000 }).toBe(true);
    expect(receiver.packages).toHaveLength(1);
    await running.stop();
    await receiver.close();
    expect(delivery.errors).toEqual([]);
  });

  it('sends to its new URL what waited for a turn when the URL changed', async () => {
    // The URL was read before the turn came, many seconds before: the old endpoint got a package after the change was answered.
    const [busy, moved] = [await startReceiver(), await startReceiver()];
    let release = (): void => {};
    const gate = new Promise<number>((resolve) => {
      release = () => resolve(200);
    });
    busy.answer = () => gate;
    const [first, second] = [await delivery.tenant(), await delivery.tenant()];
    await delivery.webhook(first, busy.url);
    const webhook = await delivery.webhook(second, busy.url);
    const running = delivery.newWorker(systemClock, { maxConnectionsPerOrigin: 1 });
    await running.worker.start();
    await delivery.publish(first, ['A.A']);
    await busy.until(() => busy.packages.length === 1);
    const ids = await delivery.publish(second, ['A.A']);
    await expect.poll(running.queued, { timeout: 10_000 }).toBe(1);

    await delivery.change(webhook, `url = '${moved.url}'`);
    await followChange({ database, signals: delivery.signals, patienceMs: 60_000 }, [
      { partition: 0, webhookId: webhook },
    ]);
    release();
    await moved.until(() => moved.delivered().length === 1);
    expect(moved.delivered()).toEqual(ids);
    expect(busy.packages).toHaveLength(1);
    await running.stop();
    await busy.close();
    await moved.close();
    expect(delivery.errors).toEqual([]);
  });
});
