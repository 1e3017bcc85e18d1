// The lane: the runner of one webhook, as a state machine without I/O. It is told what happened (`handle`) and answers
// what is to be done (`LaneAction[]`); reading, posting, timers and the ledger belong to `lane-runner.ts`.
//
//   disabled     no attempts; the queue in the log goes on growing.
//   looking      asked for the next package after its position.
//   idle         nothing undelivered matches; stands at the end of the log.
//   collecting   has seen undelivered events; waits for `delay` to pass since the first, or for a full package.
//   sending      one package in flight, never two.
//   retrying     the package whose attempt failed waits for its next one: blocked. It keeps its cut.
//
//   disabled ──configured──▶ looking | sending (a pending package goes at once)
//   looking ──looked──▶ idle | collecting | sending
//   idle ──offered──▶ looking
//   collecting ──offered (full) | due──▶ looking
//   sending ──answered ok──▶ looking        sending ──answered failed──▶ retrying | disabled
//   retrying ──due | configured──▶ sending (an edit retries at once, also one that came while the attempt was in flight)
//   any ──configured (disabled)──▶ disabled, after the answer of what is in flight
//   any ──moved (skip, replay)──▶ looking, after the answer of what is in flight, which is ignored
//
// Position: every matching event up to it is delivered. It moves forward with a success and back only by `moved`.
// Times are monotonic milliseconds, given with each call.

import { backOffMs } from './back-off.ts';
import { addedBytes, type Cut, type CutResult, type Filter } from './package.ts';

export interface LaneConfig {
  readonly version: number;
  readonly url: string;
  readonly enabled: boolean;
  readonly filter: Filter;
  readonly delayMs: number;
  readonly maxPackageBytes: number;
}

/** A package whose attempt failed: it stays this package until it succeeds or a person moves the cursor. */
export interface Pending {
  readonly packageId: string;
  readonly cut: Cut;
  /** The webhook's version when it was cut. */
  readonly version: number;
  /** Failed attempts so far. */
  readonly attempts: number;
  readonly retryAtMs: number;
}

export type LaneStateName = 'disabled' | 'looking' | 'idle' | 'collecting' | 'sending' | 'retrying' | 'stopped';

export type LaneInput<Evidence> =
  | { readonly kind: 'start' }
  /** The tail saw an event that matches the lane's filter. Offsets grow. */
  | { readonly kind: 'offered'; readonly offset: number; readonly bytes: number }
  /**
   * The answer to `look`. `firstSeenAtMs`: when the first event of the cut was first seen. `end`: the log was read up to
   * here, so without a cut nothing up to it is undelivered.
   */
  | {
      readonly kind: 'looked';
      readonly lookId: number;
      readonly result: CutResult;
      readonly firstSeenAtMs: number;
      readonly end: number;
    }
  | { readonly kind: 'look-failed'; readonly lookId: number; readonly retryAtMs: number }
  | { readonly kind: 'due' }
  /** `evidence` is handed back with the verdict, for the ledger; the lane does not look into it. */
  | { readonly kind: 'answered'; readonly outcome: 'ok' | 'failed' | 'aborted'; readonly evidence: Evidence }
  /** The row was read again. `end`: the tail has shown the lane every event up to here. */
  | { readonly kind: 'configured'; readonly config: LaneConfig; readonly retryNow: boolean; readonly end: number }
  /** A person moved the cursor; what was pending is gone. */
  | { readonly kind: 'moved'; readonly config: LaneConfig; readonly position: number }
  | { readonly kind: 'stop' };

export type LaneAction<Evidence> =
  | {
      readonly do: 'look';
      readonly lookId: number;
      readonly after: number;
      readonly filter: Filter;
      readonly maxBytes: number;
    }
  | { readonly do: 'wait'; readonly untilMs: number }
  | {
      readonly do: 'send';
      readonly packageId: string;
      readonly cut: Cut;
      readonly attempt: number;
      readonly version: number;
    }
  | { readonly do: 'delivered'; readonly cut: Cut; readonly evidence: Evidence }
  | { readonly do: 'blocked'; readonly pending: Pending; readonly waitMs: number; readonly evidence: Evidence }
  /** An answer that moves nothing: the attempt was cut off, or the cursor was moved meanwhile. */
  | { readonly do: 'ignored'; readonly evidence: Evidence }
  | { readonly do: 'abort' };

interface InFlight {
  readonly packageId: string;
  readonly cut: Cut;
  readonly version: number;
  readonly attempt: number;
  /** The cursor was moved while it was in flight: whatever comes back moves nothing. */
  superseded: boolean;
  /** The webhook was edited while it was in flight: what fails was sent as it was before, and is tried again at once. */
  edited: boolean;
}

export class Lane<Evidence> {
  #state: LaneStateName = 'disabled';
  #config: LaneConfig;
  #position: number;
  #pending: Pending | undefined;
  #inFlight: InFlight | undefined;
  #collectedBytes = 0;
  /** Only the answer to the newest look counts: an edit may have changed the filter under an older one. */
  #lookId = 0;
  /** Something was offered while looking: what the look finds may be stale. */
  #offeredMeanwhile = false;
  readonly #newPackageId: () => string;

  constructor(options: {
    readonly config: LaneConfig;
    readonly position: number;
    readonly pending?: Pending | undefined;
    readonly newPackageId: () => string;
  }) {
    this.#config = options.config;
    this.#position = options.position;
    this.#pending = options.pending;
    this.#newPackageId = options.newPackageId;
  }

  get state(): LaneStateName {
    return this.#state;
  }

  get config(): LaneConfig {
    return this.#config;
  }

  get position(): number {
    return this.#position;
  }

  get pending(): Pending | undefined {
    return this.#pending;
  }

  handle(input: LaneInput<Evidence>, nowMs: number): LaneAction<Evidence>[] {
    if (this.#state === 'stopped') return [];
    switch (input.kind) {
      case 'start':
        return this.#resume(nowMs);
      case 'offered':
        return this.#offered(input.offset, input.bytes);
      case 'looked':
        return input.lookId === this.#lookId ? this.#looked(input.result, input.firstSeenAtMs, input.end, nowMs) : [];
      case 'look-failed':
        return this.#state === 'looking' && input.lookId === this.#lookId
          ? [{ do: 'wait', untilMs: input.retryAtMs }]
          : [];
      case 'due':
        return this.#due();
      case 'answered':
        return this.#answered(input.outcome, input.evidence, nowMs);
      case 'configured':
        return this.#configured(input.config, input.retryNow, input.end, nowMs);
      case 'moved':
        return this.#moved(input.config, input.position, nowMs);
      case 'stop':
        this.#state = 'stopped';
        return this.#inFlight ? [{ do: 'abort' }] : [];
    }
  }

  /** From disabled, or at the start: goes on where the webhook stands. */
  #resume(nowMs: number): LaneAction<Evidence>[] {
    if (!this.#config.enabled) {
      this.#state = 'disabled';
      return [];
    }
    if (!this.#pending) return this.#look();
    if (this.#pending.retryAtMs <= nowMs) return this.#send(this.#pending);
    this.#state = 'retrying';
    return [{ do: 'wait', untilMs: this.#pending.retryAtMs }];
  }

  #look(): LaneAction<Evidence>[] {
    this.#state = 'looking';
    this.#offeredMeanwhile = false;
    const { filter, maxPackageBytes } = this.#config;
    this.#lookId += 1;
    return [{ do: 'look', lookId: this.#lookId, after: this.#position, filter, maxBytes: maxPackageBytes }];
  }

  #offered(offset: number, bytes: number): LaneAction<Evidence>[] {
    if (offset <= this.#position) return [];
    switch (this.#state) {
      case 'idle':
        // Idle means that nothing before this event is undelivered.
        this.#position = offset - 1;
        return this.#look();
      case 'looking':
        this.#offeredMeanwhile = true;
        return [];
      case 'collecting':
        this.#collectedBytes += addedBytes({ bytes });
        return this.#collectedBytes >= this.#config.maxPackageBytes ? this.#look() : [];
      default:
        return [];
    }
  }

  #looked(result: CutResult, firstSeenAtMs: number, end: number, nowMs: number): LaneAction<Evidence>[] {
    if (this.#state !== 'looking') return [];
    const { cut, full } = result;
    if (!cut) {
      this.#position = Math.max(this.#position, end);
      if (this.#offeredMeanwhile) return this.#look();
      this.#state = 'idle';
      return [];
    }
    const dueAtMs = firstSeenAtMs + this.#config.delayMs;
    if (full || dueAtMs <= nowMs) {
      return this.#send({ packageId: this.#newPackageId(), cut, version: this.#config.version, attempts: 0 });
    }
    if (this.#offeredMeanwhile) return this.#look();
    this.#state = 'collecting';
    this.#collectedBytes = cut.bytes;
    return [{ do: 'wait', untilMs: dueAtMs }];
  }

  #due(): LaneAction<Evidence>[] {
    if (this.#state === 'collecting' || this.#state === 'looking') return this.#look();
    if (this.#state === 'retrying' && this.#pending) return this.#send(this.#pending);
    return [];
  }

  #send({ packageId, cut, version, attempts }: Omit<Pending, 'retryAtMs'>): LaneAction<Evidence>[] {
    this.#state = 'sending';
    this.#inFlight = { packageId, cut, version, attempt: attempts + 1, superseded: false, edited: false };
    return [{ do: 'send', packageId, cut, version, attempt: attempts + 1 }];
  }

  #answered(outcome: 'ok' | 'failed' | 'aborted', evidence: Evidence, nowMs: number): LaneAction<Evidence>[] {
    const sent = this.#inFlight;
    if (!sent) return [];
    this.#inFlight = undefined;
    if (sent.superseded) return [{ do: 'ignored', evidence }, ...this.#resume(nowMs)];
    if (outcome === 'aborted') {
      // Nothing is known of the endpoint: the same package is tried again at once, unless the lane was stopped.
      return [
        { do: 'ignored', evidence },
        ...(this.#pending || !this.#config.enabled ? this.#resume(nowMs) : this.#look()),
      ];
    }
    if (outcome === 'ok') {
      this.#position = sent.cut.last;
      this.#pending = undefined;
      return [{ do: 'delivered', cut: sent.cut, evidence }, ...this.#resume(nowMs)];
    }
    const waitMs = sent.edited ? 0 : backOffMs(sent.attempt);
    this.#pending = {
      packageId: sent.packageId,
      cut: sent.cut,
      version: sent.version,
      attempts: sent.attempt,
      retryAtMs: nowMs + waitMs,
    };
    return [{ do: 'blocked', pending: this.#pending, waitMs, evidence }, ...this.#resume(nowMs)];
  }

  #configured(config: LaneConfig, retryNow: boolean, end: number, nowMs: number): LaneAction<Evidence>[] {
    const edited = config.version !== this.#config.version;
    this.#config = config;
    // A new filter counts from the cursor on, and an idle lane's cursor is the end of the log.
    if (this.#state === 'idle') this.#position = Math.max(this.#position, end);
    switch (this.#state) {
      case 'sending':
        if (edited && this.#inFlight) this.#inFlight.edited = true;
        return [];
      case 'disabled':
        if (!config.enabled) return [];
        if (this.#pending) return this.#send(this.#pending);
        return this.#resume(nowMs);
      case 'retrying':
        if (!config.enabled) return this.#resume(nowMs);
        return (edited || retryNow) && this.#pending ? this.#send(this.#pending) : [];
      default:
        return edited ? this.#resume(nowMs) : [];
    }
  }

  #moved(config: LaneConfig, position: number, nowMs: number): LaneAction<Evidence>[] {
    this.#config = config;
    this.#position = position;
    this.#pending = undefined;
    if (this.#inFlight) {
      this.#inFlight.superseded = true;
      return [{ do: 'abort' }];
    }
    return this.#resume(nowMs);
  }
}
