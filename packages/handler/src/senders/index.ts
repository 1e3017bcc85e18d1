// Public surface of @bellhop/handler/senders: who else may send to a handler, by name.
export type { ForeignEvent, ForeignOptions } from './foreign-event.ts';
export { type Rfc9421Options, rfc9421 } from './rfc9421.ts';
export type { ReadResult, Sender, SenderMessage, SenderVerification, VerifyContext } from './sender.ts';
export { type StandardWebhooksOptions, standardWebhooks } from './standard-webhooks.ts';
export { type UpvestOptions, upvest } from './upvest.ts';
