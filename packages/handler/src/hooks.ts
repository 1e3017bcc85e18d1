// What the handler tells about itself, for logs and metrics. Facts only: ids, types, reasons from closed sets; never a body,
// a header or the contents of an event. Hooks are called and not awaited; one that throws becomes a process warning and
// changes nothing. The same facts go to the channels of diagnostics.ts. Where nobody listens, a failing or slow listener and a
// failing inbox are warned about, the first refusal for each reason and the first ignored event, so that nothing goes wrong in
// silence.
import { publish } from './diagnostics.ts';
import type { Outcome } from './inbox/inbox.ts';
import type { RejectReason } from './reject-reason.ts';

export interface Hooks {
  /** A package was verified and stored, or known already. `duplicates`: as far as the inbox can tell at once. */
  onReceived?(fact: {
    readonly stored: number;
    readonly duplicates: number;
    readonly bytes: number;
    readonly keyId: string;
  }): void;
  /**
   * Stored events were known already: of an inbox that finds out when it takes packages apart, as PostgreSQL's does. Told in the
   * process that did; what `list` or the CLI took apart in one that claims nothing is not told.
   */
  onDuplicates?(fact: { readonly count: number }): void;
  /** A request was refused. `cause` is set when the fault is on this side. */
  onRejected?(fact: {
    readonly status: number;
    readonly reason: RejectReason;
    readonly detail: string;
    readonly keyId?: string;
    readonly cause?: unknown;
  }): void;
  /** `durationMs`: of this run. `lagMs`: since it was received. */
  onProcessed?(
    fact: EventFact & { readonly outcome: Outcome; readonly durationMs: number; readonly lagMs: number },
  ): void;
  /** A listener failed; the event blocks its key until `retryAt`. */
  onFailed?(fact: EventFact & { readonly error: unknown; readonly retryAt: Date }): void;
  /** An event was given up: a dead letter, kept with its error; its key goes on. */
  onParked?(fact: EventFact & { readonly error: unknown }): void;
  /** A listener has been running for `runningMs` and still runs; its key waits behind it. Told once a run. */
  onSlow?(fact: EventFact & { readonly runningMs: number }): void;
  /** The inbox failed while processing; what was stored is safe and is tried again. */
  onInboxError?(fact: { readonly operation: InboxOperation; readonly error: unknown }): void;
}

export type InboxOperation = 'claim' | 'fail' | 'park' | 'release' | 'renew' | 'sweep';

export interface EventFact {
  readonly id: string;
  readonly type: string;
  readonly key: string | null;
  readonly attempt: number;
}

/** `metrics` hear of everything first, and their hearing of it silences no warning. */
export function guarded(hooks: Hooks, metrics: Hooks = {}): Required<Hooks> {
  const attempt = <Fact>(name: keyof Hooks, fact: Fact, hook: ((fact: Fact) => void) | undefined): void => {
    try {
      hook?.(fact);
    } catch (error) {
      warn(`The hook ${name} threw: ${messageOf(error)}`, 'BELLHOP_HOOK_THREW');
    }
  };
  const call =
    <Fact>(
      name: keyof Hooks,
      pick: (from: Hooks) => ((fact: Fact) => void) | undefined,
      otherwise?: (fact: Fact) => void,
    ) =>
    (fact: Fact): void => {
      publish(name, fact);
      attempt(name, fact, pick(metrics)?.bind(metrics));
      attempt(name, fact, pick(hooks)?.bind(hooks) ?? otherwise);
    };
  let isIgnoredTold = false;
  // Strangers must not fill a log; and a stop is no news.
  const told = new Set<RejectReason>(['stopping']);
  return {
    onReceived: call('onReceived', (from) => from.onReceived),
    onDuplicates: call('onDuplicates', (from) => from.onDuplicates),
    onRejected: call(
      'onRejected',
      (from) => from.onRejected,
      ({ reason, detail, cause }) => {
        if (cause !== undefined) {
          warn(`Deliveries are refused (${reason}): ${messageOf(cause)}`, 'BELLHOP_HANDLER_FAILED');
        } else if (!told.has(reason)) {
          told.add(reason);
          warn(`A request was refused (${reason}): ${detail}. Told once; onRejected hears of all`, 'BELLHOP_REFUSED');
        }
      },
    ),
    onProcessed: call(
      'onProcessed',
      (from) => from.onProcessed,
      ({ type, id, outcome }) => {
        if (outcome !== 'ignored' || isIgnoredTold) return;
        isIgnoredTold = true;
        warn(
          `${type} is ignored: no listener asks for it (event ${id}). A fallback makes that a choice, a replay brings it ` +
            'back. Told once; onProcessed hears of all',
          'BELLHOP_EVENT_IGNORED',
        );
      },
    ),
    onSlow: call(
      'onSlow',
      (from) => from.onSlow,
      ({ type, id, runningMs }) => {
        warn(
          `The listener for ${type} has been running for ${Math.round(runningMs / 1000)} s (event ${id}); what has its key waits`,
          'BELLHOP_LISTENER_SLOW',
        );
      },
    ),
    onFailed: call(
      'onFailed',
      (from) => from.onFailed,
      ({ type, id, attempt, error }) => {
        warn(
          `The listener for ${type} failed (event ${id}, attempt ${attempt}): ${messageOf(error)}`,
          'BELLHOP_LISTENER_FAILED',
        );
      },
    ),
    onParked: call(
      'onParked',
      (from) => from.onParked,
      ({ type, id, attempt, error }) => {
        warn(`${type} is parked (event ${id}, attempt ${attempt}): ${messageOf(error)}`, 'BELLHOP_EVENT_PARKED');
      },
    ),
    onInboxError: call(
      'onInboxError',
      (from) => from.onInboxError,
      ({ operation, error }) => {
        warn(`The inbox failed (${operation}): ${messageOf(error)}`, 'BELLHOP_INBOX_FAILED');
      },
    ),
  };
}

export function warn(message: string, code: string): void {
  process.emitWarning(message, { code });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
