// The keys that sign deliveries: one `active`, one `next` that is published already, and retired ones that stay published
// while receivers may still hold packages or cached key sets. Kept in the database, so that every process signs alike.

import type { SigningKey } from '@bellhop/signatures';
import type { Queryable } from '../store/database.ts';

export interface PublicKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
}

export interface ServiceKeys {
  /** Signs every delivery of now. Cached; another process's rotation is seen when it is told of it, or within a minute. */
  active(): Promise<SigningKey>;
  /** Published, not yet in use. */
  next(): Promise<SigningKey>;
  /** What `GET /auth/verify_keys` answers: active, next and those retired less than a day ago, but for withdrawn ones. */
  published(): Promise<readonly PublicKey[]>;
  /**
   * Makes `next` the active key and a new one `next`, in the caller's transaction: what is written there beside it happens
   * once, however many processes rotate. The keys must have been made (`active` does); `forget` follows the commit.
   *
   * Refused while `next` is published for less than a day (or what the service was configured with), because receivers may
   * not have it yet; `force` does it anyway.
   */
  rotate(tx: Queryable, options?: RotateOptions): Promise<RotateResult>;
  /**
   * Ends a published key at once, whatever its status, in the caller's transaction: it is published no longer and its private
   * part is gone. Where it was `active` or `next`, the others move up as in a forced rotation. Undefined: no key of this id
   * is published.
   */
  withdraw(tx: Queryable, keyId: string): Promise<WithdrawResult | undefined>;
  /** After a change, once it is committed: the next call reads the keys anew. */
  forget(): void;
}

export interface RotateOptions {
  readonly force?: boolean;
  /** Refused while the active key has signed for less than this. */
  readonly activeForMs?: number;
}

export interface WithdrawResult {
  /** What the key was. */
  readonly status: 'active' | 'next' | 'retired';
  /** The keys of now. */
  readonly active: string;
  readonly next: string;
}

export type RotateResult =
  | { readonly rotated: true; readonly retired: string; readonly active: string; readonly next: string }
  | {
      readonly rotated: false;
      readonly reason: 'next_key_too_young' | 'active_key_too_young';
      readonly readyAt: Date;
    };
