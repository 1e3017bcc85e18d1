// Posts packages: contract/delivery.md "Request". Each attempt is signed anew and goes through the target policy; the path and
// query are sent as registered; redirects are an answer like any other. An attempt ends within `responseTimeoutMs`
// of its start, however the endpoint behaves, and its outcome is a value.
//
// Fairness: every attempt holds a slot of its origin and one of the whole process, shared among tenants (sender-slots.ts), so
// that one tenant's endpoints, hanging from their first attempt on, leave slots to the others. Attempts of suspect lanes (the
// last attempt failed or was slow) and tests hold besides one of a quarter of each, so that they leave three quarters to
// the rest, and start at a bounded pace, tenants taking turns. The slots are taken in one order, so they cannot block each
// other. Time in the queue is not the endpoint's and counts for no time-out.
//
// A connection that the endpoint closed while it was idle shows only when the request is sent: if it was used before
// and no answer began, the attempt is repeated once at once on a new connection, signed anew (deliveries are at least
// once anyway, and receivers refuse a nonce twice). A fresh connection that closes is reported.
import { type SignatureVersion, sign } from '@bellhop/signatures';
import type { ServiceKeys } from '../keys/service-keys.ts';
import type { TenantCertificates, TlsIdentity } from '../keys/tenant-certificates.ts';
import type { Observer } from '../observe/observer.ts';
import { packageVersion } from '../package-version.ts';
import type { TargetPolicy } from '../targets/target-policy.ts';
import type { EgressProxy } from './egress-proxy.ts';
import { type LocalEndpoint, localExchange } from './local-endpoint.ts';
import type { Outcome, PostRequest, Sender } from './outcome.ts';
import { type Connection, createPools } from './pools.ts';
import { type Exchange, exchange, type ResponseHeaders } from './sender-exchange.ts';
import {
  abortedFailure,
  errorFailure,
  type Failure,
  GaveUp,
  isClosedConnection,
  signingFailure,
  statusFailure,
  timeoutFailure,
} from './sender-failure.ts';
import { createPace } from '../pace.ts';
import { createSlots, type Slots } from './sender-slots.ts';
import { createTlsContext, type TlsOptions } from './tls.ts';

export interface SenderOptions extends TlsOptions {
  readonly policy: TargetPolicy;
  readonly keys: Pick<ServiceKeys, 'active'>;
  /** Default 6. */
  readonly version?: SignatureVersion | undefined;
  /** `expires - created`; default 60. */
  readonly lifetimeSeconds?: number | undefined;
  /** Name, TCP and TLS together; default 3000. */
  readonly connectTimeoutMs?: number | undefined;
  /** The whole attempt, connecting included; default 10,000. */
  readonly responseTimeoutMs?: number | undefined;
  /** What is read of an answer before it is cut off; default 64 KiB. */
  readonly maxResponseBytes?: number | undefined;
  /** What is kept of it; default 2 KiB. */
  readonly excerptBytes?: number | undefined;
  /** Attempts at a time; default 256. */
  readonly concurrency?: number | undefined;
  /** Attempts at a time to one origin; default a quarter of `concurrency`. */
  readonly maxConnectionsPerOrigin?: number | undefined;
  /** Origins with open connections; default 1024. */
  readonly maxOrigins?: number | undefined;
  readonly userAgent?: string | undefined;
  readonly observer?: Pick<Observer, 'signed'> | undefined;
  /** Endpoints inside the service, by URL; such a delivery opens no connection, so the target policy has no say. */
  readonly local?: ((url: string) => LocalEndpoint | undefined) | undefined;
  /** Client certificates of single tenants. */
  readonly certificates?: Pick<TenantCertificates, 'identityOf'> | undefined;
  readonly proxy?: EgressProxy | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
}

export interface SenderStats {
  readonly inFlight: number;
  readonly suspectsInFlight: number;
  readonly queued: number;
  readonly origins: number;
  readonly connections: number;
}

export interface MeteredSender extends Sender {
  stats(): SenderStats;
}

const maxConnectionAgeMs = 5 * 60_000;
const idleConnectionMs = 20_000;
/** A thousand webhooks that failed together are due together, for the waits have no jitter: their attempts are cheap one by
 * one, but all at once they held up everybody's calls and deliveries for 400 ms (`bench/src/noisy-neighbour.ts`). */
const suspectEveryMs = 5;
/** A thousand are spread over this long; of a larger crowd more start at a time, so that 10,000 are through in 17 s. */
const suspectsWithinMs = 5_000;
const quarter = (count: number): number => Math.max(1, Math.floor(count / 4));

export function createSender(options: SenderOptions): MeteredSender {
  const { policy, keys, observer, version = 6, lifetimeSeconds = 60, now = Date.now } = options;
  const { connectTimeoutMs = 3_000, responseTimeoutMs = 10_000 } = options;
  const { maxResponseBytes = 64 * 1024, excerptBytes = 2 * 1024, concurrency = 256, maxOrigins = 1_024 } = options;
  const { maxConnectionsPerOrigin = quarter(concurrency), userAgent = `bellhop/${packageVersion()}` } = options;
  const pools = createPools({
    policy,
    tls: createTlsContext(options),
    proxy: options.proxy,
    connectTimeoutMs,
    maxOrigins,
    maxAgeMs: maxConnectionAgeMs,
    idleTimeoutMs: idleConnectionMs,
    now: () => performance.now(),
  });
  const slots = createSlots(concurrency);
  const suspectSlots = createSlots(quarter(concurrency));
  const suspectPace = createPace({
    everyMs: suspectEveryMs,
    withinMs: suspectsWithinMs,
    now: () => performance.now(),
  });
  const originSlots = new Map<string, { users: number; readonly slots: Slots; readonly suspectSlots: Slots }>();
  const open = new Set<AbortController>();
  let inFlight = 0;
  let suspectsInFlight = 0;
  let closed = false;

  /** Runs with the slots held; undefined when given up before. */
  async function withSlots<T>(
    origin: string,
    { clientId: tenant = '', suspect = false }: PostRequest,
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<T | undefined> {
    const own = originSlots.get(origin) ?? {
      users: 0,
      slots: createSlots(maxConnectionsPerOrigin),
      suspectSlots: createSlots(quarter(maxConnectionsPerOrigin)),
    };
    originSlots.set(origin, own);
    own.users += 1;
    const held: Slots[] = [];
    try {
      if (suspect && !(await suspectPace.turn(tenant, signal))) return undefined;
      const wanted = suspect ? [own.suspectSlots, own.slots, suspectSlots, slots] : [own.slots, slots];
      for (const each of wanted) {
        if (!(await each.take(tenant, signal))) return undefined;
        held.push(each);
      }
      inFlight += 1;
      if (suspect) suspectsInFlight += 1;
      try {
        return await run();
      } finally {
        inFlight -= 1;
        if (suspect) suspectsInFlight -= 1;
      }
    } finally {
      for (const each of held.reverse()) each.give(tenant);
      own.users -= 1;
      if (own.users === 0) originSlots.delete(origin);
    }
  }

  async function signedHeaders(url: URL, requestTarget: string, body: Uint8Array): Promise<Record<string, string>> {
    const headers = { accept: '*/*', 'content-type': 'application/json' };
    const mark = requestTarget.indexOf('?');
    const path = mark === -1 ? requestTarget : requestTarget.slice(0, mark);
    const query = mark === -1 ? undefined : requestTarget.slice(mark + 1);
    const key = await keys.active();
    const message = { method: 'POST', path, query, headers, body };
    const startedMs = performance.now();
    const signature = await sign(message, { key, version, lifetimeSeconds, now });
    observer?.signed(performance.now() - startedMs);
    return { host: url.host, connection: 'keep-alive', 'user-agent': userAgent, ...headers, ...signature };
  }

  async function attempt(
    url: URL,
    requestTarget: string,
    { clientId, mayPost = () => true }: PostRequest,
    body: Uint8Array,
    abort: AbortController,
    local: LocalEndpoint | undefined,
  ): Promise<Outcome> {
    const { signal } = abort;
    let timer: NodeJS.Timeout | undefined;
    let startedAtMs: number | undefined;
    let startedAt = new Date(now());
    let requestHeaders: Readonly<Record<string, string>> = {};
    let identity: TlsIdentity | undefined;
    const record = (answer?: Exchange['answer']) => ({
      startedAt,
      durationMs: startedAtMs === undefined ? 0 : performance.now() - startedAtMs,
      requestHeaders,
      ...(answer === undefined ? {} : responseRecord(answer)),
    });

    const post = async (fresh: boolean): Promise<Exchange & { served: boolean }> => {
      if (local) return { ...(await localExchange(local, { headers: requestHeaders, body, signal })), served: false };
      const connection: Connection = pools.take(url.origin, fresh, identity);
      const request = { requestTarget, headers: requestHeaders, body, maxResponseBytes, excerptBytes, signal };
      const result = await exchange(connection.client, request);
      const { served } = connection;
      if (result.reusable) pools.give(connection);
      else pools.drop(connection);
      return { ...result, served };
    };

    try {
      for (let fresh = false; ; fresh = true) {
        try {
          requestHeaders = await signedHeaders(url, requestTarget, body);
          if (clientId !== undefined && !local) identity = await options.certificates?.identityOf(clientId);
        } catch (error) {
          return { ok: false, ...signingFailure(error), ...record() };
        }
        if (signal.aborted) return { ok: false, ...errorFailure(signal.reason), ...record() };
        if (timer === undefined) {
          timer = setTimeout(() => abort.abort(new GaveUp(timeoutFailure(responseTimeoutMs))), responseTimeoutMs);
          startedAtMs = performance.now();
          startedAt = new Date(now());
        }
        if (!mayPost()) return { ok: false, ...abortedFailure, ...record() };
        const { answer, error, served } = await post(fresh);
        if (!fresh && served && answer === undefined && isClosedConnection(error)) continue;
        const failure = failureOf(answer?.status, error);
        return failure === undefined ? { ok: true, ...record(answer) } : { ok: false, ...failure, ...record(answer) };
      }
    } finally {
      clearTimeout(timer);
    }
  }

  function notSent(failure: Failure): Outcome {
    return { ok: false, ...failure, startedAt: new Date(now()), durationMs: 0, requestHeaders: {} };
  }

  return {
    async post(request: PostRequest): Promise<Outcome> {
      const { url: text, signal } = request;
      if (closed || signal?.aborted === true) return notSent(abortedFailure);
      const local = options.local?.(text);
      const check = local ? ownTarget(text) : policy.checkUrl(text);
      if (!check.ok) return notSent({ reason: 'url_not_allowed', detail: `The URL ${check.detail}` });
      const { url, requestTarget } = check;
      const abort = new AbortController();
      const giveUp = (): void => abort.abort(new GaveUp(abortedFailure));
      signal?.addEventListener('abort', giveUp, { once: true });
      open.add(abort);
      try {
        const run = async (): Promise<Outcome> => {
          const body = typeof request.body === 'function' ? await request.body() : request.body;
          return body ? attempt(url, requestTarget, request, body, abort, local) : notSent(abortedFailure);
        };
        return (await withSlots(url.origin, request, abort.signal, run)) ?? notSent(abortedFailure);
      } finally {
        open.delete(abort);
        signal?.removeEventListener('abort', giveUp);
      }
    },

    /** Gives up what is queued and in flight; whoever wants to wait for attempts does so before. */
    async close() {
      closed = true;
      for (const abort of open) abort.abort(new GaveUp(abortedFailure));
      await pools.close();
    },

    stats: () => ({
      inFlight,
      suspectsInFlight,
      queued: open.size - inFlight,
      origins: pools.origins,
      connections: pools.connections,
    }),
  };
}

/** Written by the service itself, so it needs no judging. */
function ownTarget(text: string) {
  const url = new URL(text);
  return { ok: true, url, requestTarget: `${url.pathname}${url.search}` } as const;
}

function failureOf(status: number | undefined, error: unknown): Failure | undefined {
  const byStatus = status === undefined ? undefined : statusFailure(status);
  return byStatus ?? (error === undefined ? undefined : errorFailure(error));
}

function responseRecord(answer: { status: number; headers: ResponseHeaders; excerpt: string }) {
  return { status: answer.status, responseHeaders: answer.headers, responseExcerpt: answer.excerpt };
}
