// What a probe is, and what it gets to work with. A probe plays one thing that the provider (or somebody who pretends to be
// it) does, and judges the answer. It knows nothing of the others; the registry lists them and the runner orders them.

import type { WebhookEvent } from '@bellhop/events';
import type { Effect } from './effects.ts';
import type { Answer, Connections, Parcel } from './exchange.ts';
import type { Ledger } from './ledger.ts';
import type { Headers, Signer, SignRequest } from './signer.ts';
import type { Verdict } from './verdict.ts';

export const families = [
  'delivery',
  'contents',
  'repeats',
  'keys',
  'refusals',
  'robustness',
  'speed',
  'tls',
  'effects',
] as const;
export type Family = (typeof families)[number];

/**
 * `first`: judges the first delivery. `together`: disturbs nobody. `alone`: measures or loads. `last`: may bring the
 * handler down, one after the other. `effects`: reads what all others caused.
 */
export type Phase = 'first' | 'together' | 'alone' | 'last' | 'effects';

export interface Probe {
  /** Also the name of its page in docs/check/. */
  readonly id: string;
  readonly family: Family;
  /** What a right handler does, as a short sentence without full stop. */
  readonly title: string;
  /** What to do about a failure, in one sentence. */
  readonly fix: string;
  readonly phase: Phase;
  /** Says something also when the handler takes no delivery at all. */
  readonly standsAlone?: boolean;
  run(stage: Stage): Promise<Verdict>;
}

export interface Acknowledgement {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
}

export interface Stage {
  readonly target: URL;
  readonly signer: Signer;
  readonly ledger: Ledger;
  readonly timeoutMs: number;
  /** The answer to one right delivery of one event, before anything else was sent. */
  readonly first: Answer;
  /** A right delivery, new at each call; what it brings is expected among the effects when it is acknowledged. */
  deliver(events: readonly WebhookEvent[], how?: Delivery): Promise<Answer>;
  /** As the provider would sign; undefined when there is no such key. */
  sign(request: Omit<SignRequest, 'url'> & { readonly url?: string }): Promise<Headers | undefined>;
  /** A request that has to be refused, with the events that it tries to bring in. */
  attempt(parcel: Parcel, events: readonly WebhookEvent[], to?: URL): Promise<Answer>;
  /** Any other request: nothing is expected of it. */
  send(parcel: Parcel, to?: URL): Promise<Answer>;
  /** Undefined without `--effects-url`. */
  effects(): Promise<readonly Effect[]> | undefined;
  /** For the report. */
  measured(acknowledgement: Acknowledgement): void;
}

export interface Delivery {
  /** Default: the events as compact JSON. */
  readonly body?: string;
  readonly key?: SignRequest['key'];
  readonly version?: SignRequest['version'];
  /** Changes what is sent after it was signed, without changing what it means. */
  readonly alter?: (headers: Headers) => Headers;
  readonly cuts?: readonly number[];
  readonly pauseMs?: number;
  readonly timeoutMs?: number;
  readonly connections?: Connections;
  /** Waited for when the package is signed, before it is sent. */
  readonly ready?: () => Promise<void>;
  /** The events need not have an effect: no handler knows them. */
  readonly optional?: boolean;
}
