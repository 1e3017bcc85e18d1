// Carries out what a lane decides: has events read, builds and posts packages, writes the ledger, keeps the one timer.
// All decisions are in `lane.ts`; this file holds no state of delivery besides what is on its way.
//
// A lane may go on while its last cursors are being written, a few packages ahead at most: a crash then repeats those.
// While the database is away the entry is kept and tried again, and nothing more is posted.

import { v7 as uuidv7 } from 'uuid';
import type { Observer } from '../observe/observer.ts';
import { Lane, type LaneAction, type LaneInput, type Pending } from './lane.ts';
import { LaneReader, type Read, type ReadFrom } from './lane-reader.ts';
import { LaneRecords, troubleMs } from './lane-records.ts';
import type { AttemptRow, Ledger, LedgerEntry } from './ledger.ts';
import type { Outcome, Sender } from './outcome.ts';
import { buildPackage, cutPackage, type Filter } from './package.ts';
import type { RingEvent } from './ring.ts';
import { laneConfig, versionOf, type WebhookRow } from './webhook-row.ts';

/** What a lane needs of the partition it lives in. */
export interface LaneSurroundings extends ReadFrom {
  readonly epoch: number;
  readonly ledger: Ledger;
  readonly sender: Sender;
  /** Where caught-up lanes stand. */
  checkpoint(): number;
  /** False once the lease has run out on this process's own clock: nothing may be posted. */
  leaseHeld(): boolean;
  /** The ledger said that the partition is another worker's. */
  lost(): void;
  /** The row changed under the lane: read it again. */
  reload(webhookId: string): void;
  onError(error: unknown, webhookId: string): void;
  readonly observer?: Pick<Observer, 'attempted'> | undefined;
}

const suspectAfterMs = 1_000;

/** The attempt that an answer belongs to; undefined when nothing was posted. */
type Evidence = AttemptRow | undefined;
type LaneSend = Extract<LaneAction<Evidence>, { do: 'send' }>;
type LaneVerdict = Extract<LaneAction<Evidence>, { do: 'delivered' | 'blocked' | 'ignored' }>;

function judge(outcome: Outcome): 'ok' | 'failed' | 'aborted' {
  if (outcome.ok) return 'ok';
  return outcome.reason === 'aborted' ? 'aborted' : 'failed';
}

export class LaneRunner {
  readonly webhookId: string;
  readonly clientId: string;
  readonly #around: LaneSurroundings;
  readonly #lane: Lane<Evidence>;
  readonly #reader: LaneReader;
  /** Ends every pause: the lane stops and will wait no longer. */
  readonly #cutOff = new AbortController();
  #inFlight: AbortController | undefined;
  #stopping = false;
  #positionVersion: number;
  /** The cursor column as last written; null: the row follows the partition's checkpoint; undefined: not known. */
  #stored: number | null | undefined;
  #restsIdle = false;
  #blockedSince: Date | undefined;
  #suspect: boolean;
  #cancelTimer: (() => void) | undefined;
  #waitsUntilMs = Number.POSITIVE_INFINITY;
  readonly #records: LaneRecords;
  #working = new Set<Promise<void>>();
  #inputs: LaneInput<Evidence>[] = [];
  #handling = false;

  constructor(row: WebhookRow, around: LaneSurroundings) {
    this.webhookId = row.id;
    this.clientId = row.client_id;
    this.#around = around;
    this.#reader = new LaneReader(row.client_id, around);
    this.#records = new LaneRecords({
      ledger: around.ledger,
      clock: around.clock,
      cutOff: this.#cutOff.signal,
      onResult: (result) => {
        if (result === 'fenced') around.lost();
        if (result === 'superseded') around.reload(row.id);
      },
      onError: (error) => around.onError(error, row.id),
    });
    this.#positionVersion = row.position_version;
    this.#stored = row.cursor;
    this.#blockedSince = row.blocked_since ?? undefined;
    this.#suspect = row.attempts > 0;
    this.#lane = new Lane<Evidence>({
      config: laneConfig(row),
      position: row.cursor ?? around.checkpoint(),
      pending: this.#pendingOf(row),
      newPackageId: uuidv7,
    });
  }

  get filter(): Filter {
    return this.#lane.config.filter;
  }

  /** As `versionOf` the row that it follows. */
  get version(): string {
    return versionOf({ version: this.#lane.config.version, position_version: this.#positionVersion });
  }

  get positionVersion(): number {
    return this.#positionVersion;
  }

  get enabled(): boolean {
    return this.#lane.config.enabled;
  }

  /** Attempts that failed since the last success; what a row must say to mean the same standing. */
  get failedAttempts(): number {
    return this.#lane.pending?.attempts ?? 0;
  }

  start(): void {
    this.#handle({ kind: 'start' });
  }

  offer(event: RingEvent): void {
    this.#handle({ kind: 'offered', offset: event.offset, bytes: event.bytes });
  }

  /** Resolves when everything that is on its way to the ledger has arrived: only then a row read is up to date. */
  recorded(): Promise<void> {
    return this.#records.written();
  }

  /** The row as read after `recorded`. */
  configure(row: WebhookRow): void {
    const config = laneConfig(row);
    if (row.position_version !== this.#positionVersion) {
      this.#positionVersion = row.position_version;
      this.#stored = row.cursor;
      this.#blockedSince = undefined;
      this.#handle({ kind: 'moved', config, position: row.cursor ?? this.#around.checkpoint() });
      return;
    }
    if (!config.enabled) this.#stored = row.cursor;
    const retryNow =
      row.attempts === this.failedAttempts &&
      row.next_attempt_at !== null &&
      row.next_attempt_at.getTime() <= this.#around.clock.wallMs();
    this.#handle({ kind: 'configured', config, retryNow, end: this.#around.ring.end });
  }

  /**
   * How the row must stand once the partition's checkpoint is `offset`: `settled` follows it, a number keeps a cursor of
   * its own, undefined is right as it is. Costs nothing for a lane that is idle and settled.
   */
  standing(offset: number): 'settled' | number | undefined {
    if (!this.enabled) return undefined;
    if (this.#lane.state === 'idle' || this.#restsIdle) {
      if (this.#stored === null || (this.#stored ?? 0) > offset) return undefined;
      this.#stored = null;
      return 'settled';
    }
    if (typeof this.#stored === 'number') return undefined;
    const cursor = Math.max(this.#lane.position, this.#around.checkpoint());
    this.#stored = cursor;
    return cursor;
  }

  /** What `standing` gave last may not have been written: it is given again. */
  standingUnknown(): void {
    this.#stored = undefined;
  }

  /** Ends the lane. What is in flight may finish within the time given, then it is cut off. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelTimer?.();
    const cutOff = () => {
      this.#cutOff.abort();
      this.#inFlight?.abort();
    };
    if (graceMs === 0) cutOff();
    const cancel = this.#around.clock.callAt(this.#around.clock.monotonicMs() + graceMs, cutOff);
    while (this.#working.size > 0) await Promise.all(this.#working);
    await this.recorded();
    cancel();
    this.#restsIdle = this.#lane.state === 'idle';
    this.#handle({ kind: 'stop' });
  }

  #pendingOf(row: WebhookRow): Pending | undefined {
    if (!row.pending_id || row.pending_first === null || row.pending_last === null) return undefined;
    const { clock } = this.#around;
    const waitMs = (row.next_attempt_at?.getTime() ?? 0) - clock.wallMs();
    return {
      packageId: row.pending_id,
      cut: {
        first: row.pending_first,
        last: row.pending_last,
        count: 0,
        bytes: 0,
        filter: { type: row.pending_type ?? ['ALL'], excludeType: row.pending_exclude_type ?? undefined },
      },
      version: row.pending_version ?? row.version,
      attempts: row.attempts,
      retryAtMs: clock.monotonicMs() + Math.max(0, waitMs),
    };
  }

  /** One input at a time: actions that answer at once queue theirs behind it. */
  #handle(input: LaneInput<Evidence>): void {
    this.#inputs.push(input);
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        for (const action of this.#lane.handle(next, this.#around.clock.monotonicMs())) this.#carryOut(action);
      }
    } finally {
      this.#handling = false;
    }
  }

  #carryOut(action: LaneAction<Evidence>): void {
    switch (action.do) {
      case 'look':
        this.#look(action);
        return;
      case 'wait':
        // Read again when it is sent: a waiting lane pins nothing that the ring let go.
        this.#reader.forget();
        this.#cancelTimer?.();
        this.#waitsUntilMs = action.untilMs;
        if (this.#stopping) return;
        this.#cancelTimer = this.#around.clock.callAt(action.untilMs, () => this.#handle({ kind: 'due' }));
        return;
      case 'send':
        // What comes back in the end of a stop is not followed by another attempt.
        if (!this.#stopping) this.#work(this.#send(action, this.#takeDueMs()));
        return;
      case 'abort':
        this.#inFlight?.abort();
        return;
      case 'delivered':
      case 'blocked':
      case 'ignored':
        if (action.evidence) this.#records.add(this.#entryFor(action, action.evidence));
        return;
    }
  }

  /** When the package about to be sent was due: the end of the wait for it, or now, when there was none. */
  #takeDueMs(): number {
    const dueMs = this.#waitsUntilMs;
    this.#waitsUntilMs = Number.POSITIVE_INFINITY;
    return Math.min(dueMs, this.#around.clock.monotonicMs());
  }

  #work(task: Promise<void>): void {
    const tracked = task
      .catch((error: unknown) => this.#around.onError(error, this.webhookId))
      .finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }

  #look({ lookId, after, filter, maxBytes }: Extract<LaneAction<Evidence>, { do: 'look' }>): void {
    if (this.#stopping) return;
    const looked = ({ events, end }: Read): void => {
      const result = cutPackage(events, filter, maxBytes);
      if (result.cut) this.#reader.keep(filter, events.slice(0, result.cut.count));
      else this.#reader.forget();
      this.#handle({ kind: 'looked', lookId, result, firstSeenAtMs: events[0]?.seenAtMs ?? 0, end });
    };
    const read = this.#reader.recent(after, filter, maxBytes);
    if (read) {
      looked(read);
      return;
    }
    this.#work(
      this.#reader.older(after, filter, maxBytes).then(looked, (error: unknown) => {
        this.#around.onError(error, this.webhookId);
        this.#handle({ kind: 'look-failed', lookId, retryAtMs: this.#around.clock.monotonicMs() + troubleMs });
      }),
    );
  }

  async #send(action: LaneSend, dueMs: number): Promise<void> {
    const abort = new AbortController();
    this.#inFlight = abort;
    try {
      const evidence = await this.#attempt(action, abort.signal, dueMs);
      this.#inFlight = undefined;
      this.#handle({ kind: 'answered', outcome: evidence ? judge(evidence.outcome) : 'aborted', evidence });
    } catch (error) {
      // The log could not be read, which says nothing about the endpoint: once more, after a pause.
      this.#around.onError(error, this.webhookId);
      await this.#records.pause();
      this.#inFlight = undefined;
      this.#handle({ kind: 'answered', outcome: 'aborted', evidence: undefined });
    }
  }

  /** One POST. Undefined: it was not made, because the lane was moved, stopped or lost its lease before. */
  async #attempt({ packageId, cut, attempt }: LaneSend, signal: AbortSignal, dueMs: number): Promise<Evidence> {
    await this.#records.room();
    let [asked, posted, eventCount, bytes] = [false, false, 0, 0];
    const body = async (): Promise<Uint8Array | undefined> => {
      asked = true;
      const events = await this.#reader.eventsOf(cut);
      if (events.length === 0) throw new Error(`The events ${cut.first} to ${cut.last} are not in the log any more.`);
      if (!this.#around.leaseHeld()) {
        // At once, before the partition comes to stop this lane: it would try again and again.
        this.#stopping = true;
        this.#around.lost();
      }
      if (signal.aborted || this.#stopping || !this.enabled) return undefined;
      const built = buildPackage(events, this.webhookId);
      [eventCount, bytes] = [events.length, built.length];
      return built;
    };
    // As it is at this moment: a PATCH applies to the next attempt.
    const { url } = this.#lane.config;
    const mayPost = (): boolean => {
      // Its turn may have come long after its URL was read: a new one is followed from the next look on.
      const may = this.#around.leaseHeld() && this.enabled && this.#lane.config.url === url;
      posted ||= may;
      return may;
    };
    const { clientId } = this;
    const posting = this.#around.sender.post({ url, clientId, body, signal, mayPost, suspect: this.#suspect });
    setImmediate(() => {
      if (!asked) this.#reader.forget();
    });
    const outcome = await posting;
    if (!asked && judge(outcome) !== 'aborted') await body();
    if (eventCount === 0 || (!posted && judge(outcome) === 'aborted')) return undefined;
    this.#around.observer?.attempted(
      outcome.ok ? 'ok' : outcome.reason,
      eventCount,
      outcome.durationMs,
      attempt === 1 ? this.#around.clock.monotonicMs() - outcome.durationMs - dueMs : undefined,
    );
    if (judge(outcome) !== 'aborted') this.#suspect = !outcome.ok || outcome.durationMs > suspectAfterMs;
    return {
      id: uuidv7(),
      webhookId: this.webhookId,
      clientId: this.clientId,
      partition: this.#around.partition,
      kind: 'delivery',
      packageId,
      attempt,
      firstOffset: cut.first,
      lastOffset: cut.last,
      eventCount,
      bytes,
      url,
      outcome,
    };
  }

  #entryFor(action: LaneVerdict, attempt: AttemptRow): LedgerEntry {
    const { partition, epoch, clock } = this.#around;
    if (action.do === 'ignored') return { kind: 'attempt', partition, epoch, attempt };
    const { webhookId } = this;
    const common = {
      kind: 'lane' as const,
      partition,
      epoch,
      webhookId,
      positionVersion: this.#positionVersion,
      attempt,
    };
    if (action.do === 'delivered') {
      this.#blockedSince = undefined;
      this.#stored = action.cut.last;
      return { ...common, cursor: action.cut.last, blocked: null };
    }
    const { outcome } = attempt;
    this.#blockedSince ??= outcome.startedAt;
    this.#stored = Math.max(this.#lane.position, this.#stored ?? this.#around.checkpoint());
    return {
      ...common,
      cursor: this.#stored,
      blocked: {
        pending: action.pending,
        nextAttemptAt: new Date(clock.wallMs() + action.waitMs),
        since: this.#blockedSince,
        reason: outcome.ok ? 'other' : outcome.reason,
        status: outcome.status,
      },
    };
  }
}
