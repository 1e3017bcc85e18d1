// An endpoint of the fault suite: an HTTP server that keeps every complete request, byte for byte, with what it answered,
// and misbehaves as told. Bodies that were cut off on their way are counted and not kept: nobody received them.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * `late` answers 200 after a second and a half, `huge` answers 200 with 100 MiB, `mid-body` promises a body and ends the
 * connection in the middle of it, `reset` resets after the request was read, `mid-request` while it is read.
 */
export type Behaviour = 'ok' | 'error' | 'hang' | 'late' | 'huge' | 'mid-body' | 'reset' | 'mid-request';

export interface Receipt {
  readonly atMs: number;
  readonly body: string;
  readonly ids: readonly string[];
  /** The signature header: it is different in every attempt and stands in the rows of failed ones. */
  readonly signature: string;
  /** The sender's TCP port on this connection. */
  readonly port: number;
  /** A complete 200 went out. */
  acknowledged: boolean;
}

export interface Endpoint {
  readonly url: string;
  readonly port: number;
  readonly receipts: Receipt[];
  /** Asked at each request. */
  behave: () => Behaviour;
  /** Called with each new connection, before its first request. */
  onConnection: (port: number) => void;
  /** Requests that did not arrive in full. */
  cutOff: number;
  /** Lets go of whatever hangs. */
  release(): void;
  close(): Promise<void>;
}

const mebibyte = Buffer.alloc(1024 * 1024, 'x');

export async function startEndpoint(): Promise<Endpoint> {
  const hanging = new Set<Socket>();
  const receipts: Receipt[] = [];
  const endpoint: Endpoint = {
    url: '',
    port: 0,
    receipts,
    behave: () => 'ok',
    onConnection: () => {},
    cutOff: 0,
    release() {
      for (const socket of hanging) socket.destroy();
      hanging.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const behaviour = endpoint.behave();
    if (behaviour === 'mid-request') {
      endpoint.cutOff += 1;
      request.socket.resetAndDestroy();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const receipt: Receipt = {
      atMs: Date.now(),
      body,
      ids: idsOf(body),
      signature: String(request.headers['signature']),
      port: request.socket.remotePort ?? 0,
      acknowledged: false,
    };
    receipts.push(receipt);
    answer(behaviour, request, response, () => {
      receipt.acknowledged = true;
    });
  }

  function answer(
    behaviour: Behaviour,
    request: IncomingMessage,
    response: ServerResponse,
    acknowledged: () => void,
  ): void {
    switch (behaviour) {
      case 'error':
        response.writeHead(500).end('trouble');
        return;
      case 'hang':
        hanging.add(request.socket);
        return;
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      case 'mid-body':
        response.writeHead(200, { 'content-length': '1000' });
        response.write('half');
        response.socket?.end();
        return;
      case 'huge':
        acknowledged();
        response.writeHead(200);
        pour(response, 100);
        return;
      case 'late':
        setTimeout(() => {
          if (response.destroyed) return;
          acknowledged();
          response.writeHead(200).end();
        }, 1_500);
        return;
      default:
        acknowledged();
        response.writeHead(200).end();
    }
  }

  const server = createServer((request, response) => {
    receive(request, response).catch(() => {
      // The body ended early: the sender died or was cut off.
      endpoint.cutOff += 1;
    });
  });
  server.on('connection', (socket) => endpoint.onConnection(socket.remotePort ?? 0));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(endpoint, { url: `http://127.0.0.1:${port}/hooks`, port });
}

function idsOf(body: string): string[] {
  const { payload }: { payload: { id: string }[] } = JSON.parse(body);
  return payload.map(({ id }) => id);
}

function pour(response: ServerResponse, mebibytes: number): void {
  if (response.destroyed) return;
  if (mebibytes === 0) {
    response.end();
    return;
  }
  if (response.write(mebibyte)) setImmediate(pour, response, mebibytes - 1);
  else response.once('drain', () => pour(response, mebibytes - 1));
}
