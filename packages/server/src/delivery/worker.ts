// The worker: takes its share of the partitions by lease, runs them, gives them back. Once a second it renews its leases,
// takes what is free, wakes tails whose partition has a higher head than they have read, and moves checkpoints. Every half
// minute it compares its lanes with the table, in case a hint was lost with the process that owed it.
//
// A lease that was not renewed in time counts as lost on this process's own clock, before anyone else can take it: lanes
// stop posting then. On a clean stop lanes finish what is in flight, checkpoints are moved and leases given back.

import { randomUUID } from 'node:crypto';
import type { EventLog } from '../log/event-log.ts';
import type { Observer } from '../observe/observer.ts';
import type { Database } from '../store/database.ts';
import type { Signals } from '../store/signals.ts';
import type { Clock } from './clock.ts';
import { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { Sender } from './outcome.ts';
import { PartitionRunner } from './partition-runner.ts';
import { RingBudget } from './ring.ts';
import { SharedReads } from './shared-reads.ts';
import { readVersions } from './webhook-row.ts';

export interface WorkerOptions {
  readonly database: Database;
  readonly log: EventLog;
  readonly ledger: Ledger;
  readonly sender: Sender;
  readonly signals: Signals;
  readonly clock: Clock;
  /** Memory for the recent ends of all partitions, and a quarter more for what lanes that catch up read. Default 32 MiB. */
  readonly ringBytes?: number;
  /** Default 5 s. */
  readonly leaseMs?: number | undefined;
  readonly onError: (error: unknown, where: string) => void;
  readonly observer?: Pick<Observer, 'attempted'> | undefined;
}

const roundMs = 1_000;
/** Shorter than a lease that was renewed a round ago. */
const giveBackGraceMs = 3_000;
/** Given up this long before anyone else may take the partition. */
const leaseMarginMs = 500;
const roundsBetweenComparisons = 30;
const defaultRingBytes = 32 * 1024 * 1024;
/** Room for a few packages of the largest size, however small the ring. */
const minSharedBytes = 4 * 1024 * 1024;

export class Worker {
  readonly id = randomUUID();
  readonly #options: WorkerOptions;
  readonly #leases: Leases;
  readonly #ringBudget: RingBudget;
  readonly #sharedReads: SharedReads;
  readonly #partitions = new Map<number, PartitionRunner>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #stop = new AbortController();
  readonly #endings = new Set<Promise<void>>();
  #leaseUntilMs = 0;
  #roundNumber = 0;
  #rounds: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#leases = new Leases(options.database, this.id, options.leaseMs);
    const { log, clock, ringBytes = defaultRingBytes } = options;
    this.#ringBudget = new RingBudget(ringBytes);
    this.#sharedReads = new SharedReads({ log, clock, maxBytes: Math.max(minSharedBytes, ringBytes / 4) });
  }

  /** Resolves after the first round: its share of what is free is owned and running. */
  async start(): Promise<void> {
    const { signals } = this.#options;
    this.#unsubscribe.push(
      signals.onAppended((partition, stored) => this.#partitions.get(partition)?.wake(stored?.upTo, stored)),
      signals.onWebhookChanged((change) => {
        const reloaded = this.#partitions.get(change.partition)?.reload(change.webhookId);
        void reloaded?.then((isRead) => isRead && signals.webhookFollowed(change));
      }),
      signals.onReconnected(() => void this.#compare().catch(this.#report)),
    );
    const first = this.#round();
    // A stop in the meantime waits for what this round takes.
    this.#rounds = first.catch(() => {}).then(() => this.#loop());
    await first;
  }

  owned(): readonly PartitionRunner[] {
    return [...this.#partitions.values()];
  }

  /** The leases were renewed in time: the database answers and this worker may post. */
  isHealthy(): boolean {
    return this.#leaseHeld();
  }

  /** Hands everything over, with at most 3 s for what is in flight. Calling it again waits for the same end. */
  stop(graceMs = giveBackGraceMs): Promise<void> {
    this.#stopped ??= this.#handOver(Math.min(graceMs, giveBackGraceMs));
    return this.#stopped;
  }

  async #handOver(graceMs: number): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#stop.abort();
    await this.#rounds;
    await Promise.all([this.#giveBack(this.owned(), graceMs), ...this.#endings]);
    await this.#leases.leave().catch(this.#report);
  }

  readonly #report = (error: unknown): void => this.#options.onError(error, 'worker');

  readonly #leaseHeld = (): boolean => this.#options.clock.monotonicMs() < this.#leaseUntilMs;

  async #loop(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#pause();
      if (this.#stop.signal.aborted) return;
      await this.#round().catch(this.#report);
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      const done = () => {
        cancel();
        this.#stop.signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = clock.callAt(clock.monotonicMs() + roundMs, done);
      this.#stop.signal.addEventListener('abort', done);
    });
  }

  async #round(): Promise<void> {
    await this.#renew();
    await this.#balance();
    if (++this.#roundNumber % roundsBetweenComparisons === 0) await this.#compare();
    await Promise.all(
      this.owned().map(async (partition) => {
        if ((await partition.moveCheckpoint()) === 'fenced') this.#lose(partition);
      }),
    );
  }

  async #renew(): Promise<void> {
    const askedAtMs = this.#options.clock.monotonicMs();
    const asked = this.owned();
    const held = await this.#leases.renew(asked.map(({ id }) => id));
    this.#leaseUntilMs = askedAtMs + this.#leases.leaseMs - leaseMarginMs;
    for (const partition of asked) {
      const row = held.get(partition.id);
      if (row?.epoch !== partition.epoch) this.#lose(partition);
      else if (row.head > partition.end) partition.wake(row.head);
    }
  }

  /** Towards an equal share of the partitions among live workers. */
  async #balance(): Promise<void> {
    const share = await this.#leases.share();
    const owned = this.owned();
    if (owned.length > share) {
      this.#end(this.#giveBack(owned.slice(share), giveBackGraceMs));
    } else if (owned.length < share) {
      await this.#take(share - owned.length);
    }
  }

  async #take(limit: number): Promise<void> {
    const { clock, database } = this.#options;
    const taken = await this.#leases.acquire(limit, database.kind === 'pglite');
    await Promise.all(
      taken.map(async (owned) => {
        const partition: PartitionRunner = new PartitionRunner({
          ...this.#options,
          owned,
          clock,
          ringBudget: this.#ringBudget,
          sharedReads: this.#sharedReads,
          leaseHeld: this.#leaseHeld,
          onLost: () => this.#lose(partition),
        });
        this.#partitions.set(owned.id, partition);
        try {
          await partition.start();
        } catch (error) {
          // Half-started is not running: given up, so that the next round takes it again.
          this.#report(error);
          this.#lose(partition);
        }
      }),
    );
  }

  async #compare(): Promise<void> {
    const rows = await readVersions(
      this.#options.database,
      this.owned().map(({ id }) => id),
    );
    for (const partition of this.owned()) partition.compare(rows.get(partition.id) ?? new Map());
  }

  /** In peace: what is in flight may finish, the checkpoint says how far all is done, the lease is free at once. */
  async #giveBack(partitions: readonly PartitionRunner[], graceMs: number): Promise<void> {
    // Not renewed from here on: the grace is shorter than what is left of the lease.
    for (const { id } of partitions) this.#partitions.delete(id);
    await Promise.all(partitions.map((partition) => partition.stop(graceMs)));
    await Promise.all(partitions.map((partition) => partition.moveCheckpoint().catch(this.#report)));
    await this.#options.ledger.drained();
    await this.#leases.release(partitions).catch(this.#report);
  }

  /** Somebody else's now, or soon: what is in flight is cut off and nothing more is written. */
  #lose(partition: PartitionRunner): void {
    // An old runner may hear late that it is one, when this worker has taken the partition anew.
    if (this.#partitions.get(partition.id) !== partition) return;
    this.#partitions.delete(partition.id);
    this.#end(partition.stop(0).then(() => this.#leases.release([partition])));
  }

  #end(ending: Promise<void>): void {
    const tracked = ending.catch(this.#report).finally(() => this.#endings.delete(tracked));
    this.#endings.add(tracked);
  }
}
