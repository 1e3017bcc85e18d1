// The keys that sign deliveries: one `active`, one `next` that is published already, and retired ones that stay published
// while receivers may still hold packages or cached key sets. Kept in the database, so that every process signs alike.

import type { SigningKey } from '@bellhop/signatures';

export interface PublicKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
}

export interface ServiceKeys {
  /** Signs every delivery of now. Cached; another process's rotation is seen within a minute. */
  active(): Promise<SigningKey>;
  /** Published, not yet in use. */
  next(): Promise<SigningKey>;
  /** What `GET /auth/verify_keys` answers: active, next and those retired less than a day ago. */
  published(): Promise<readonly PublicKey[]>;
  /**
   * Makes `next` the active key and a new one `next`. Refused while `next` is published for less than a day (or what the
   * service was configured with), because receivers may not have it yet; `force` does it anyway.
   */
  rotate(options?: { readonly force?: boolean }): Promise<RotateResult>;
}

export type RotateResult =
  | { readonly rotated: true }
  | { readonly rotated: false; readonly reason: 'next_key_too_young'; readonly readyAt: Date };
