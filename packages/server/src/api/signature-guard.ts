// Proves who sent a tenant call: verifies its HTTP message signature (version 15 or 6) with a key of the calling client id
// and remembers its nonce in the database, so that a captured call cannot be repeated at any API process.
//
// What a stranger can do, who has no key: send forgeries under a known client id, and repeat calls he has captured. Neither
// may use up the tenant's allowance or shut it out, nor keep the process busy. So:
//
// * The throttle is asked before anything is looked up, and takes only between signature and nonce: a forgery takes nothing, a
//   repeated call gives back what it took, and a tenant that floods stores no more nonces than its allowance.
// * A nonce that this process has seen is refused before the key is looked up; the database stays the judge of all others.
// * There is no allowance of failures that would refuse the next call: whoever fills it shuts the tenant out, and the address
//   of a caller does not tell them apart, it is the load balancer's. Instead few verifications are under way at a time, and
//   calls that carry a token known to be the client's do not wait for any others (`verification-lines.ts`). What finds its
//   line full is answered 429 before anything is looked up.

import { importVerificationKey, type KeyAlgorithm, memoryNonces, verify } from '@bellhop/signatures';
import type { Database } from '../store/database.ts';
import { rememberNonce } from '../store/nonces.ts';
import { findTenantKey } from '../store/tenants.ts';
import { isUuid } from './ids.ts';
import type { RequestTarget } from './request-target.ts';
import type { Throttle } from './throttle.ts';
import { createVerificationLines } from './verification-lines.ts';

export interface SignedCall {
  readonly clientId: string;
  readonly method: string;
  readonly target: RequestTarget;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export type GuardResult =
  | { readonly ok: true; readonly partition: number }
  | { readonly ok: false; readonly reason: string }
  | { readonly ok: false; readonly reason: 'throttled'; readonly waitSeconds: number };

export interface SignatureGuardOptions {
  readonly database: Database;
  readonly acceptedAlgorithms: readonly KeyAlgorithm[];
  readonly now: () => number;
  readonly throttle?: Throttle | undefined;
  /** As many calls of one client as may come at once; more find no place to wait in. */
  readonly maxWaitingEach: number;
  readonly onKeyUsed?: (keyId: string) => void;
}

/** Some minutes of a busy process; an older one costs a repeat one verification more. */
const maxRecentNonces = 20_000;

export function signatureGuard(options: SignatureGuardOptions): (call: SignedCall) => Promise<GuardResult> {
  const { database, acceptedAlgorithms, now, throttle, maxWaitingEach } = options;
  const lines = createVerificationLines({ maxWaitingEach });
  const recent = memoryNonces({ maxEntries: maxRecentNonces, now });

  function throttled(waitSeconds: number): GuardResult {
    return { ok: false, reason: 'throttled', waitSeconds };
  }

  async function prove({ clientId, method, target, headers, body }: SignedCall): Promise<GuardResult> {
    let partition: number | undefined;
    // Others of the same client may have used the allowance up while this one waited.
    let waitSeconds = throttle?.wait(clientId);
    if (waitSeconds !== undefined) return throttled(waitSeconds);
    const nonces = {
      // A caller may write the same key's id in another case; it stays the same key.
      isKnown: (keyId: string, nonce: string) => recent.isKnown(keyId.toLowerCase(), nonce),
      async remember(givenKeyId: string, nonce: string, forgetAfter: number) {
        waitSeconds = throttle?.take(clientId);
        if (waitSeconds !== undefined) return false;
        const keyId = givenKeyId.toLowerCase();
        const isNew = await rememberNonce(database, {
          keyId,
          nonce,
          expiresAt: new Date(forgetAfter * 1000),
          now: new Date(now()),
        });
        await recent.remember(keyId, nonce, forgetAfter);
        if (!isNew) throttle?.giveBack(clientId);
        return isNew;
      },
    };
    const keys = {
      async find(keyId: string) {
        const row = isUuid(keyId) ? await findTenantKey(database, clientId, keyId) : undefined;
        partition = row?.partition;
        return row && importVerificationKey(row.key_id, row.public_key);
      },
    };
    const message = { method, path: target.path, query: target.query, headers, body };
    const result = await verify(message, {
      keys,
      nonces,
      now,
      // A key added on the way would give this call the answer of another, or the next one the answer of this.
      require: ['authorization', 'idempotency-key'],
      algorithms: acceptedAlgorithms,
    });
    if (waitSeconds !== undefined) return throttled(waitSeconds);
    if (!result.ok) return { ok: false, reason: result.reason };
    options.onKeyUsed?.(result.keyId.toLowerCase());
    if (partition === undefined) throw new TypeError('A signature was verified without a key');
    return { ok: true, partition };
  }

  return async (call) => {
    const waitSeconds = throttle?.wait(call.clientId);
    if (waitSeconds !== undefined) return throttled(waitSeconds);
    const unproved = { clientId: call.clientId, authorization: call.headers.get('authorization') };
    const result = await lines.tryRun(unproved, () => prove(call));
    if (result?.ok) lines.proved(unproved);
    return result ?? throttled(1);
  };
}
