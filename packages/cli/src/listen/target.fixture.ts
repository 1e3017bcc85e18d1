// A server that is the target of `listen --forward-to` in tests: it keeps what it got and answers what it is told.

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';

export interface Received {
  readonly request: IncomingMessage;
  readonly body: string;
}

export interface Target {
  readonly received: readonly Received[];
  readonly port: number;
  readonly url: string;
  /** Cuts every connection: who was waiting for an answer gets none. */
  close(): void;
}

/** `answer` decides about each package. */
export async function startTarget(
  port = 0,
  answer: (received: Received, index: number) => number = () => 200,
): Promise<Target> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const got = { request, body: Buffer.concat(chunks).toString() };
      const status = answer(got, received.length);
      received.push(got);
      response.writeHead(status).end();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return {
    received,
    port: address.port,
    url: `http://127.0.0.1:${address.port}/hooks/in?x=1`,
    close: () => void server.close().closeAllConnections(),
  };
}

/** In the order in which they came, repeats included. */
export function idsOf(received: readonly Received[]): string[] {
  return received.flatMap(({ body }) => JSON.parse(body).payload.map(({ id }: { id: string }) => id));
}
