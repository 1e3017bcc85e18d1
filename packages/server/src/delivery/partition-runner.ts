// One owned partition: the tail that reads the log once for all, the ring, and the lanes of the partition's webhooks.
//
// The tail shows each event to the lanes it matches, found by tenant and category, so an event costs nothing for webhooks
// that do not want it. Hints say when to read; the worker's poll once a second is the safety net.

import { matches } from '@bellhop/events';
import type { EventLog, LogEvent, StoredBatch } from '../log/event-log.ts';
import type { Observer } from '../observe/observer.ts';
import type { Database } from '../store/database.ts';
import type { Clock } from './clock.ts';
import { LaneRunner, type LaneSurroundings } from './lane-runner.ts';
import type { OwnedPartition } from './leases.ts';
import type { Ledger, LedgerResult } from './ledger.ts';
import type { Sender } from './outcome.ts';
import { Ring, type RingBudget, type RingEvent, toRingEvent } from './ring.ts';
import type { SharedReads } from './shared-reads.ts';
import { readWebhook, readWebhooksOfPartition } from './webhook-row.ts';

export interface PartitionOptions {
  readonly owned: OwnedPartition;
  readonly database: Database;
  readonly log: EventLog;
  readonly ledger: Ledger;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly ringBudget: RingBudget;
  readonly sharedReads: SharedReads;
  readonly leaseHeld: () => boolean;
  readonly onLost: () => void;
  readonly onError: (error: unknown, where: string) => void;
  readonly observer?: Pick<Observer, 'attempted'> | undefined;
}

const tailPage = { limit: 1_000, maxBytes: 2 * 1024 * 1024 };
/** Many enough to keep the wake-up list of a tenant's busy categories, few enough to stay small. */
const maxWakeLists = 10_000;

export class PartitionRunner {
  readonly id: number;
  readonly epoch: number;
  readonly #options: PartitionOptions;
  readonly #ring: Ring;
  readonly #lanes = new Map<string, LaneRunner>();
  readonly #byTenant = new Map<string, Set<LaneRunner>>();
  /** `client/CATEGORY` to the lanes it wakes; made when first needed, dropped when any lane changes. */
  readonly #wakeLists = new Map<string, readonly LaneRunner[]>();
  readonly #around: LaneSurroundings;
  #checkpoint: number;
  #tailing: Promise<void> | undefined;
  #tailAgain = false;
  /** Every event up to here was shown; at least the ring's end, and past offsets that duplicates left unused. */
  #readTo: number;
  /** Known to be committed up to here: a read that comes back short has seen all of it. */
  #committedTo = 0;
  #reloads = new Map<string, Promise<boolean>>();
  #stopping = false;
  #starting: Promise<void> = Promise.resolve();

  constructor(options: PartitionOptions) {
    this.#options = options;
    this.id = options.owned.id;
    this.epoch = options.owned.epoch;
    this.#checkpoint = options.owned.checkpoint;
    // What is older than the head is read by the lanes that miss it.
    this.#ring = new Ring(options.owned.head, options.ringBudget);
    this.#readTo = options.owned.head;
    this.#around = {
      partition: this.id,
      epoch: this.epoch,
      ring: this.#ring,
      log: options.log,
      sharedReads: options.sharedReads,
      ledger: options.ledger,
      sender: options.sender,
      clock: options.clock,
      checkpoint: () => this.#checkpoint,
      leaseHeld: options.leaseHeld,
      lost: options.onLost,
      reload: (webhookId) => void this.reload(webhookId),
      onError: (error, webhookId) => options.onError(error, `webhook ${webhookId}`),
      observer: options.observer,
    };
  }

  /** Every event up to here was shown to the lanes. */
  get end(): number {
    return this.#readTo;
  }

  get ringBytes(): number {
    return this.#ring.bytes;
  }

  get lanes(): number {
    return this.#lanes.size;
  }

  start(): Promise<void> {
    this.#starting = this.#startLanes();
    return this.#starting;
  }

  async #startLanes(): Promise<void> {
    for (const row of await readWebhooksOfPartition(this.#options.database, this.id)) {
      if (!row.enabled || this.#stopping) continue;
      this.#add(new LaneRunner(row, this.#around)).start();
    }
    this.wake();
  }

  /**
   * There may be events after the tail's end. `committedTo`: no offset up to it is still to come. `stored`: what this very
   * process appended; when it follows on what was read it goes into the ring as it is, and the database is not asked.
   */
  wake(committedTo = 0, stored?: StoredBatch): void {
    if (this.#stopping) return;
    if (stored && !this.#tailing && stored.after === this.#readTo) {
      this.#show(stored.events);
      this.#readTo = stored.upTo;
      return;
    }
    this.#committedTo = Math.max(this.#committedTo, committedTo);
    this.#tailAgain = true;
    this.#tailing ??= this.#tail();
  }

  /**
   * A webhook's row may have changed: its lane reads it again. One read at a time per webhook. True: the lane
   * does as the row says; false: it could not be read.
   */
  async reload(webhookId: string): Promise<boolean> {
    if (this.#stopping) return false;
    // While the partition starts its lanes are not all there yet: a reload in between would make one of them twice.
    const previous = this.#reloads.get(webhookId) ?? this.#starting.catch(() => {});
    const next = previous
      .then(() => this.#reload(webhookId))
      .then(
        () => true,
        (error: unknown) => {
          this.#options.onError(error, `webhook ${webhookId}`);
          return false;
        },
      )
      .finally(() => {
        if (this.#reloads.get(webhookId) === next) this.#reloads.delete(webhookId);
      });
    this.#reloads.set(webhookId, next);
    return next;
  }

  /** What the table says of this partition's enabled webhooks: a lane that differs reads its row again. */
  compare(versions: ReadonlyMap<string, string>): void {
    for (const [webhookId, version] of versions) {
      if (this.#lanes.get(webhookId)?.version !== version) void this.reload(webhookId);
    }
    for (const lane of this.#lanes.values()) {
      if (lane.enabled && !versions.has(lane.webhookId)) void this.reload(lane.webhookId);
    }
  }

  /** Moves the checkpoint to where the tail is, and with it every lane that is caught up. */
  async moveCheckpoint(): Promise<LedgerResult | 'unchanged'> {
    const offset = this.#readTo;
    const settled: { webhookId: string; positionVersion: number }[] = [];
    const behind: { webhookId: string; cursor: number }[] = [];
    const asked: LaneRunner[] = [];
    for (const lane of this.#lanes.values()) {
      const standing = lane.standing(offset);
      if (standing === undefined) continue;
      asked.push(lane);
      const { webhookId, positionVersion } = lane;
      if (standing === 'settled') settled.push({ webhookId, positionVersion });
      else behind.push({ webhookId, cursor: standing });
    }
    if (offset === this.#checkpoint && asked.length === 0) return 'unchanged';
    const entry = { kind: 'checkpoint' as const, partition: this.id, epoch: this.epoch, offset, settled, behind };
    try {
      const result = await this.#options.ledger.add(entry);
      if (result === 'written') this.#checkpoint = offset;
      return result;
    } catch (error) {
      for (const lane of asked) lane.standingUnknown();
      throw error;
    }
  }

  /** What is in flight may finish within the time given; then every lane is at rest and the ledger has all of it. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    await this.#tailing;
    await Promise.all(this.#reloads.values());
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop(graceMs)));
    this.#ring.close();
  }

  #add(lane: LaneRunner): LaneRunner {
    this.#lanes.set(lane.webhookId, lane);
    const tenant = this.#byTenant.get(lane.clientId) ?? new Set();
    tenant.add(lane);
    this.#byTenant.set(lane.clientId, tenant);
    this.#wakeLists.clear();
    return lane;
  }

  async #remove(lane: LaneRunner): Promise<void> {
    this.#lanes.delete(lane.webhookId);
    const tenant = this.#byTenant.get(lane.clientId);
    tenant?.delete(lane);
    if (tenant?.size === 0) this.#byTenant.delete(lane.clientId);
    this.#wakeLists.clear();
    await lane.stop(0);
  }

  async #reload(webhookId: string): Promise<void> {
    const lane = this.#lanes.get(webhookId);
    // What the lane has on its way to the row must be in it before it is read.
    await lane?.recorded();
    const row = await readWebhook(this.#options.database, webhookId);
    if (this.#stopping) return;
    if (!row || row.partition !== this.id) {
      if (lane) await this.#remove(lane);
    } else if (lane) {
      lane.configure(row);
      this.#wakeLists.clear();
    } else if (row.enabled) {
      this.#add(new LaneRunner(row, this.#around)).start();
    }
  }

  async #tail(): Promise<void> {
    while (this.#tailAgain && !this.#stopping) {
      this.#tailAgain = false;
      try {
        // Whatever was committed before the question is in the answer, if the answer goes to the end.
        const committedTo = this.#committedTo;
        const { events, atEnd } = await this.#options.log.read(this.id, this.#readTo, tailPage);
        this.#show(events);
        this.#readTo = Math.max(this.#readTo, events.at(-1)?.offset ?? 0, atEnd ? committedTo : 0);
        if (!atEnd) this.#tailAgain = true;
      } catch (error) {
        // The worker's poll wakes the tail again.
        this.#options.onError(error, `partition ${this.id}`);
        break;
      }
    }
    // In the same tick as the last look at the flag: a later wake starts a new run.
    this.#tailing = undefined;
  }

  #show(events: readonly LogEvent[]): void {
    const seenAtMs = this.#options.clock.monotonicMs();
    for (const logEvent of events) {
      const event = toRingEvent(logEvent, seenAtMs);
      this.#ring.push(event);
      for (const lane of this.#wakes(event)) lane.offer(event);
    }
  }

  #wakes(event: RingEvent): readonly LaneRunner[] {
    const key = `${event.clientId}/${event.category}`;
    let list = this.#wakeLists.get(key);
    if (!list) {
      if (this.#wakeLists.size >= maxWakeLists) this.#wakeLists.clear();
      list = [...(this.#byTenant.get(event.clientId) ?? [])].filter(
        ({ filter, enabled }) =>
          enabled && matches({ type: filter.type, exclude_type: filter.excludeType }, event.type),
      );
      this.#wakeLists.set(key, list);
    }
    return list;
  }
}
