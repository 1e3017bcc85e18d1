// The world of one lane, simulated, with a model of what the webhook owes its endpoint: the log and its tail, looks that
// answer late, fail or come in the wrong order, an endpoint that answers when the test says so, the row as the ledger
// keeps it, and crashes that lose the last write. Every action of the lane is compared with the model at once, and after
// every step `settled` asks whether the lane stands where it must. A violation throws.
//
// The model's cursor is `floor`: nothing up to it is owed. It follows successes and a person's moves, and the end of the
// log while the lane is caught up. It is never read from the lane.

import { isDeepStrictEqual } from 'node:util';
import { matches } from '@bellhop/events';
import { backOffMs } from './back-off.ts';
import { Lane, type LaneAction, type LaneConfig, type LaneInput, type Pending } from './lane.ts';
import { addedBytes, type Cut, type CutResult, type CuttableEvent, cutPackage, type Filter } from './package.ts';

interface SimulatedEvent extends CuttableEvent {
  readonly type: string;
  readonly seenAtMs: number;
}

type Look = Extract<LaneAction<number>, { do: 'look' }>;
type Send = Extract<LaneAction<number>, { do: 'send' }>;

interface OpenLook {
  readonly look: Look;
  readonly tailWhenAsked: number;
  found?: { readonly result: CutResult; readonly firstSeenAtMs: number; readonly end: number };
}

interface Post {
  readonly send: Send;
  /** The lane was moved meanwhile: the answer moves nothing. */
  superseded: boolean;
  /** The webhook was edited meanwhile: a failure is tried again at once. */
  edited: boolean;
  isCutOff: boolean;
  readonly evidence: number;
}

/** What the ledger keeps of a lane. */
interface Row {
  readonly cursor: number;
  readonly pending: Pending | undefined;
}

export type Step =
  | {
      readonly do: 'publish';
      readonly type: string;
      readonly bytes: number;
      readonly gap: number;
      readonly shown: boolean;
    }
  /** The tail shows what was published. */
  | { readonly do: 'tail' }
  /** A look computes its answer from the log as it is now; `pages` sees also what the tail has not shown yet. */
  | { readonly do: 'read'; readonly which: number; readonly pages: boolean }
  | { readonly do: 'tell-look'; readonly which: number }
  | { readonly do: 'fail-look'; readonly which: number }
  | { readonly do: 'answer'; readonly outcome: 'ok' | 'failed' | 'aborted' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'edit'; readonly change: Partial<LaneConfig> }
  /** A hint without a change, as the safety net sends it. */
  | { readonly do: 'reload' }
  | { readonly do: 'retry' }
  /** With an edit that the lane hears of in the same breath. */
  | { readonly do: 'replay'; readonly share: number; readonly change: Partial<LaneConfig> }
  | { readonly do: 'skip' }
  /** The partition's checkpoint moves. */
  | { readonly do: 'checkpoint' }
  | { readonly do: 'restart'; readonly stopped: boolean; readonly loses: boolean };

function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

export class LaneWorld {
  now = 0;
  /** Looks answer at once, as the ring does; else by steps of their own. */
  readonly #answersAtOnce: boolean;
  readonly #log: SimulatedEvent[] = [];
  /** Events of the log that the tail has shown, and the offset of the last one. */
  #tailed = 0;
  #tail = 0;
  #config: LaneConfig = {
    version: 1,
    url: 'https://tenant.tld/',
    enabled: true,
    filter: { type: ['ALL'] },
    delayMs: 1_000,
    maxPackageBytes: 2_000 + emptyPackageBytes,
  };
  #floor = 0;
  #row: Row = { cursor: 0, pending: undefined };
  /** The row before the last write, which a crash may lose. */
  #before: Row | undefined;
  #post: Post | undefined;
  /** The post whose answer the lane is being told, until it gives its verdict. */
  #judging: { readonly post: Post; readonly outcome: 'ok' | 'failed' | 'aborted' } | undefined;
  #mayRetryEarly = false;
  #open: OpenLook[] = [];
  #lastLookId = 0;
  #lookFailedUntil: number | undefined;
  #foundEmptyTo = 0;
  #timer: number | undefined;
  #packages = 0;
  #posts = 0;
  readonly #packageIds = new Set<string>();
  /** Offsets delivered since the cursor was last put somewhere, and the highest of them. */
  #arrived = new Set<number>();
  #highest = 0;
  readonly everArrived = new Set<number>();
  #lane: Lane<number>;
  #inputs: LaneInput<number>[] = [];
  #telling = false;

  constructor(options: { readonly answersAtOnce: boolean }) {
    this.#answersAtOnce = options.answersAtOnce;
    this.#lane = this.#newLane();
    this.#tell({ kind: 'start' });
  }

  get log(): readonly SimulatedEvent[] {
    return this.#log;
  }

  get packagesMade(): number {
    return this.#packages;
  }

  run(step: Step): void {
    this.#step(step);
    this.#settled();
  }

  /** The endpoint answers 200 from now on, reads succeed and time passes: then nothing may be owed any more. */
  heal(): void {
    if (!this.#config.enabled) this.#edit({ enabled: true });
    this.#showTail();
    for (let round = 0; round < 1_000; round += 1) {
      while (this.#open.length > 0) this.#tellLook(0, false);
      this.#settled();
      if (this.#post) this.#answer('ok');
      else if (this.#lane.state === 'idle') return;
      else this.#pass(600_000);
    }
    check(false, `the lane does not come to rest: it is ${this.#lane.state}`);
  }

  #step(step: Step): void {
    switch (step.do) {
      case 'publish': {
        const offset = (this.#log.at(-1)?.offset ?? 0) + step.gap;
        this.#log.push({ offset, type: step.type, bytes: step.bytes, body: '', seenAtMs: this.now });
        if (step.shown) this.#showTail();
        return;
      }
      case 'tail':
        this.#showTail();
        return;
      case 'read': {
        const open = this.#open[step.which % this.#open.length];
        if (open) this.#read(open, step.pages);
        return;
      }
      case 'tell-look':
        if (this.#open.length > 0) this.#tellLook(step.which % this.#open.length, true);
        return;
      case 'fail-look': {
        if (this.#open.length === 0) return;
        const [open] = this.#open.splice(step.which % this.#open.length, 1);
        if (!open) return;
        const retryAtMs = this.now + 1_000;
        const timerBefore = this.#timer;
        const counts = open.look.lookId === this.#lastLookId && this.#lane.state === 'looking';
        if (counts) this.#lookFailedUntil = retryAtMs;
        this.#tell({ kind: 'look-failed', lookId: open.look.lookId, retryAtMs });
        check(counts || this.#timer === timerBefore, 'the failure of an older look counts');
        return;
      }
      case 'answer':
        this.#answer(step.outcome);
        return;
      case 'pass':
        this.#pass(step.ms);
        return;
      case 'edit':
        this.#edit(step.change);
        return;
      case 'reload':
        this.#tell({ kind: 'configured', config: this.#config, retryNow: false, end: this.#tail });
        return;
      case 'retry':
        this.#written();
        this.#mayRetryEarly = true;
        this.#tell({ kind: 'configured', config: this.#config, retryNow: true, end: this.#tail });
        this.#mayRetryEarly = false;
        this.#checkRetriesAtOnce();
        return;
      case 'replay':
        this.#move(Math.floor(this.#tail * step.share), step.change);
        return;
      case 'skip':
        if (this.#row.pending) this.#move(this.#row.pending.cut.last, {});
        return;
      case 'checkpoint':
        if (this.#lane.state === 'idle')
          this.#row = { cursor: Math.max(this.#row.cursor, this.#tail), pending: undefined };
        return;
      case 'restart':
        this.#restart(step.stopped, step.loses);
        return;
    }
  }

  #newLane(): Lane<number> {
    return new Lane<number>({
      config: this.#config,
      position: this.#row.cursor,
      pending: this.#row.pending,
      newPackageId: () => `p${++this.#packages}`,
    });
  }

  /** One input at a time, as the runner does it. */
  #tell(input: LaneInput<number>): void {
    this.#inputs.push(input);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        for (const action of this.#lane.handle(next, this.now)) this.#carryOut(action);
      }
    } finally {
      this.#telling = false;
      this.#inputs = [];
    }
  }

  #carryOut(action: LaneAction<number>): void {
    switch (action.do) {
      case 'look':
        check(action.lookId > this.#lastLookId, 'a look took the number of an older one');
        this.#lastLookId = action.lookId;
        this.#lookFailedUntil = undefined;
        this.#open.push({ look: action, tailWhenAsked: this.#tail });
        if (this.#answersAtOnce) this.#tellLook(this.#open.length - 1, false);
        return;
      case 'wait':
        this.#timer = action.untilMs;
        return;
      case 'send':
        this.#sent(action);
        return;
      case 'delivered':
      case 'blocked':
      case 'ignored':
        this.#judged(action);
        return;
      case 'abort':
        check(this.#post !== undefined, 'nothing is in flight that could be cut off');
        this.#post.isCutOff = true;
        return;
    }
  }

  #matching(filter: Filter, after: number, upTo = Number.POSITIVE_INFINITY): SimulatedEvent[] {
    const subscription = { type: filter.type, exclude_type: filter.excludeType };
    return this.#log.filter(({ offset, type }) => offset > after && offset <= upTo && matches(subscription, type));
  }

  #sent(send: Send): void {
    check(this.#post === undefined, 'a second package is in flight');
    check(this.#config.enabled, 'a disabled webhook sends');
    const { pending } = this.#row;
    if (pending) {
      check(send.packageId === pending.packageId, 'the blocked package goes out under another id');
      check(isDeepStrictEqual(send.cut, pending.cut), 'the blocked package is cut anew');
      check(send.version === pending.version, 'the blocked package changed its version');
      check(send.attempt === pending.attempts + 1, 'the attempt is not numbered after the last');
      check(
        this.#mayRetryEarly || this.now >= pending.retryAtMs,
        'the blocked package goes out before its wait is over',
      );
    } else {
      this.#sentFresh(send);
    }
    this.#posts += 1;
    this.#post = { send, superseded: false, edited: false, isCutOff: false, evidence: this.#posts };
  }

  #sentFresh({ packageId, cut, attempt, version }: Send): void {
    const { filter, maxPackageBytes, delayMs } = this.#config;
    check(!this.#packageIds.has(packageId), 'two packages have the same id');
    this.#packageIds.add(packageId);
    check(attempt === 1, 'a new package is not at its first attempt');
    check(version === this.#config.version, 'a new package was cut under an older version');
    check(isDeepStrictEqual(cut.filter, filter), 'a new package was cut with another filter');
    const owed = this.#matching(filter, this.#floor);
    const [first] = owed;
    check(first?.offset === cut.first, `a package starts at ${cut.first} where ${first?.offset} is owed first`);
    const events = owed.filter(({ offset }) => offset <= cut.last);
    check(events.length === cut.count && events.at(-1)?.offset === cut.last, 'a package is no range of what is owed');
    const bytes = bodyBytes(events);
    check(cut.bytes === bytes, 'the size of a package is miscounted');
    check(bytes <= maxPackageBytes || events.length === 1, 'a package of several events is too large');
    const next = owed[events.length];
    const isFull = bytes >= maxPackageBytes || (next !== undefined && bytes + addedBytes(next) > maxPackageBytes);
    check(isFull || this.now >= first.seenAtMs + delayMs, 'a package that is not full goes out before its delay');
  }

  #judged(action: Extract<LaneAction<number>, { do: 'delivered' | 'blocked' | 'ignored' }>): void {
    const judging = this.#judging;
    check(judging !== undefined, 'a verdict without an answer, or a second one');
    this.#judging = undefined;
    const { post, outcome } = judging;
    check(action.evidence === post.evidence, 'a verdict on the evidence of another attempt');
    const due = post.superseded || outcome === 'aborted' ? 'ignored' : outcome === 'ok' ? 'delivered' : 'blocked';
    check(action.do === due, `an answer was ${action.do} and not ${due}`);
    if (action.do === 'delivered') {
      check(isDeepStrictEqual(action.cut, post.send.cut), 'another package was recorded than was sent');
      this.#arrive(action.cut);
      this.#write({ cursor: action.cut.last, pending: undefined });
      this.#floor = action.cut.last;
    }
    if (action.do === 'blocked') {
      const { packageId, cut, attempt, version } = post.send;
      const waitMs = post.edited ? 0 : backOffMs(attempt);
      check(action.waitMs === waitMs, `the wait after attempt ${attempt} is ${action.waitMs} ms and not ${waitMs}`);
      const pending: Pending = { packageId, cut, version, attempts: attempt, retryAtMs: this.now + waitMs };
      check(isDeepStrictEqual(action.pending, pending), 'what is recorded as blocked is not what failed');
      const cursor = this.#lane.position;
      check(cursor < cut.first, 'the cursor of a blocked webhook is not before its package');
      if (!this.#row.pending) {
        check(this.#matching(cut.filter, this.#floor, cursor).length === 0, 'the cursor passed what is owed');
      }
      this.#write({ cursor, pending: action.pending });
    }
  }

  #arrive(cut: Cut): void {
    for (const { offset } of this.#matching(cut.filter, cut.first - 1, cut.last)) {
      if (this.#arrived.has(offset)) continue;
      check(offset > this.#highest, `event ${offset} arrives for the first time after ${this.#highest}`);
      this.#highest = offset;
      this.#arrived.add(offset);
      this.everArrived.add(offset);
    }
  }

  #write(row: Row): void {
    this.#before = this.#row;
    this.#row = row;
  }

  /** The ledger has caught up: a crash loses nothing any more. */
  #written(): void {
    this.#before = undefined;
  }

  #read(open: OpenLook, pages: boolean): void {
    const { filter, after, maxBytes } = open.look;
    const events = this.#matching(filter, after, pages ? undefined : this.#tail);
    open.found = {
      result: cutPackage(events, filter, maxBytes),
      firstSeenAtMs: events[0]?.seenAtMs ?? 0,
      end: pages ? open.tailWhenAsked : this.#tail,
    };
  }

  #tellLook(which: number, pages: boolean): void {
    const [open] = this.#open.splice(which, 1);
    if (!open) return;
    if (!open.found) this.#read(open, pages);
    const { look, found } = open;
    if (!found) return;
    const counts = this.#lane.state === 'looking' && look.lookId === this.#lastLookId;
    if (counts) {
      check(isDeepStrictEqual(look.filter, this.#config.filter), 'the lane waits for a look with an older filter');
      if (!found.result.cut) {
        this.#floor = Math.max(this.#floor, found.end);
        this.#foundEmptyTo = found.end;
      }
    }
    this.#tell({ kind: 'looked', lookId: look.lookId, ...found });
  }

  #showTail(): void {
    for (const event of this.#log.slice(this.#tailed)) {
      const { enabled, filter } = this.#config;
      this.#tailed += 1;
      this.#tail = event.offset;
      const subscription = { type: filter.type, exclude_type: filter.excludeType };
      if (enabled && matches(subscription, event.type)) {
        this.#tell({ kind: 'offered', offset: event.offset, bytes: event.bytes });
      }
      this.#settled();
    }
  }

  #answer(outcome: 'ok' | 'failed' | 'aborted'): void {
    const post = this.#post;
    if (!post) return;
    // Nothing is posted before the ledger has what came before.
    this.#written();
    this.#post = undefined;
    this.#judging = { post, outcome };
    this.#tell({ kind: 'answered', outcome, evidence: post.evidence });
    check(this.#judging === undefined, 'an answer went without a verdict');
  }

  #pass(ms: number): void {
    const until = this.now + ms;
    while (this.#timer !== undefined && this.#timer <= until) {
      this.now = Math.max(this.now, this.#timer);
      this.#timer = undefined;
      this.#tell({ kind: 'due' });
      this.#settled();
    }
    this.now = until;
  }

  #edit(change: Partial<LaneConfig>): void {
    this.#written();
    this.#config = { ...this.#config, ...change, version: this.#config.version + 1 };
    if (this.#post) this.#post.edited = true;
    this.#mayRetryEarly = true;
    this.#tell({ kind: 'configured', config: this.#config, retryNow: false, end: this.#tail });
    this.#mayRetryEarly = false;
    this.#checkRetriesAtOnce();
  }

  #checkRetriesAtOnce(): void {
    if (this.#row.pending && this.#config.enabled) check(this.#post !== undefined, 'nothing is retried at once');
  }

  #move(target: number, change: Partial<LaneConfig>): void {
    this.#written();
    const version = this.#config.version + (Object.keys(change).length > 0 ? 1 : 0);
    this.#config = { ...this.#config, ...change, version };
    this.#row = { cursor: target, pending: undefined };
    this.#owedFrom(target);
    const post = this.#post;
    if (post) post.superseded = true;
    this.#tell({ kind: 'moved', config: this.#config, position: target });
    check(!post || post.isCutOff, 'a move does not cut off what is in flight');
  }

  /** The cursor was put somewhere: what is behind it counts as never delivered. */
  #owedFrom(cursor: number): void {
    this.#floor = cursor;
    this.#foundEmptyTo = 0;
    this.#arrived = new Set();
    this.#highest = cursor;
  }

  #restart(isStopped: boolean, loses: boolean): void {
    if (isStopped) {
      const actions = this.#lane.handle({ kind: 'stop' }, this.now);
      check(
        isDeepStrictEqual(actions, this.#post ? [{ do: 'abort' }] : []),
        'a stop does not cut off what is in flight',
      );
      const late: LaneInput<number>[] = [
        { kind: 'answered', outcome: 'ok', evidence: 0 },
        { kind: 'due' },
        { kind: 'offered', offset: this.#tail + 1, bytes: 100 },
      ];
      for (const input of late) check(this.#lane.handle(input, this.now).length === 0, 'a stopped lane acts');
    }
    if (loses && this.#before) this.#row = this.#before;
    this.#before = undefined;
    this.#post = undefined;
    this.#open = [];
    this.#timer = undefined;
    this.#lookFailedUntil = undefined;
    this.#lastLookId = 0;
    this.#owedFrom(this.#row.cursor);
    this.#tail = Math.max(this.#tail, this.#row.cursor);
    this.#lane = this.#newLane();
    this.#tell({ kind: 'start' });
  }

  /** Once no look is under way, the lane must stand exactly where the model says. */
  #settled(): void {
    const { state } = this.#lane;
    const { enabled, filter, delayMs, maxPackageBytes } = this.#config;
    check(this.#lane.position >= this.#foundEmptyTo, 'what was read and held nothing is read again');
    if (this.#post) {
      check(state === 'sending', `a package is in flight and the lane is ${state}`);
      return;
    }
    if (!enabled) {
      check(state === 'disabled', `a disabled webhook's lane is ${state}`);
      return;
    }
    const { pending } = this.#row;
    if (pending) {
      check(state === 'retrying', `a blocked webhook's lane is ${state}`);
      check(this.now < pending.retryAtMs, 'the blocked package was due and did not go out');
      check(this.#timer === pending.retryAtMs, 'no timer stands at the next attempt');
      return;
    }
    if (state === 'looking') {
      const waitsForLook = this.#open.some(({ look }) => look.lookId === this.#lastLookId);
      const waitsForTimer = this.#lookFailedUntil !== undefined && this.#timer === this.#lookFailedUntil;
      check(waitsForLook || waitsForTimer, 'the lane looks and nothing will answer');
      return;
    }
    const owed = this.#matching(filter, this.#floor, this.#tail);
    const [first] = owed;
    if (state === 'idle') {
      check(first === undefined, `the lane is idle and owes ${first?.offset}`);
      this.#floor = Math.max(this.#floor, this.#tail);
      return;
    }
    check(state === 'collecting', `the lane is ${state} without a reason`);
    // What is beyond the tail was found in the log itself.
    const found = first ?? this.#matching(filter, this.#floor)[0];
    check(found !== undefined, 'the lane collects and nothing is owed');
    const dueAtMs = found.seenAtMs + delayMs;
    check(this.now < dueAtMs, 'a package was due and did not go out');
    check(this.#timer !== undefined && this.#timer <= dueAtMs, 'no timer stands at the end of the delay');
    check(!cutPackage(owed, filter, maxPackageBytes).full, 'a package was full and did not go out');
  }
}

/** What a package weighs besides what each event adds to it. */
export const emptyPackageBytes = '{"payload":['.length + ']}'.length - 1;

function bodyBytes(events: readonly CuttableEvent[]): number {
  return events.reduce((sum, event) => sum + addedBytes(event), emptyPackageBytes);
}
