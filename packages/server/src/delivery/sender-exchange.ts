// One request on one connection and its answer: status, headers, the first bytes of the body. The body is read up to a
// cap and then cut off, because an endpoint may answer without end. It never rejects and judges nothing.
// Built on `dispatch`, the layer under `request`: no stream object for an answer that is mostly empty.
import { TextDecoder } from 'node:util';
import type { Client, Dispatcher } from 'undici';

export interface ExchangeRequest {
  /** Path and query, as they go into the request line. */
  readonly requestTarget: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly maxResponseBytes: number;
  readonly excerptBytes: number;
  readonly signal: AbortSignal;
}

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Exchange {
  /** Set as soon as the head of an answer was there, also when the rest failed. */
  readonly answer?: { readonly status: number; readonly headers: ResponseHeaders; readonly excerpt: string };
  /** Why there is no complete answer; absent when there is, or when it was cut off at the cap. */
  readonly error?: unknown;
  /** The connection may serve the next request. */
  readonly reusable: boolean;
}

export function exchange(client: Client, request: ExchangeRequest): Promise<Exchange> {
  const { requestTarget, headers, body, maxResponseBytes, excerptBytes, signal } = request;
  return new Promise((resolve) => {
    let head: { status: number; headers: ResponseHeaders } | undefined;
    const excerpt: Buffer[] = [];
    let receivedBytes = 0;

    const finish = (end: { error?: unknown; reusable: boolean }): void => {
      signal.removeEventListener('abort', abort);
      resolve({ ...(head === undefined ? {} : { answer: { ...head, excerpt: excerptText(excerpt) } }), ...end });
    };
    // The caller closes the connection, which ends whatever still runs on it; later events find the promise resolved.
    const abort = (): void => finish({ error: signal.reason, reusable: false });

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, status, responseHeaders) {
        // 1xx: the real answer follows.
        if (status >= 200) head = { status, headers: { ...responseHeaders } };
      },
      onResponseData(_controller, chunk) {
        const room = excerptBytes - receivedBytes;
        // A copy: the parser's chunk would keep its whole buffer alive for as long as the attempt is remembered.
        if (room > 0) excerpt.push(Buffer.from(chunk.subarray(0, room)));
        receivedBytes += chunk.length;
        if (receivedBytes > maxResponseBytes) finish({ reusable: false });
      },
      onResponseEnd() {
        finish({ reusable: true });
      },
      onResponseError(_controller, error) {
        finish({ error, reusable: false });
      },
    };

    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      client.dispatch({ method: 'POST', path: requestTarget, headers, body: bytesOf(body) }, handler);
    } catch (error) {
      finish({ error, reusable: false });
    }
  });
}

function bytesOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** UTF-8, a character cut in half left out; no NUL, which PostgreSQL cannot store in text. */
function excerptText(chunks: readonly Buffer[]): string {
  if (chunks.length === 0) return '';
  return new TextDecoder().decode(Buffer.concat(chunks), { stream: true }).replaceAll('\0', '\ufffd');
}
