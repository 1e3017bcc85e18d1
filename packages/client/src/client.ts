// Puts the client together: checks the options once (a wrong one is a TypeError at creation, not a failed call later),
// holds the token, chooses what may be repeated, and offers the operations. One client per set of credentials; it is safe
// to share between any number of concurrent callers and holds no connection of its own.
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { importSigningKey } from '@bellhop/signatures';
import { baseUrlOf, urlOf } from './base-url.ts';
import type { Answer, CallOptions, Wait } from './call.ts';
import { call } from './call.ts';
import { UnexpectedAnswerError } from './errors.ts';
import { isRecord } from './json.ts';
import type { RetryOptions } from './retry.ts';
import { repeatable, retryPolicy } from './retry.ts';
import type { Token } from './token.ts';
import { createTokenSource } from './token.ts';
import type { Fetch } from './transport.ts';
import { createTransport } from './transport.ts';
import type { CallSettings, RequestOptions, Webhooks } from './webhooks.ts';
import { createWebhooks } from './webhooks.ts';

export interface ClientOptions {
  /** `sandbox` or `live` of Upvest, or the base URL of a Bellhop service. */
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly key: {
    /** The id that the API gave for the public key. */
    readonly keyId: string;
    /** PEM text (SEC1 or PKCS#8, also encrypted), a private JWK, or a key object. */
    readonly privateKey: string | JsonWebKey | KeyObject;
    readonly passphrase?: string;
  };
  /** Default `['webhooks:admin']`, which covers every operation here. */
  readonly scopes?: readonly string[];
  /** For one try, the whole answer included. Default 10,000. */
  readonly timeoutMs?: number;
  readonly retry?: RetryOptions;
  readonly fetch?: Fetch;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** 0 to 1, spreads the waits between tries. */
  readonly random?: () => number;
  /** Waits between tries. */
  readonly wait?: Wait;
}

/** A public key of deliveries, as `GET /auth/verify_keys` lists it. */
export interface VerifyKey extends JsonWebKey {
  readonly kid?: string;
}

export interface Client {
  readonly baseUrl: string;
  readonly clientId: string;
  readonly webhooks: Webhooks;
  /** The token that calls use now; fetches one if needed. */
  token(settings?: CallSettings): Promise<Token>;
  /** Any operation of the API, signed and with a token. A refusal throws, see the error classes. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** The keys that deliveries are signed with. */
  verifyKeys(settings?: CallSettings): Promise<{ readonly keys: readonly VerifyKey[] }>;
}

const idempotencyKeyPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-5][0-9a-f]{3}-?[089ab][0-9a-f]{3}-?[0-9a-f]{12}$/i;

export function createClient(options: ClientOptions): Client {
  const base = baseUrlOf(options.baseUrl);
  const { clientId, clientSecret, timeoutMs = 10_000, now = Date.now, random = Math.random } = options;
  if (typeof clientId !== 'string' || !/^[\x21-\x7e]+$/.test(clientId))
    throw new TypeError('clientId must be the UUID of your client');
  if (typeof clientSecret !== 'string' || clientSecret === '')
    throw new TypeError('clientSecret must be a non-empty string');
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw new TypeError('timeoutMs must be above 0');
  const scopes = options.scopes ?? ['webhooks:admin'];
  if (!Array.isArray(scopes) || scopes.length === 0) throw new TypeError('scopes must name at least one scope');
  const { keyId, privateKey, passphrase } = options.key;
  const key = importSigningKey(keyId, privateKey, passphrase === undefined ? {} : { passphrase });

  const secrets = [clientSecret, encodeURIComponent(clientSecret)];
  const callOptions: CallOptions = {
    send: createTransport({ fetch: options.fetch ?? globalThis.fetch, now, timeoutMs, clientId, key }),
    policy: retryPolicy(options.retry),
    random,
    wait: options.wait ?? waitFor,
    now,
    redact: (text) => {
      const all = [...secrets, ...tokens.current().map((token) => token.accessToken)];
      return all.reduce((clean, secret) => clean.replaceAll(secret, '[redacted]'), text);
    },
  };

  const tokens = createTokenSource(async () => {
    // No idempotency key: a second token does no harm, and an answer kept for repeating would be a kept secret.
    const form = new URLSearchParams({
      client_id: clientId,
      client_secret: clientSecret,
      grant_type: 'client_credentials',
      scope: scopes.join(' '),
    });
    const request = {
      operation: 'POST /auth/token',
      method: 'POST',
      url: urlOf(base, '/auth/token'),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new TextEncoder().encode(form.toString()),
      signal: undefined,
    };
    return call(request, 'any', undefined, callOptions);
  }, now);

  async function request(method: string, path: string, given: RequestOptions = {}): Promise<Answer> {
    const verb = method.toUpperCase();
    const { body, query, signal } = given;
    if (body !== undefined && (verb === 'GET' || verb === 'HEAD')) throw new TypeError(`${verb} takes no body`);
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const idempotencyKey = given.idempotencyKey ?? (verb === 'POST' ? randomUUID() : undefined);
    if (idempotencyKey !== undefined) {
      if (!idempotencyKeyPattern.test(idempotencyKey)) throw new TypeError('idempotencyKey must be a UUID');
      headers['idempotency-key'] = idempotencyKey;
    }
    const outgoing = {
      operation: `${verb} ${path}`,
      method: verb,
      url: urlOf(base, path, query),
      headers,
      body: body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body)),
      signal,
    };
    return call(outgoing, repeatable(verb, path, base.upvest), tokens, callOptions);
  }

  return {
    baseUrl: `${base.origin}${base.prefix}`,
    clientId,
    webhooks: createWebhooks(request),
    request,
    token: (settings) => tokens.get(settings?.signal),
    async verifyKeys(settings) {
      const { body, status, requestId } = await request('GET', '/auth/verify_keys', { ...settings });
      if (isKeySet(body)) return body;
      const facts = { operation: 'GET /auth/verify_keys', requestId, mayHaveHappened: false };
      throw new UnexpectedAnswerError(status, 'no key set', facts);
    },
  };
}

/** Rejects with the caller's own reason, as every other part of a call does. */
async function waitFor(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return sleep(delayMs);
  await sleep(delayMs, undefined, { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}

function isKeySet(value: unknown): value is { readonly keys: readonly VerifyKey[] } {
  return isRecord(value) && Array.isArray(value['keys']) && value['keys'].every(isRecord);
}
