// An endpoint inside the service: a delivery to it is a call of a function instead of a POST. What the sender promises of
// an attempt (signed, recorded, ends in time, never rejects) holds for it too; no connection is opened.

import type { Exchange } from './sender-exchange.ts';

/** Gives the status that the endpoint would have answered over HTTP. */
export type LocalEndpoint = (
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
) => Promise<{ readonly status: number }>;

export async function localExchange(
  endpoint: LocalEndpoint,
  request: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
    readonly signal: AbortSignal;
  },
): Promise<Exchange> {
  const { headers, body, signal } = request;
  if (signal.aborted) return { error: signal.reason, reusable: false };
  let abort = (): void => {};
  try {
    const { status } = await Promise.race([
      endpoint(headers, body),
      new Promise<never>((_, reject) => {
        abort = () => reject(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
      }),
    ]);
    return { answer: { status, headers: {}, excerpt: '' }, reusable: true };
  } catch (error) {
    return { error, reusable: false };
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
