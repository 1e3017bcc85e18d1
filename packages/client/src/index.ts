export type { Environment } from './base-url.ts';
export type { Answer, Wait } from './call.ts';
export type { Client, ClientOptions, VerifyKey } from './client.ts';
export { createClient } from './client.ts';
export { delayMs } from './delay.ts';
export type { ErrorCode } from './errors.ts';
export { ApiError, NetworkError, TimeoutError, UnexpectedAnswerError, UpvestError } from './errors.ts';
export { slugOf } from './problem.ts';
export type { RetryOptions } from './retry.ts';
export type { Token } from './token.ts';
export type { Fetch } from './transport.ts';
export type {
  CallSettings,
  ListOptions,
  NewWebhook,
  PostSettings,
  RequestOptions,
  TestResult,
  Webhook,
  WebhookChanges,
  WebhookConfig,
  WebhookPage,
  Webhooks,
} from './webhooks.ts';
