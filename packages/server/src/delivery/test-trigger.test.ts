import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Database } from '../store/database.ts';
import { openPglite } from '../store/pglite.ts';
import { type Receiver, startDelivery, startReceiver } from './delivery.fixture.ts';
import { type TestSender, testSender } from './sender.fixture.ts';
import { createTestTrigger, maxTestsUnderWay, type TestTrigger } from './test-trigger.ts';

let database: Database;
let delivery: Awaited<ReturnType<typeof startDelivery>>;
let receiver: Receiver;
let sender: TestSender;
let tests: TestTrigger;

beforeAll(async () => {
  database = await openPglite();
  delivery = await startDelivery(database);
  receiver = await startReceiver();
  sender = testSender();
  tests = createTestTrigger({ database, sender, now: Date.now, onError: (error) => delivery.errors.push(error) });
});
afterAll(async () => {
  await sender.close();
  await tests.drained();
  await receiver.close();
  await delivery.log.close();
  await delivery.signals.close();
  await database.close();
  expect(delivery.errors).toEqual([]);
});

it('a tenant has few under way at a time, among the suspects, and others are not refused for it', async () => {
  // Broke: 840 calls at 12 hanging endpoints took all slots of deliveries, and held up another tenant's for 23 s.
  const [greedy, other] = [await delivery.tenant(), await delivery.tenant()];
  const webhooks = await Promise.all(
    Array.from({ length: 12 }, () => delivery.webhook(greedy, receiver.url, { enabled: false })),
  );
  let free = (): void => {};
  const held = new Promise<number>((resolve) => {
    free = () => resolve(200);
  });
  receiver.answer = () => held;
  const commits: string[] = [];
  const starts = await Promise.all(webhooks.map((id) => tests.trigger(id, async () => void commits.push(id))));
  expect(starts.filter((start) => start === 'started')).toHaveLength(maxTestsUnderWay);
  expect(commits).toHaveLength(maxTestsUnderWay);
  expect(await tests.trigger(await delivery.webhook(other, receiver.url))).toBe('started');
  await vi.waitFor(() => expect(sender.stats()).toMatchObject({ inFlight: 5, suspectsInFlight: 5, queued: 0 }));
  free();
  await tests.drained();
  expect(await tests.trigger(webhooks[0] ?? '')).toBe('started');
  await tests.drained();
  expect(receiver.packages).toHaveLength(maxTestsUnderWay + 2);
});

it('a start that could not be committed sends nothing and counts no longer', async () => {
  receiver.answer = () => 200;
  const before = receiver.packages.length;
  const id = await delivery.webhook(await delivery.tenant(), receiver.url);
  for (let time = 0; time <= maxTestsUnderWay; time += 1) {
    const start = tests.trigger(id, () => Promise.reject(new Error('the database is away')));
    await expect(start).rejects.toThrow('the database is away');
  }
  await tests.drained();
  expect(receiver.packages).toHaveLength(before);
  expect(await tests.trigger(id)).toBe('started');
  await tests.drained();
  expect(await delivery.attempts(id)).toMatchObject([{ kind: 'test', ok: true }]);
});

it('are given up by a stop when they take long, those that wait for a slot as well, and recorded so', async () => {
  // Broke: a stop waited for each of them to time out.
  await using narrow = testSender({ concurrency: 4 });
  const stopped = createTestTrigger({
    database,
    sender: narrow,
    now: Date.now,
    onError: (error) => delivery.errors.push(error),
  });
  receiver.answer = () => 'hang';
  const id = await delivery.webhook(await delivery.tenant(), receiver.url);
  for (let time = 0; time < 2; time += 1) expect(await stopped.trigger(id)).toBe('started');
  await vi.waitFor(() => expect(narrow.stats()).toMatchObject({ inFlight: 1, queued: 1 }));
  await stopped.drained(1);
  expect(narrow.stats()).toMatchObject({ inFlight: 0, queued: 0 });
  expect(await delivery.attempts(id)).toMatchObject([{ reason: 'aborted' }, { reason: 'aborted' }]);
});
