// Decides whether a failed try is repeated, and after which wait. Pure: no clock, no I/O.
// Rule: repeat only what cannot do harm. A try that was certainly not carried out (throttled, never connected) may always
// be repeated. A try with an unknown fate only when the call is idempotent by its method, or when its idempotency key is
// honoured by the other side. Upvest ignores the key on webhook operations, so there a lost POST is left to the caller.
import type { UpvestError } from './errors.ts';
import { ApiError, NetworkError, TimeoutError } from './errors.ts';

export interface RetryOptions {
  /** All tries of one call together, the first included. Default 3; 1 switches repeating off. */
  readonly attempts?: number;
  /** Upper end of the first wait; it doubles with every further one. Default 250. */
  readonly baseDelayMs?: number;
  /** Upper end of any wait that the client chooses by itself. Default 8,000. */
  readonly maxDelayMs?: number;
  /** A longer `retry-after` is not waited for: the error is thrown at once and carries it. Default 60,000. */
  readonly maxRetryAfterMs?: number;
}

export type RetryPolicy = Required<RetryOptions>;

export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  const policy = { attempts: 3, baseDelayMs: 250, maxDelayMs: 8_000, maxRetryAfterMs: 60_000, ...options };
  if (!Number.isInteger(policy.attempts) || policy.attempts < 1)
    throw new TypeError('retry.attempts must be 1 or more');
  for (const name of ['baseDelayMs', 'maxDelayMs', 'maxRetryAfterMs'] as const) {
    if (!Number.isFinite(policy[name]) || policy[name] < 0) throw new TypeError(`retry.${name} must be 0 or more`);
  }
  return policy;
}

/** `any`: repeat whatever the fate of the failed try; `not-carried-out`: only if it certainly was not carried out. */
export type Repeatable = 'any' | 'not-carried-out';

export function repeatable(method: string, path: string, upvest: boolean): Repeatable {
  if (method !== 'POST') return 'any';
  const keyIgnored = upvest && /^\/(webhooks|auth)(\/|$)/.test(path);
  return keyIgnored ? 'not-carried-out' : 'any';
}

const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Waiting does not mend these: they are a matter of configuration. */
function isPermanent(reason: string): boolean {
  return /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|ERR_INVALID/.test(reason);
}

/** Whether a try without an answer was possibly carried out: not if there never was a connection. */
export function isFateUnknown(reason: string): boolean {
  return !neverConnected.has(reason) && !isPermanent(reason);
}

/** The wait before the next try, or undefined when there must not be one. `tries` counts those already made. */
export function nextDelayMs(
  error: UpvestError,
  tries: number,
  rule: Repeatable,
  policy: RetryPolicy,
  random: () => number,
): number | undefined {
  if (tries >= policy.attempts || !isTransient(error)) return undefined;
  if (rule === 'not-carried-out' && error.mayHaveHappened) return undefined;
  const own = random() * Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** (tries - 1));
  const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
  if (asked === undefined) return own;
  return asked > policy.maxRetryAfterMs ? undefined : asked;
}

function isTransient(error: UpvestError): boolean {
  if (error instanceof TimeoutError) return true;
  if (error instanceof NetworkError) return !isPermanent(error.reason);
  if (error instanceof ApiError) return error.status === 429 || [500, 502, 503, 504].includes(error.status);
  return false;
}

/** `retry-after` as a wait: seconds or an HTTP date. */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) || !/[a-z]/i.test(text) ? undefined : Math.max(0, at - nowMs);
}
