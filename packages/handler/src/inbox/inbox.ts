// The port of the inbox: where received events are kept from the 200 until their listener has run. An adapter promises:
//
//   store     all events of a package or none, safe when it returns; an id that is known already is counted, not stored,
//             also when it is done (within the adapter's retention). An adapter that takes packages apart later counts then.
//   claim     hands out the oldest open event of each key that is due, never two of one key at a time, never one event to
//             two claimers. A failed event keeps its place: it blocks its key, and no other.
//   complete  runs the work in a transaction and marks the event done in the same one: both or neither. Rejects with what
//             the work threw, and then nothing is marked.
//
// Several processes may share one inbox; a claim then holds for the adapter's lease and `lease` fences the late.
//
//   waiting ─claim─► running ─complete─► done | ignored ─replay─► waiting, at the end of its key
//      ▲                │ ├─fail──► retrying ─claim, when due─► running
//      └────release─────┘ └─park──► parked ─retry─► waiting, at the end of its key
//                         skip: waiting, retrying, parked ─► skipped
import type { WebhookEvent } from '@bellhop/events';
import type { NonceMemory } from '@bellhop/signatures';

export interface InboxEvent {
  readonly event: WebhookEvent;
  /** Events with one key are processed in the order of storing; null: without order. */
  readonly key: string | null;
  readonly receivedAt: Date;
  /** The event as JSON, for an inbox that keeps it as text; without it the event is written anew. */
  readonly text?: string | undefined;
}

export interface Job {
  readonly event: WebhookEvent;
  readonly key: string | null;
  readonly receivedAt: Date;
  /** 1 at the first run. */
  readonly attempt: number;
  readonly replay: boolean;
  /** Names this claim. */
  readonly lease: string;
}

export interface StoreResult {
  readonly stored: number;
  /** Known already, as far as the inbox can tell at once. */
  readonly duplicates: number;
}

export interface ClaimResult {
  readonly jobs: readonly Job[];
  /** When the next waiting retry is due, when there are no jobs; null: none waits. */
  readonly nextDueAt: Date | null;
  /** Stored events that turned out to be known already when their package was taken apart, since the last claim. */
  readonly duplicates?: number;
}

/** `ignored`: no listener asked for the event. */
export type Outcome = 'done' | 'ignored';

/** What the work may remember in its own transaction beside its effects. */
export interface Marks {
  /** True, and remembered, unless a later instant was remembered under the name. Instants are RFC 3339. */
  advance(name: string, instant: string): Promise<boolean>;
}

export interface InboxStats {
  /** Stored, not done, not running, never failed; with events that will turn out to be known already. */
  readonly waiting: number;
  readonly running: number;
  /** Failed and to be run again; each blocks its key. */
  readonly retrying: number;
  /** Dead letters: given up, kept with their error until somebody retries or skips them. */
  readonly parked: number;
  /** Keys whose oldest event has failed. */
  readonly blockedKeys: number;
  /** Age of the oldest event that is open; 0 when there is none. */
  readonly oldestMs: number;
}

export type InboxState = 'waiting' | 'running' | 'retrying' | 'parked' | 'done' | 'ignored' | 'skipped';

/** Which events are meant; all that is given must hold. */
export interface InboxFilter {
  readonly ids?: readonly string[];
  /** `ORDER.FILLED`, or `ORDER.*`. */
  readonly type?: string;
  readonly key?: string;
  /** Received at or after. */
  readonly since?: Date;
  /** Received before. */
  readonly until?: Date;
}

export interface InboxItem {
  readonly event: WebhookEvent;
  readonly key: string | null;
  readonly state: InboxState;
  readonly receivedAt: Date;
  /** How often its listener was started. */
  readonly attempts: number;
  /** What the last failure said, or why it was skipped. */
  readonly note: string | null;
  /** When its listener runs again, if it waits for that. */
  readonly retryAt: Date | null;
}

export interface ListOptions extends InboxFilter {
  readonly states?: readonly InboxState[];
  /** Default 100. */
  readonly limit?: number;
  /** The `after` of the page before. */
  readonly after?: string;
}

export interface InboxPage {
  readonly items: readonly InboxItem[];
  /** Where the next page begins; absent on the last one. */
  readonly after?: string;
}

export interface BlockedKey {
  readonly key: string;
  /** The event that blocks it, and its type. */
  readonly id: string;
  readonly type: string;
  readonly note: string;
  readonly attempts: number;
  readonly blockedSince: Date;
  readonly retryAt: Date;
  /** Events that wait behind it. */
  readonly waiting: number;
}

export interface Counted {
  readonly count: number;
}

export interface Rehearsal {
  /** Only counts what would be changed. */
  readonly dryRun?: boolean;
}

export interface Inbox<Tx> {
  /** Whether stored events survive the process. If not, `stop()` empties the inbox as far as time allows. */
  readonly durable: boolean;
  /** How long a claim holds without `renew`; absent: for as long as the process lives. */
  readonly leaseMs?: number;
  /** More than so many listeners at a time would leave nothing to store with. */
  readonly maxConcurrency?: number;
  /** Shared memory of nonces, when the inbox has one; otherwise the handler remembers them by itself. */
  readonly nonces?: NonceMemory;
  store(events: readonly InboxEvent[]): Promise<StoreResult>;
  claim(options: { readonly limit: number; readonly now: Date }): Promise<ClaimResult>;
  /** False when the claim was lost meanwhile: the work was undone, somebody else has the event. */
  complete(job: Job, work: (tx: Tx, marks: Marks) => Promise<Outcome>): Promise<boolean>;
  fail(job: Job, failure: { readonly error: string; readonly retryAt: Date }): Promise<void>;
  /** Gives the event up as a dead letter; the next one of its key may run. */
  park(job: Job, failure: { readonly error: string }): Promise<void>;
  /** Gives the event back as it was, for example at a stop. */
  release(job: Job): Promise<void>;
  /** Extends the claims that still hold. */
  renew?(jobs: readonly Job[], now: Date): Promise<void>;
  stats(now: Date): Promise<InboxStats>;
  list(options: ListOptions): Promise<InboxPage>;
  /** Longest blocked first. */
  blockedKeys(limit: number): Promise<readonly BlockedKey[]>;
  /** Retrying events are due at once and keep their place; parked ones open at the end of their key. */
  retry(filter: InboxFilter, now: Date, options: Rehearsal): Promise<Counted>;
  /** Done, ignored and skipped events open once more, at the end of their key, in the order they had. */
  replay(filter: InboxFilter, now: Date, options: Rehearsal): Promise<Counted>;
  /** False when the event is unknown, running or closed. */
  skip(id: string, reason: string): Promise<boolean>;
  /** Forgets closed events; their ids are then taken for new ones. */
  purge(doneBefore: Date, options: Rehearsal): Promise<Counted>;
  /** Forgets one small batch of what is beyond retention; false when there was no more than that. */
  sweep?(now: Date): Promise<boolean>;
  /** Calls `wake` when events may have been stored by somebody else; returns the way to end that. */
  subscribe?(wake: () => void): () => void;
}
