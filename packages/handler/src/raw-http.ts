// Request and response without a framework, and reading a body under a limit. The limit is the handler's own: the defaults
// of frameworks (100 kB to 1 MiB) would refuse legal packages and so block the sender's queue for ever.
import type { HeaderSource } from '@bellhop/signatures';

export interface RawRequest {
  readonly method: string;
  /** Path and query as the sender wrote them, or the absolute URL. */
  readonly url: string;
  readonly headers: HeaderSource;
  /** The bytes as they came, before any parsing; `consumed` when somebody has taken them already. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | 'consumed' | BodyConsumed;
}

/** The bytes are gone, and the adapter knows by whose doing. */
export interface BodyConsumed {
  /** Names the framework and the line to write; goes to the sender and to `onRejected`. */
  readonly consumed: string;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type ReadResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: 'body_too_large' | 'body_incomplete' };

/** Stops at the first byte over the limit; leaving the iteration is what tells the adapter to let the rest go. */
export async function readBody(body: Uint8Array | AsyncIterable<Uint8Array>, maxBytes: number): Promise<ReadResult> {
  if (body instanceof Uint8Array) {
    return body.byteLength > maxBytes ? { ok: false, reason: 'body_too_large' } : { ok: true, bytes: body };
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > maxBytes) return { ok: false, reason: 'body_too_large' };
      chunks.push(chunk);
    }
  } catch {
    // The sender has gone in the middle: there is nobody to tell more to.
    return { ok: false, reason: 'body_incomplete' };
  }
  return { ok: true, bytes: Buffer.concat(chunks) };
}

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** A copy in lower case, taken once: an iterable of headers may give its contents only once. */
export function headerList(source: HeaderSource): HeaderList {
  const pairs: Iterable<readonly [string, string | readonly string[] | undefined]> =
    Symbol.iterator in source ? source : Object.entries(source);
  const list: (readonly [string, string])[] = [];
  for (const [name, value = []] of pairs) {
    for (const line of typeof value === 'string' ? [value] : value) list.push([name.toLowerCase(), line]);
  }
  return list;
}

/** The value of one header, repeated lines joined; undefined when absent. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  const lines = headers.filter(([key]) => key === name).map(([, value]) => value.trim());
  return lines.length === 0 ? undefined : lines.join(', ');
}
