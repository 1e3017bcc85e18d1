// The handler as a `Request` to `Response` function: Hono, Next route handlers, Bun, Deno and everything else that speaks
// fetch. Reads the stream itself, so that nothing over the limit is ever held.
import type { Receiver } from './node-exchange.ts';

export function toFetch(handler: Receiver): (request: Request) => Promise<Response> {
  return (request) => receiveFetch(handler, request);
}

/** `remedy` names the framework and the line to write, for a body that somebody has parsed. */
export async function receiveFetch(handler: Receiver, request: Request, remedy?: string): Promise<Response> {
  const { status, headers, body } = await handler.receive({
    method: request.method,
    url: request.url,
    headers: request.headers,
    body: request.bodyUsed ? (remedy === undefined ? 'consumed' : { consumed: remedy }) : chunksOf(request),
  });
  return new Response(body, { status, headers: { ...headers } });
}

async function* chunksOf(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isDone = done;
      if (done) return;
      yield value;
    }
  } finally {
    // Left early: the rest is over the limit and nobody wants it.
    if (!isDone) await reader.cancel();
  }
}
