// From a request to an answer, in the order that keeps a stranger from costing much and an event from getting lost:
//
//   method 405 ─ content type 415 ─ size 413 ─ verify raw bytes 401 (503: keys away) ─ parse 400 ─ store all 503 ─ 200
//
// How a request is verified and read is the business of its sender (senders/): the first that recognises it.
//
// 200 means stored, whatever the listeners do later; a package that is known already is stored. Never a 3xx. A fault on this
// side is a 5xx, so that the sender repeats. Nothing is parsed before it is verified.
import type { WebhookEvent } from '@bellhop/events';
import type { NonceMemory } from '@bellhop/signatures';
import { messageTarget } from '@bellhop/signatures';
import type { Hooks } from './hooks.ts';
import type { InboxEvent, StoreResult } from './inbox/inbox.ts';
import type { HeaderList, RawRequest, RawResponse } from './raw-http.ts';
import { headerList, headerOf, readBody } from './raw-http.ts';
import type { RejectReason } from './reject-reason.ts';
import type { Sender, SenderMessage } from './senders/sender.ts';

export interface ReceiveOptions {
  /** Asked in order. */
  readonly senders: readonly Sender[];
  readonly nonces: NonceMemory;
  readonly maxBodyBytes: number;
  readonly now: () => number;
  readonly publicTarget: (url: string) => string;
  readonly keyOf: (event: WebhookEvent) => string | null;
  readonly store: (events: readonly InboxEvent[]) => Promise<StoreResult>;
  readonly isStopping: () => boolean;
  readonly hooks: Required<Hooks>;
}

const defaultRemedy = 'The body was read before the handler got it: mount the handler before any body parser';

/** A refusal on its way to the answer. */
class Refusal {
  readonly status: number;
  readonly reason: RejectReason;
  readonly detail: string;
  readonly facts: { readonly keyId?: string; readonly cause?: unknown };

  constructor(status: number, reason: RejectReason, detail: string, facts: Refusal['facts'] = {}) {
    this.status = status;
    this.reason = reason;
    this.detail = detail;
    this.facts = facts;
  }
}

export async function receive(request: RawRequest, options: ReceiveOptions): Promise<RawResponse> {
  let outcome: RawResponse | Refusal;
  try {
    outcome = await take(request, options);
  } catch (cause) {
    outcome = new Refusal(500, 'internal_error', 'The handler failed', { cause });
  }
  if (!(outcome instanceof Refusal)) return outcome;
  const { status, reason, detail, facts } = outcome;
  options.hooks.onRejected({ status, reason, detail, ...facts });
  const extra = status === 405 ? { allow: 'POST' } : {};
  return answer(status, { reason, detail }, extra);
}

async function take(request: RawRequest, options: ReceiveOptions): Promise<RawResponse | Refusal> {
  const { hooks, maxBodyBytes } = options;
  const headers = headerList(request.headers);
  const refused = checkHead(request.method, headers, options);
  if (refused !== undefined) return refused;
  if (request.body === 'consumed' || 'consumed' in request.body) {
    const detail = request.body === 'consumed' ? defaultRemedy : request.body.consumed;
    return new Refusal(500, 'body_consumed', detail, { cause: new Error(detail) });
  }
  const read = await readBody(request.body, maxBodyBytes);
  if (!read.ok && read.reason === 'body_too_large') return tooLarge(maxBodyBytes);
  if (!read.ok) return new Refusal(400, read.reason, 'The body ended early');
  const { bytes } = read;

  const message = senderMessage(request, headers, bytes, options);
  const sender = options.senders.find((each) => each.recognises(message.headers));
  if (sender === undefined) return new Refusal(401, 'missing_signature', 'No sender signs requests like this one');
  const verified = await verifyBytes(message, sender, options);
  if (verified instanceof Refusal) return verified;
  const { keyId } = verified;

  const parsed = sender.read(message);
  if (!parsed.ok) return new Refusal(400, parsed.reason, parsed.detail, { keyId });

  const receivedAt = new Date(options.now());
  const { events, texts = [] } = parsed;
  const entries = events.map((event, index) => ({ event, key: options.keyOf(event), receivedAt, text: texts[index] }));
  let result: StoreResult;
  try {
    result = await options.store(entries);
  } catch (cause) {
    return new Refusal(503, 'store_failed', 'The events could not be stored', { keyId, cause });
  }
  hooks.onReceived({ ...result, bytes: bytes.byteLength, keyId });
  return answer(200, result);
}

function checkHead(method: string, headers: HeaderList, options: ReceiveOptions): Refusal | undefined {
  if (method.toUpperCase() !== 'POST') return new Refusal(405, 'method_not_allowed', 'Deliveries are POST requests');
  if (options.isStopping()) return new Refusal(503, 'stopping', 'The handler is stopping');
  if (!/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(headerOf(headers, 'content-type') ?? '')) {
    return new Refusal(415, 'unsupported_content_type', 'The content type of deliveries is application/json');
  }
  const encoding = headerOf(headers, 'content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new Refusal(415, 'unsupported_content_encoding', 'Deliveries are not compressed');
  }
  const announced = Number(headerOf(headers, 'content-length') ?? 0);
  return announced > options.maxBodyBytes ? tooLarge(options.maxBodyBytes) : undefined;
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, 'body_too_large', `The body has more than ${maxBytes} bytes`);
}

function senderMessage(
  request: RawRequest,
  list: HeaderList,
  body: Uint8Array,
  options: ReceiveOptions,
): SenderMessage {
  const headers = new Map<string, string>();
  for (const [name] of list) if (!headers.has(name)) headers.set(name, headerOf(list, name) ?? '');
  const url = options.publicTarget(request.url);
  return { method: request.method, url, ...messageTarget(url), headers, body };
}

async function verifyBytes(
  message: SenderMessage,
  sender: Sender,
  { nonces, now }: ReceiveOptions,
): Promise<{ readonly keyId: string } | Refusal> {
  try {
    const result = await sender.verify(message, { nonces, now });
    if (result.ok) return result;
    const facts = result.keyId === undefined ? {} : { keyId: result.keyId };
    return new Refusal(result.reason === 'keys_unavailable' ? 503 : 401, result.reason, result.detail, facts);
  } catch (cause) {
    return new Refusal(503, 'verification_unavailable', 'The signature cannot be checked at the moment', { cause });
  }
}

function answer(status: number, body: object, headers: Record<string, string> = {}): RawResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}
