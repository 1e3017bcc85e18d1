// A sender: who a request comes from, how that is proved, and how its body becomes events. The receive path asks its
// senders in order; the first that recognises a request takes it, and nobody else is asked after it. So the same inbox
// serves several providers, each with its own keys.
//
// A sender promises: `verify` says no rather than guess, and rejects only when a look-up fails (answered 503, so that the
// sender of the request repeats it); `read` gives all events or none, and never throws for what it is given.
import type { WebhookEvent } from '@bellhop/events';
import type { HttpMessage, NonceMemory } from '@bellhop/signatures';
import type { RejectReason } from '../reject-reason.ts';

export interface SenderMessage extends HttpMessage {
  /** Names in lower case, repeated lines joined by ', '. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** As the adapter gave it: an absolute URL or path and query, after `publicTarget`. */
  readonly url: string;
}

export interface VerifyContext {
  /** Shared by all processes on one inbox, when the inbox has such a memory. */
  readonly nonces: NonceMemory;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export type SenderVerification =
  | { readonly ok: true; readonly keyId: string }
  | { readonly ok: false; readonly reason: RejectReason; readonly detail: string; readonly keyId?: string };

export type ReadResult =
  | {
      readonly ok: true;
      readonly events: readonly WebhookEvent[];
      /** The JSON text of each event, when it was received as such: it is stored as it is. */
      readonly texts?: readonly string[];
    }
  | {
      readonly ok: false;
      readonly reason: 'malformed_json' | 'malformed_payload' | 'malformed_event';
      readonly detail: string;
    };

export interface Sender {
  /** Judged by the presence of headers only: true means that nobody else may vouch for the request. */
  recognises(headers: ReadonlyMap<string, string>): boolean;
  verify(message: SenderMessage, context: VerifyContext): Promise<SenderVerification>;
  /** Verified bytes to events. */
  read(message: SenderMessage): ReadResult;
}
