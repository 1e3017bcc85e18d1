// What the adapters on `node:http` share: a request given to the handler, and its answer written. Takes headers as they came
// (the ready-made object drops repeated ones) and the path as the sender called it (frameworks cut off where they are
// mounted).
// A refused body: the answer goes out at once and the rest is let in and thrown away for a while before the connection is
// closed, because closing on a sender that is still sending would destroy the answer on its way.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Handler } from '../create-handler.ts';
import type { RawRequest, RawResponse } from '../raw-http.ts';

/** All that an adapter needs of a handler, whatever its transactions are. */
export type Receiver = Pick<Handler<never>, 'receive'>;

const lingerMs = 2_000;

/** `remedy` names the framework and the line to write, for a body that somebody has parsed. Never rejects. */
export function receiveNode(handler: Receiver, request: IncomingMessage, remedy?: string): Promise<RawResponse> {
  return handler.receive({
    method: request.method ?? '',
    url: targetOf(request),
    headers: headerPairs(request.rawHeaders),
    body: keptBytes(request) ?? streamOf(request, remedy),
  });
}

function targetOf(request: IncomingMessage): string {
  if ('originalUrl' in request && typeof request.originalUrl === 'string') return request.originalUrl;
  return request.url ?? '/';
}

export function* headerPairs(raw: readonly string[]): Generator<readonly [string, string]> {
  for (let at = 0; at + 1 < raw.length; at += 2) yield [raw[at] ?? '', raw[at + 1] ?? ''];
}

/** Raw bytes that a framework kept are as good as the stream (`express.raw`, `rawBody` of NestJS); parsed ones are not. */
function keptBytes(request: IncomingMessage): Uint8Array | undefined {
  for (const name of ['rawBody', 'body'] as const) {
    const kept: unknown = name in request ? Reflect.get(request, name) : undefined;
    if (kept instanceof Uint8Array) return kept;
  }
  return undefined;
}

/** The stream stays open when it is left early, so that the answer can still be written. */
export function streamOf(stream: Readable, remedy?: string): RawRequest['body'] {
  if (stream.readableDidRead) return remedy === undefined ? 'consumed' : { consumed: remedy };
  return { [Symbol.asyncIterator]: () => stream.iterator({ destroyOnReturn: false }) };
}

export function isReadToEnd(request: IncomingMessage): boolean {
  return request.readableEnded || request.complete;
}

export function send(request: IncomingMessage, response: ServerResponse, answer: RawResponse): void {
  if (response.destroyed) return;
  const length = Buffer.byteLength(answer.body);
  if (isReadToEnd(request)) {
    response.writeHead(answer.status, { ...answer.headers, 'content-length': length });
    response.end(answer.body);
    return;
  }
  response.writeHead(answer.status, { ...answer.headers, 'content-length': length, connection: 'close' });
  response.write(answer.body);
  const timer = setTimeout(() => response.end(), lingerMs);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  request.once('end', end).once('close', end).once('error', end).resume();
}
