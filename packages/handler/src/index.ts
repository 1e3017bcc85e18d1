export { toFetch } from './adapters/fetch.ts';
export { toNode } from './adapters/node.ts';
export type { OnExhausted, RetryOptions } from './back-off.ts';
export { ParkError, RetryLaterError } from './back-off.ts';
export type { Handler, HandlerOptions } from './create-handler.ts';
export { createHandler } from './create-handler.ts';
export type { EventFact, Hooks, InboxOperation } from './hooks.ts';
export type {
  BlockedKey,
  ClaimResult,
  Counted,
  Inbox,
  InboxEvent,
  InboxFilter,
  InboxItem,
  InboxPage,
  InboxState,
  InboxStats,
  Job,
  ListOptions,
  Marks,
  Outcome,
  Rehearsal,
  StoreResult,
} from './inbox/inbox.ts';
export type { MemoryInboxOptions } from './inbox/memory.ts';
export { InboxFullError, memoryInbox } from './inbox/memory.ts';
export type { InboxAdmin } from './inbox-admin.ts';
export { inboxAdmin } from './inbox-admin.ts';
export type { LatestOptions } from './latest.ts';
export { latest } from './latest.ts';
export type { Order, OrderName } from './order.ts';
export type {
  Context,
  EventFor,
  FallbackContext,
  KnownType,
  OnOptions,
  Pattern,
  Run,
  RunFallback,
} from './patterns.ts';
export type { BodyConsumed, RawRequest, RawResponse } from './raw-http.ts';
export type { RejectReason } from './reject-reason.ts';
export type { VerifyKeySource } from './remote-keys.ts';
export { remoteKeys } from './remote-keys.ts';
export type { Sender } from './senders/sender.ts';
