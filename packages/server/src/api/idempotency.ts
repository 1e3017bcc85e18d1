// Honours an `idempotency-key` on the POSTs of the tenant and operator API: the same key with the same request (method,
// path, query, body) gives the first answer again for 24 hours, also while the first call still runs and after a restart;
// with another request it is a 409. Only answers that did something (2xx) are kept: a refused call may be repeated.
//
// Keys of a tenant and of the operator live apart. The operator's answers can hold a secret that is shown once, so they
// are kept encrypted under the operator token: the database alone does not tell them.

import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Queryable } from '../store/database.ts';
import {
  type Claim,
  claimKey,
  claimLockMs,
  type KeptAnswer,
  keepAnswer,
  releaseClaim,
  renewClaim,
} from '../store/idempotency.ts';
import { problem } from './problem.ts';
import type { Answer } from './route.ts';

const keyPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-5][0-9a-f]{3}-?[089ab][0-9a-f]{3}-?[0-9a-f]{12}$/i;
const firstPollMs = 25;
const maxPollMs = 500;
const maxWaitMs = 30_000;

/** How answers of a scope are written down. */
export interface AnswerCodec {
  encode(body: string): string;
  /** Undefined when it was written under another secret. */
  decode(stored: string): string | undefined;
}

export const plainAnswers: AnswerCodec = { encode: (body) => body, decode: (stored) => stored };

/** AES-256-GCM: base64 of nonce, tag and text. */
export function sealedAnswers(secret: string): AnswerCodec {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'bellhop idempotency answers', 32));
  return {
    encode(body) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const text = Buffer.concat([cipher.update(body, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
    },
    decode(stored) {
      const bytes = Buffer.from(stored, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
      } catch {
        // The tag does not fit: another operator token sealed it.
        return undefined;
      }
    },
  };
}

export function isIdempotencyKey(text: string): boolean {
  return keyPattern.test(text);
}

export interface IdempotentCall {
  /** `operator` or `tenant:<client id>`. */
  readonly scope: string;
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly query: string | undefined;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export type KeepAnswer = (tx: Queryable, answer: Answer) => Promise<void>;

export interface IdempotencyOptions {
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** Runs `work` unless its answer is known; `work` may keep its answer in its own transaction. */
export async function answerOnce(
  { database, now, onError }: IdempotencyOptions,
  codec: AnswerCodec,
  call: IdempotentCall,
  work: (keep: KeepAnswer) => Promise<Answer>,
): Promise<Answer> {
  const request = { scope: call.scope, key: normaliseKey(call.key), hash: hashRequest(call) };
  const deadline = performance.now() + maxWaitMs;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 2, maxPollMs)) {
    const result = await claimKey(database, { ...request, now: new Date(now()) });
    if (result.state === 'claimed') return runClaimed({ database, now, onError }, codec, result.claim, work);
    if (result.state === 'answered') return repeatAnswer(codec, result.answer);
    if (result.state === 'other_request') {
      return problem('conflict', 'idempotency-key: was used for another request');
    }
    if (performance.now() > deadline) {
      return problem('conflict', 'idempotency-key: the first call with it is still running', { 'retry-after': '5' });
    }
    await sleep(pollMs, undefined, { signal: call.signal });
  }
}

async function runClaimed(
  { database, now, onError }: IdempotencyOptions,
  codec: AnswerCodec,
  claim: Claim,
  work: (keep: KeepAnswer) => Promise<Answer>,
): Promise<Answer> {
  const timer = setInterval(() => {
    // A renewal that fails is tried again at the next tick; two more fit before the lock runs out.
    renewClaim(database, claim, new Date(now())).catch(onError);
  }, claimLockMs / 4);
  let isKept = false;
  const keep: KeepAnswer = async (tx, answer) => {
    if (!(await keepAnswer(tx, claim, writeDown(codec, answer)))) {
      throw new TypeError('The call lost its idempotency key to a repeat while it stood still');
    }
    isKept = true;
  };
  try {
    const answer = await work(keep);
    if (!isKept && answer.status < 300) await keep(database, answer);
    else if (!isKept) await releaseClaim(database, claim);
    return answer;
  } catch (error) {
    // Rolled back with the work, also when it was kept. Where the database is away, the lock runs out by itself.
    await releaseClaim(database, claim).catch(onError);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

function writeDown(codec: AnswerCodec, { status, headers = {}, body }: Answer): KeptAnswer {
  return { status, headers, body: body === undefined ? null : codec.encode(JSON.stringify(body)) };
}

function repeatAnswer(codec: AnswerCodec, { status, headers, body }: KeptAnswer): Answer {
  const again = { status, headers: { ...headers, 'idempotency-replayed': 'true' } };
  if (body === null) return again;
  const text = codec.decode(body);
  if (text === undefined) {
    return problem('conflict', 'idempotency-key: its first answer was sealed with another operator token');
  }
  return { ...again, body: JSON.parse(text) };
}

/** One spelling of a key, whatever its case and hyphens. */
export function normaliseKey(key: string): string {
  const hex = key.replaceAll('-', '').toLowerCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function hashRequest({ method, path, query, body }: IdempotentCall): Uint8Array {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([method, path, query ?? null]));
  hash.update(body);
  return hash.digest();
}
