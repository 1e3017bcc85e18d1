// Proves who sent a tenant call: verifies its HTTP message signature (version 15 or 6) with a key of the calling client id
// and remembers its nonce in the database, so that a captured call cannot be repeated at any API process.
//
// The throttle is asked between the two: a forger cannot use up a tenant's allowance, a repeated call gives back what it
// took, and a tenant that floods stores no more nonces than its allowance. What the allowance does not hold is refused before
// anything is looked up or verified: 500 such calls a second kept the database's connections from everybody else.

import { importVerificationKey, type KeyAlgorithm, verify } from '@bellhop/signatures';
import type { Database } from '../store/database.ts';
import { rememberNonce } from '../store/nonces.ts';
import { findTenantKey } from '../store/tenants.ts';
import { isUuid } from './ids.ts';
import type { RequestTarget } from './request-target.ts';
import type { Throttle } from './throttle.ts';

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
  readonly onKeyUsed?: (keyId: string) => void;
}

export function signatureGuard(options: SignatureGuardOptions): (call: SignedCall) => Promise<GuardResult> {
  const { database, acceptedAlgorithms, now, throttle } = options;

  return async ({ clientId, method, target, headers, body }) => {
    let partition: number | undefined;
    let waitSeconds = throttle?.wait(clientId);
    if (waitSeconds !== undefined) return { ok: false, reason: 'throttled', waitSeconds };
    const nonces = {
      async remember(keyId: string, nonce: string, forgetAfter: number) {
        waitSeconds = throttle?.take(clientId);
        if (waitSeconds !== undefined) return false;
        const isNew = await rememberNonce(database, {
          // A caller may write the same key's id in another case; it stays the same key.
          keyId: keyId.toLowerCase(),
          nonce,
          expiresAt: new Date(forgetAfter * 1000),
          now: new Date(now()),
        });
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
      require: ['authorization'],
      algorithms: acceptedAlgorithms,
    });
    if (waitSeconds !== undefined) return { ok: false, reason: 'throttled', waitSeconds };
    if (!result.ok) return { ok: false, reason: result.reason };
    options.onKeyUsed?.(result.keyId.toLowerCase());
    if (partition === undefined) throw new TypeError('A signature was verified without a key');
    return { ok: true, partition };
  };
}
