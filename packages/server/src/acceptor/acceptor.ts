// The events acceptor (contract acceptor.md): URLs of the service itself that a tenant without a public URL registers for
// its webhook, and the long poll that hands out what arrived there.
//
// What was accepted is in the database: no restart loses it and any API process hands it out. A full endpoint refuses, so
// the sender keeps what does not fit. Reading forgets, as at Upvest; `after` reads without forgetting until a later
// poll names a higher position. An endpoint that nobody polls for a day is removed with what waits at it.

import { randomUUID } from 'node:crypto';
import { createFairTurns } from '../fair-turns.ts';
import { hashToken, newToken } from '../keys/client-secrets.ts';
import type { Database, Queryable } from '../store/database.ts';
import { createAdmission } from './admission.ts';
import { type Arrivals, createArrivals } from './arrivals.ts';
import {
  type Delivery,
  deleteEndpoint,
  findEndpoint,
  insertDelivery,
  insertEndpoint,
  readDeliveries,
  roomAt,
} from './endpoint-store.ts';
import { endpointTokenOf, endpointUrl } from './own-url.ts';

export const acceptorLimits = {
  endpointsPerTenant: 32,
  maxQueued: 1_000,
  maxQueuedBytes: 16 * 1024 * 1024,
  /** Twice the largest package. */
  maxDeliveryBytes: 2 * 1024 * 1024,
  /** Of one endpoint, at one process. */
  maxPollers: 16,
  /** Deliveries whose body arrives, at one process: of everybody, of one tenant, at one endpoint. */
  maxArriving: 64,
  maxArrivingPerTenant: 16,
  maxArrivingPerEndpoint: 8,
  /** Until the last byte of a delivery. */
  bodyTimeMs: 10_000,
  abandonedAfterMs: 24 * 3_600_000,
} as const;

/** What became of a delivery. `not_text`: the payload is handed out as a string and these bytes are no UTF-8. */
export type Receipt = 'stored' | 'full' | 'unknown' | 'not_text';

export type PollResult =
  | { readonly ok: true; readonly deliveries: readonly Delivery[] }
  | { readonly ok: false; readonly reason: 'gone' | 'too_many_pollers' };

export interface Acceptor {
  create(tx: Queryable, clientId: string): Promise<{ id: string; url: string } | 'too_many' | 'no_tenant'>;
  /** The last position handed out; undefined for an endpoint of nobody or of another tenant. */
  find(clientId: string, id: string): Promise<{ readonly head: number } | undefined>;
  remove(clientId: string, id: string): Promise<boolean>;
  /** Waits a few seconds for something to hand out, then gives what is there, maybe nothing. */
  poll(clientId: string, id: string, options: { after: number | undefined; signal: AbortSignal }): Promise<PollResult>;
  /** A place for a delivery whose body is about to be read: to be left when it has been, or was given up. */
  enter(token: string): Promise<Place | 'full' | 'busy' | 'unknown'>;
  receive(
    token: string,
    delivery: { readonly headers: Iterable<readonly [string, string]>; readonly body: Uint8Array },
  ): Promise<Receipt>;
  /** The token of a URL of this service's endpoints; undefined for any other URL. */
  tokenOf(url: string): string | undefined;
  close(): Promise<void>;
}

export interface Place {
  /** The body has to arrive within it. */
  readonly bodyTimeMs: number;
  leave(): void;
}

export interface AcceptorOptions {
  readonly database: Database;
  /** Known once the service listens. */
  readonly publicUrl: () => string;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
  /** Ends polls that wait. */
  readonly stopping: AbortSignal;
  /** Default 10 s: proxies and clients give up after 30. */
  readonly holdMs?: number | undefined;
  readonly maxQueued?: number | undefined;
  readonly maxQueuedBytes?: number | undefined;
  readonly bodyTimeMs?: number | undefined;
}

/** Hints may be lost: a waiting poll looks by itself this often. */
const recheckMs = 1_000;

export async function createAcceptor(options: AcceptorOptions): Promise<Acceptor> {
  const { database, publicUrl, now, stopping, holdMs = 10_000 } = options;
  const { maxQueued = acceptorLimits.maxQueued, maxQueuedBytes = acceptorLimits.maxQueuedBytes } = options;
  const { bodyTimeMs = acceptorLimits.bodyTimeMs } = options;
  const limits = { maxQueued, maxQueuedBytes };
  const admission = createAdmission(acceptorLimits);
  // A read takes up to 2 MiB under the endpoint's lock: hundreds of polls of one tenant would hold all connections of the
  // database. How many wait is bounded by the pollers of its endpoints; those that find nothing take no turn.
  const reads = createFairTurns({ slots: 4, slotsEach: 1, maxWaiting: 0, maxWaitingEach: 0, maxWaitMs: 0 });
  const arrivals: Arrivals = await createArrivals(database, options.onError);

  return {
    async create(tx, clientId) {
      const id = randomUUID();
      const token = newToken();
      const made = await insertEndpoint(tx, {
        id,
        clientId,
        tokenHash: hashToken(token),
        maxPerTenant: acceptorLimits.endpointsPerTenant,
        now: new Date(now()),
      });
      return made === 'made' ? { id, url: endpointUrl(publicUrl(), token) } : made;
    },

    find: (clientId, id) => findEndpoint(database, clientId, id),

    async remove(clientId, id) {
      const removed = await deleteEndpoint(database, clientId, id);
      // Polls that wait for it find that it is gone.
      if (removed) arrivals.arrived(id);
      return removed;
    },

    async poll(clientId, id, { after, signal }) {
      if (arrivals.watchers(id) >= acceptorLimits.maxPollers) return { ok: false, reason: 'too_many_pollers' };
      const until = performance.now() + holdMs;
      const ending = AbortSignal.any([signal, stopping]);
      const watch = arrivals.watch(id);
      try {
        for (;;) {
          const deliveries = await readDeliveries(database, {
            clientId,
            id,
            after,
            now: new Date(now()),
            isWanted: () => !signal.aborted,
            inTurn: (read) => reads.run(clientId, read),
          });
          if (deliveries === undefined) return { ok: false, reason: 'gone' };
          const leftMs = until - performance.now();
          if (deliveries.length > 0 || leftMs <= 0 || ending.aborted) return { ok: true, deliveries };
          await watch.next(Math.min(leftMs, recheckMs), ending);
        }
      } finally {
        watch.end();
      }
    },

    async enter(token) {
      const found = await roomAt(database, hashToken(token), limits);
      if (!found) return 'unknown';
      if (!found.hasRoom) return 'full';
      const leave = admission.enter(found);
      return leave ? { bodyTimeMs, leave } : 'busy';
    },

    async receive(token, { headers, body }) {
      if (!isUtf8(body)) return 'not_text';
      const tokenHash = hashToken(token);
      const text = JSON.stringify(headerValues(headers));
      const bytes = body.byteLength + Buffer.byteLength(text);
      const delivery = { tokenHash, headers: text, payload: body, bytes, now: new Date(now()) };
      const endpointId = await insertDelivery(database, delivery, limits);
      if (endpointId !== undefined) {
        arrivals.arrived(endpointId);
        return 'stored';
      }
      return (await roomAt(database, tokenHash, limits)) ? 'full' : 'unknown';
    },

    tokenOf: (url) => endpointTokenOf(publicUrl(), url),

    close: () => arrivals.close(),
  };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Names are spelled `Content-Length`: Upvest's own client looks for that. */
function headerValues(headers: Iterable<readonly [string, string]>): Record<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const spelled = name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
    values.set(spelled, [...(values.get(spelled) ?? []), value]);
  }
  return Object.fromEntries(values);
}
