// A delivery as it came in, and what became of it.

import type { WebhookEvent } from '@bellhop/events';

export interface Arrival {
  /** Names as sent, in the order sent. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  /** The URL that was signed: the registered one. */
  readonly url: string;
  /** When the provider handed it over: signatures are judged by that time. */
  readonly receivedAtMs: number;
}

export interface Package {
  readonly events: readonly WebhookEvent[];
  /** The first digits of the body's SHA-256: the same for a repeated package. */
  readonly tag: string;
}

/** How a package was answered: `status` is what the provider is told. */
export interface Settled {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}
