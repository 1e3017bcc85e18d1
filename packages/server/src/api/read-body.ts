// Reads a request body once, as bytes, up to a cap. What is beyond the cap is thrown away while it arrives (the server
// gives up after a while), so that the sender gets to read the answer instead of a broken connection.

import type { IncomingMessage } from 'node:http';

export type BodyResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: 'too_large' | 'broken' };

export const defaultMaxBodyBytes = 65_536;
/** A sender that goes on beyond this is cut off. */
const maxDiscardedBytes = 16 * 1024 * 1024;

/**
 * From node:http's own message: a web stream over it costs a quarter of a small call (a Request, a stream and an abort
 * signal are made for it).
 */
export function readIncoming(incoming: IncomingMessage, maxBytes: number): Promise<BodyResult> {
  const { headers } = incoming;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody) return Promise.resolve({ ok: true, bytes: new Uint8Array() });
  // Gone while the caller was being proved: its `close` came before anyone listened.
  if (incoming.destroyed) return Promise.resolve({ ok: false, reason: 'broken' });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      if (size > maxBytes + maxDiscardedBytes) incoming.destroy();
    });
    incoming.once('end', () => {
      resolve(size > maxBytes ? { ok: false, reason: 'too_large' } : { ok: true, bytes: Buffer.concat(chunks) });
    });
    // The sender went away, broke the framing or was cut off: there is no body to judge.
    incoming.once('close', () => resolve({ ok: false, reason: 'broken' }));
    incoming.once('error', () => resolve({ ok: false, reason: 'broken' }));
  });
}

/**
 * `late`: not all of it came within the time. It is not read on from then, and not cancelled either, which would take the
 * connection away under the answer: that has to close it.
 */
export async function readBody(
  request: { readonly body: ReadableStream<Uint8Array> | null },
  maxBytes: number,
  timeMs: number,
): Promise<BodyResult | { readonly ok: false; readonly reason: 'late' }>;
export async function readBody(
  request: { readonly body: ReadableStream<Uint8Array> | null },
  maxBytes: number,
): Promise<BodyResult>;
export async function readBody(
  request: { readonly body: ReadableStream<Uint8Array> | null },
  maxBytes: number,
  timeMs?: number,
): Promise<BodyResult | { readonly ok: false; readonly reason: 'late' }> {
  if (!request.body) return { ok: true, bytes: new Uint8Array() };
  const reader = request.body.getReader();
  if (timeMs === undefined) return readAll(reader, maxBytes);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeMs);
  const time = new Promise<{ readonly ok: false; readonly reason: 'late' }>((resolve) => {
    late.signal.addEventListener('abort', () => resolve({ ok: false, reason: 'late' }), { once: true });
  });
  try {
    return await Promise.race([readAll(reader, maxBytes, late.signal), time]);
  } finally {
    clearTimeout(timer);
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<BodyResult> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal?.aborted) break;
      size += value.byteLength;
      if (size <= maxBytes) chunks.push(value);
      else {
        chunks.length = 0;
        if (size > maxBytes + maxDiscardedBytes) {
          await reader.cancel();
          break;
        }
      }
    }
  } catch {
    // The sender went away or broke the framing: there is no body to judge.
    return { ok: false, reason: 'broken' };
  }
  return size > maxBytes ? { ok: false, reason: 'too_large' } : { ok: true, bytes: Buffer.concat(chunks) };
}
