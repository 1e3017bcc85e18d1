// For the matrix of lane states and operations: puts a webhook of its own, with receivers of its own, into a state of its
// lane, does to it what the API would do, and tells what came of it.
//
// Every cell lives the same story: `before` is delivered, `middle` brings the lane into its state, the operation is done,
// `after` is published. ORDER events match the webhook; among them are USER events, which match after a PATCH only.

import { setImmediate as breathe } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Database } from '../store/database.ts';
import {
  countMatching,
  lockPosition,
  moveCursor,
  offsetOfEvent,
  retryNow,
  skipPending,
} from '../store/webhook-position.ts';
import { deleteWebhook, updateWebhook, type WebhookChange } from '../store/webhooks.ts';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { backOffMs } from './back-off.ts';
import { type ReceivedPackage, type Receiver, startDelivery, startReceiver } from './delivery.fixture.ts';
import { createSender } from './sender.ts';
import { createTestTrigger, type TestTrigger } from './test-trigger.ts';

export const states = ['idle', 'collecting', 'sending', 'retrying', 'sending again', 'catching up'] as const;
export type State = (typeof states)[number];

export const operations = [
  'PATCH url',
  'PATCH type',
  'PATCH config',
  'disable',
  'enable',
  'delete',
  'test trigger',
  'key rotation',
  'retry now',
  'skip',
  'replay',
] as const;
export type Operation = (typeof operations)[number];

type Delivery = Awaited<ReturnType<typeof startDelivery>>;

interface Published {
  readonly id: string;
  readonly type: string;
}

/** Smaller than the backlog of one lane that catches up, large enough for all others together. */
const ringBytes = 256 * 1024;
const backlogEvents = 100;
const backlogEventBytes = 3_000;
const packageBytes = 30_000;
/** Of collecting lanes: long enough to do something meanwhile. */
export const collectingMs = 10_000;
/** Failed attempts of a retrying lane: the next one is 5 s away. */
const failures = 4;
/** How far the service's clock may be ahead of its timers. */
const timerSlackMs = 10;
/** A worker that loses its lease on a crowded machine sends packages again, which no cell of the table expects. */
const leaseMs = 120_000;

export interface Matrix {
  open(state: State, operation: Operation): Promise<Cell>;
  close(): Promise<void>;
}

export async function startMatrix(database: Database): Promise<Matrix> {
  const reads = new Map<string, number>();
  const waiting = new Set<() => void>();
  /** The same database; tells when a lane has read its webhook's row again. */
  const watched: Database = {
    ...database,
    async query<Row>(text: string, parameters: Parameters<Database['query']>[1] = []) {
      const rows = await database.query<Row>(text, parameters);
      const [id] = parameters;
      if (text.includes('pending_version') && text.endsWith('from webhooks where id = $1') && typeof id === 'string') {
        reads.set(id, (reads.get(id) ?? 0) + 1);
        for (const check of [...waiting]) check();
      }
      return rows;
    },
  };
  const delivery = await startDelivery(watched, { partitions: 2, ringBytes, leaseMs });
  const running = delivery.newWorker();
  await running.worker.start();
  const testSender = createSender({ policy: createTargetPolicy({ insecure: 'loopback' }), keys: delivery.keys });
  const testTrigger = createTestTrigger({
    database,
    sender: testSender,
    now: Date.now,
    onError: (error) => delivery.errors.push(error),
  });
  const cells: Cell[] = [];
  let rotated: Promise<void> = Promise.resolve();

  function rotateKeys(): Promise<void> {
    rotated = rotated.then(async () => {
      const rotated = await delivery.database.transaction((tx) => delivery.keys.rotate(tx, { force: true }));
      expect(rotated).toMatchObject({ rotated: true });
      delivery.keys.forget();
    });
    return rotated;
  }

  async function announce(partition: number, webhookId: string): Promise<void> {
    // A read under way may have begun before the change.
    const wanted = (reads.get(webhookId) ?? 0) + 1;
    await new Promise<void>((resolve, reject) => {
      const hint = () => delivery.signals.webhookChanged({ partition, webhookId });
      // A hint may be lost, for example while the lease on the partition is.
      const hints = setInterval(hint, 1_000);
      const end = () => {
        clearInterval(hints);
        clearTimeout(timer);
        waiting.delete(check);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error('The lane did not read its webhook again'));
      }, 30_000);
      const check = () => {
        if ((reads.get(webhookId) ?? 0) < wanted) return;
        end();
        resolve();
      };
      waiting.add(check);
      hint();
    });
    await breathe();
  }

  return {
    async open(state, operation) {
      const partition = state === 'catching up' ? 1 : 0;
      const tailEnd = () => running.worker.owned().find(({ id }) => id === partition)?.end ?? 0;
      const hasWitness = operation === 'disable' || operation === 'delete';
      const cell = new Cell({ database, delivery, testTrigger, partition, tailEnd, announce, rotateKeys });
      cells.push(cell);
      await cell.begin(hasWitness);
      await cell.enter(state);
      return cell;
    },
    async close() {
      await testTrigger.drained();
      await running.stop();
      await testSender.close();
      await Promise.all(cells.map((cell) => cell.close()));
      expect(delivery.errors).toEqual([]);
    },
  };
}

interface Surroundings {
  readonly database: Database;
  readonly delivery: Delivery;
  readonly testTrigger: TestTrigger;
  readonly partition: number;
  /** One at a time: the key before is retired, and still published. */
  rotateKeys(): Promise<void>;
  /** How far the worker's tail has read. */
  tailEnd(): number;
  /** Says that the webhook changed and waits until its lane knows. */
  announce(partition: number, webhookId: string): Promise<void>;
}

export class Cell {
  readonly #around: Surroundings;
  #tenant = '';
  #webhookId = '';
  #receivers: Receiver[] = [];
  #witness: Receiver | undefined;
  #before: Published[] = [];
  #middle: Published[] = [];
  #after: Published[] = [];
  #answer: number | 'hold' = 200;
  #release: (status: number) => void = () => {};
  #first: readonly string[] = [];
  /** When the lane will do something by itself: the end of a delay or of a wait. */
  #dueAtMs = 0;
  #attemptsBefore = 0;
  #packagesBefore = 0;
  #refused = false;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** A webhook that has delivered one event and is caught up. */
  async begin(hasWitness: boolean): Promise<void> {
    const { delivery, partition } = this.#around;
    this.#receivers = [await startReceiver(), await startReceiver()];
    this.#tenant = await delivery.tenant(partition);
    const config = { type: ['ORDER'], max: packageBytes };
    this.#webhookId = await delivery.webhook(this.#tenant, this.a.url, config);
    if (hasWitness) {
      this.#witness = await startReceiver();
      await delivery.webhook(this.#tenant, this.#witness.url, config);
    }
    this.a.answer = () => {
      if (this.#answer !== 'hold') return this.#answer;
      return new Promise((resolve) => {
        this.#release = resolve;
      });
    };
    this.#before = await this.#publish(['ORDER.NEW']);
    await this.a.until(() => this.a.packages.length === 1);
    await this.settled();
  }

  /** The receiver of the first URL, and that of the URL which a PATCH gives. */
  get a(): Receiver {
    return this.#receiver(0);
  }

  get b(): Receiver {
    return this.#receiver(1);
  }

  #receiver(index: number): Receiver {
    const receiver = this.#receivers[index];
    if (!receiver) throw new TypeError('The cell has not begun');
    return receiver;
  }

  /** Ids by name: what a cell of the table is written with. */
  get groups() {
    const ids = (events: readonly Published[]) => events.map(({ id }) => id);
    const orders = (events: readonly Published[]) => ids(events.filter(({ type }) => type.startsWith('ORDER')));
    const afterFirst = this.#middle.slice(this.#middle.findIndex(({ id }) => id === this.#first.at(-1)) + 1);
    return {
      before: ids(this.#before),
      /** In flight, blocked or collected when the operation came. */
      first: this.#first,
      /** What was queued behind it. */
      rest: this.#first.length === 0 ? [] : orders(afterFirst),
      'rest with USER': this.#first.length === 0 ? [] : ids(afterFirst),
      'first with USER': ids(this.#middle.slice(0, this.#middle.length - afterFirst.length)),
      after: orders(this.#after),
      'after with USER': ids(this.#after),
    };
  }

  async enter(state: State): Promise<void> {
    const middle = ['ORDER.NEW', 'USER.CREATED', 'ORDER.FILLED'];
    switch (state) {
      case 'idle':
        this.#middle = await this.#publish(['USER.CREATED']);
        await this.settled();
        break;
      case 'collecting': {
        await this.patch({ delay: `${collectingMs / 1000}s` });
        await this.settled();
        this.#middle = await this.#publish(middle);
        this.#dueAtMs = Date.now() + collectingMs;
        // The checkpoint passes the lane by: it holds undelivered events.
        await expect.poll(async () => (await this.row())?.['cursor'], { timeout: 8_000 }).not.toBe(null);
        this.#first = this.#ordersOf(this.#middle);
        break;
      }
      case 'sending':
        this.#middle = await this.#publish(middle, 'hold');
        await this.#held(2);
        break;
      case 'retrying': {
        this.#middle = await this.#publish(middle, 500);
        await this.#failed(failures);
        this.#answer = 200;
        this.#first = this.#ordersOf(this.#middle);
        const next = (await this.row())?.['next_attempt_at'];
        this.#dueAtMs = next instanceof Date ? next.getTime() : 0;
        break;
      }
      case 'sending again':
        this.#middle = await this.#publish(middle, 500);
        await this.#failed(2);
        this.#answer = 'hold';
        await this.#held(4);
        break;
      case 'catching up': {
        await this.patch({ enabled: false });
        const types = Array.from({ length: backlogEvents }, (_, index) =>
          index % 2 === 0 ? 'ORDER.NEW' : 'USER.CREATED',
        );
        this.#middle = await this.#publish(types, 'hold', backlogEventBytes);
        const head = await this.#offsetOf(this.#middle.at(-1)?.id ?? '');
        await expect.poll(() => this.#around.tailEnd() >= head, { timeout: 20_000 }).toBe(true);
        await this.patch({ enabled: true });
        await this.#held(2);
        break;
      }
    }
    this.#attemptsBefore = (await this.attempts()).length;
    this.#packagesBefore = this.a.packages.length;
  }

  /** Does it as the API does; what the API refuses is remembered as refused. */
  async operate(operation: Operation): Promise<void> {
    const { database, partition, testTrigger } = this.#around;
    const id = this.#webhookId;
    const now = new Date();
    switch (operation) {
      case 'PATCH url':
        return this.patch({ url: this.b.url });
      case 'PATCH type':
        return this.patch({ type: ['ORDER', 'USER'] });
      case 'PATCH config':
        return this.patch({ delay: '1s', maxPackageSize: 1 });
      case 'disable':
        return this.patch({ enabled: false });
      case 'enable':
        await this.patch({ enabled: false });
        await this.publishAfter();
        return this.patch({ enabled: true });
      case 'delete':
        expect(await deleteWebhook(database, this.#tenant, id)).toBe(partition);
        return this.#announce();
      case 'test trigger':
        expect(await testTrigger.trigger(id)).toBe('started');
        return;
      case 'key rotation':
        return this.#around.rotateKeys();
      case 'retry now':
        this.#refused = !(await database.transaction((tx) => retryNow(tx, id, now)));
        return this.#announce();
      case 'skip':
        this.#refused = !(await this.#skip(now));
        return this.#announce();
      case 'replay': {
        const target = (await this.#offsetOf(this.#before[0]?.id ?? '')) - 1;
        expect(await moveCursor(database, id, target, now, async () => {})).toBe(true);
        return this.#announce();
      }
    }
  }

  async #skip(now: Date): Promise<boolean> {
    const { database, partition } = this.#around;
    return database.transaction(async (tx) => {
      const row = await lockPosition(tx, this.#webhookId);
      if (!row || row.pending_first === null || row.pending_last === null) return false;
      const events = await countMatching(
        tx,
        { partition, after: row.pending_first - 1, upTo: row.pending_last },
        { clientId: row.client_id, type: row.pending_type ?? [], excludeType: row.pending_exclude_type },
      );
      await skipPending(tx, row, events, now);
      return true;
    });
  }

  async publishAfter(): Promise<void> {
    if (this.#after.length === 0) this.#after = await this.#publish(['USER.CREATED', 'ORDER.NEW', 'ORDER.FILLED']);
  }

  /** The endpoint answers what it holds back, if need be once nobody waits for it any more, and 200 from now on. */
  async release(status: number, isCutOff: boolean): Promise<void> {
    const held = this.a.packages.find((received) => received.status === 0);
    this.#answer = 200;
    if (held && isCutOff) await expect.poll(() => held.isCutOff(), { timeout: 10_000 }).toBe(true);
    this.#release(status);
  }

  async patch(change: Omit<WebhookChange, 'now'>): Promise<void> {
    const row = await updateWebhook(this.#around.database, this.#tenant, this.#webhookId, {
      ...change,
      now: new Date(),
    });
    expect(row).toBeDefined();
    await this.#announce();
  }

  /** Everything is delivered and the lane follows the checkpoint: nothing more will come. */
  async settled(): Promise<void> {
    const { database, partition } = this.#around;
    const [head] = await database.query<{ head: number }>('select head from partitions where id = $1', [partition]);
    await expect
      .poll(
        async () => {
          const [standing] = await database.query<{ is_settled: boolean }>(
            `select webhooks.cursor is null and webhooks.blocked_since is null and checkpoint >= $2 as is_settled
             from webhooks join partitions on partitions.id = webhooks.partition where webhooks.id = $1`,
            [this.#webhookId, head?.head ?? 0],
          );
          return standing?.is_settled;
        },
        { timeout: 40_000, interval: 200 },
      )
      .toBe(true);
  }

  /** A paused or deleted webhook: its time has come and others have received `after`, so it would have, too. */
  async passedBy(): Promise<void> {
    const witness = this.#witness;
    if (!witness) throw new TypeError('The cell has no witness');
    await witness.until(() => this.groups.after.every((id) => witness.delivered().includes(id)), 40_000);
    await expect.poll(() => Date.now() > this.#dueAtMs + 500, { timeout: 20_000, interval: 200 }).toBe(true);
    // Nothing is on its way any more.
    await this.a.until(() => this.a.packages.every((received) => received.status !== 0 || received.isCutOff()));
  }

  row() {
    return this.#around.delivery.row(this.#webhookId);
  }

  attempts() {
    return this.#around.delivery.attempts(this.#webhookId);
  }

  parked() {
    return this.#around.database.query<{ event_count: number }>('select * from parked where webhook_id = $1', [
      this.#webhookId,
    ]);
  }

  get webhookId(): string {
    return this.#webhookId;
  }

  get wasRefused(): boolean {
    return this.#refused;
  }

  /** Packages of events from the log, as acknowledged. */
  acknowledged(receiver: Receiver): ReceivedPackage[] {
    return receiver.packages.filter((received) => received.status === 200 && !this.#isTest(received));
  }

  tests(): ReceivedPackage[] {
    return this.a.packages.filter((received) => this.#isTest(received));
  }

  /** Packages that came after the operation began, at either URL. */
  later(): ReceivedPackage[] {
    const received = [...this.a.packages.slice(this.#packagesBefore), ...this.b.packages];
    return received.filter((each) => !this.#isTest(each));
  }

  /** The package that was in flight or blocked when the operation came. */
  get firstBody(): string | undefined {
    return this.a.packages[this.#packagesBefore - 1]?.body;
  }

  #isTest({ ids }: ReceivedPackage): boolean {
    const known = [...this.#before, ...this.#middle, ...this.#after];
    return !ids.some((each) => known.some(({ id }) => id === each));
  }

  /** The first attempt that was begun after the operation: before the lane's own time, or when that had come. */
  async nextWas(): Promise<'at once' | 'on time'> {
    const later = (await this.attempts()).filter(({ kind }) => kind === 'delivery').slice(this.#attemptsBefore);
    const failed = later[0]?.['ok'] === false ? later.shift() : undefined;
    const startedAtMs = (attempt: Record<string, unknown> | undefined) => {
      const at = attempt?.['started_at'];
      if (!(at instanceof Date)) throw new Error('There was no attempt after the operation');
      return at.getTime();
    };
    const dueAtMs = failed
      ? startedAtMs(failed) + Number(failed['duration_ms']) + backOffMs(Number(failed['attempt']))
      : this.#dueAtMs;
    return startedAtMs(later[0]) < dueAtMs - timerSlackMs ? 'at once' : 'on time';
  }

  verifies(received: ReceivedPackage): Promise<boolean> {
    return this.#around.delivery.verifies(received);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#receivers, this.#witness].map((receiver) => receiver?.close()));
  }

  #announce(): Promise<void> {
    return this.#around.announce(this.#around.partition, this.#webhookId);
  }

  async #publish(types: readonly string[], answer?: number | 'hold', padding = 0): Promise<Published[]> {
    if (answer !== undefined) this.#answer = answer;
    const ids = await this.#around.delivery.publish(this.#tenant, types, padding);
    return ids.map((id, index) => ({ id, type: types[index] ?? '' }));
  }

  async #held(packages: number): Promise<void> {
    await this.a.until(() => this.a.packages.length === packages);
    this.#first = this.a.packages.at(-1)?.ids ?? [];
  }

  async #failed(attempts: number): Promise<void> {
    await expect.poll(async () => (await this.row())?.['attempts'], { timeout: 30_000, interval: 100 }).toBe(attempts);
  }

  #ordersOf(events: readonly Published[]): string[] {
    return events.filter(({ type }) => type.startsWith('ORDER')).map(({ id }) => id);
  }

  async #offsetOf(eventId: string): Promise<number> {
    const offset = await offsetOfEvent(this.#around.database, this.#tenant, eventId);
    if (offset === undefined) throw new Error(`The log does not hold ${eventId}`);
    return offset;
  }
}
