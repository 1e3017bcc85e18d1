// One signed HTTP exchange: fixes the body bytes, signs (version 15, contract "Sign"), sends exactly what was signed and
// reads the whole answer within the time-out. Never follows a redirect (a credential would leave with it), never repeats:
// that is call.ts. Every try gets a fresh nonce and fresh times because signing happens here.
import type { SigningKey } from '@bellhop/signatures';
import { messageTarget, sign } from '@bellhop/signatures';
import { NetworkError, TimeoutError, UnexpectedAnswerError } from './errors.ts';
import { isFateUnknown } from './retry.ts';

const maxAnswerBytes = 16 * 1024 * 1024;
const signatureLifetimeSeconds = 60;

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface TransportOptions {
  readonly fetch: Fetch;
  readonly now: () => number;
  readonly timeoutMs: number;
  readonly clientId: string;
  readonly key: SigningKey;
}

export interface Outgoing {
  readonly operation: string;
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface Incoming {
  readonly status: number;
  readonly headers: Headers;
  readonly requestId: string | undefined;
  readonly text: string;
}

export type Send = (request: Outgoing) => Promise<Incoming>;

export function createTransport(options: TransportOptions): Send {
  return async (request) => {
    request.signal?.throwIfAborted();
    const headers = await signedHeaders(request, options);
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), options.timeoutMs);
    const signals = request.signal === undefined ? [timeout.signal] : [timeout.signal, request.signal];
    try {
      const response = await options.fetch(request.url.href, {
        method: request.method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.any(signals),
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      return await incoming(request, response);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw failureOf(error, request, timeout.signal.aborted ? options.timeoutMs : undefined);
    } finally {
      clearTimeout(timer);
    }
  };
}

async function signedHeaders(request: Outgoing, options: TransportOptions): Promise<Record<string, string>> {
  const headers: Record<string, string> = {
    accept: 'application/json',
    'upvest-api-version': '1',
    'upvest-client-id': options.clientId,
    ...request.headers,
  };
  const added = await sign(
    {
      method: request.method,
      ...messageTarget(request.url),
      headers,
      ...(request.body === undefined ? {} : { body: request.body }),
    },
    { key: options.key, version: 15, lifetimeSeconds: signatureLifetimeSeconds, now: options.now },
  );
  const all = { ...headers, ...added };
  // fetch writes this one itself, from the same bytes; given twice, some implementations send it twice.
  delete all['content-length'];
  return all;
}

async function incoming(request: Outgoing, response: Response): Promise<Incoming> {
  const requestId = response.headers.get('upvest-request-id') ?? undefined;
  const facts = { operation: request.operation, requestId, mayHaveHappened: false };
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    await response.body?.cancel();
    throw new UnexpectedAnswerError(response.status, 'a redirect, which is not followed; check baseUrl', facts);
  }
  const bytes = await readAll(response);
  if (bytes === undefined) {
    const happened = { ...facts, mayHaveHappened: true };
    throw new UnexpectedAnswerError(response.status, `a body over ${maxAnswerBytes} bytes`, happened);
  }
  return { status: response.status, headers: response.headers, requestId, text: new TextDecoder().decode(bytes) };
}

async function readAll(response: Response): Promise<Uint8Array | undefined> {
  if (response.body === null) return new Uint8Array();
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    size += value.byteLength;
    if (size > maxAnswerBytes) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(value);
  }
}

function failureOf(error: unknown, request: Outgoing, timedOutAfterMs: number | undefined): unknown {
  if (error instanceof UnexpectedAnswerError) return error;
  const facts = { operation: request.operation, cause: error };
  if (timedOutAfterMs !== undefined) return new TimeoutError(timedOutAfterMs, { ...facts, mayHaveHappened: true });
  const reason = reasonOf(error);
  return new NetworkError(reason, { ...facts, mayHaveHappened: isFateUnknown(reason) });
}

/** fetch hides the cause in `error.cause`, for a name with several addresses inside an AggregateError. */
function reasonOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if (at instanceof AggregateError) {
      const inner: unknown = at.errors[0];
      if (inner instanceof Error && 'code' in inner && typeof inner.code === 'string') return inner.code;
    }
  }
  return error instanceof Error ? error.name : 'unknown';
}
