// What the sender's tests share: endpoints that are real servers on loopback, and a sender with a key of its own.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net';
import { generateSigningKey, type SigningKey } from '@bellhop/signatures';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { createSender, type MeteredSender, type SenderOptions } from './sender.ts';

export interface Received {
  readonly request: IncomingMessage;
  readonly body: Buffer;
}

export interface Endpoint extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly received: Received[];
  /** Connections accepted so far. */
  readonly connections: number;
}

async function endpoint(server: NetServer, scheme: string, received: Received[] = []): Promise<Endpoint> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    // A peer that goes away is what many of these tests are about.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = addressOf(server);
  return {
    port,
    url: `${scheme}://localhost:${port}/hooks`,
    received,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function addressOf(server: NetServer): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('Not listening on a port');
  return address;
}

function collecting(received: Received[], answer: RequestListener): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ request, body: Buffer.concat(chunks) });
      answer(request, response);
    });
  };
}

export function startHttp(answer: RequestListener): Promise<Endpoint> {
  const received: Received[] = [];
  return endpoint(createServer(collecting(received, answer)), 'http', received);
}

export function startHttps(options: ServerOptions, answer: RequestListener): Promise<Endpoint> {
  const received: Received[] = [];
  const server: Server = createTlsServer(options, collecting(received, answer));
  return endpoint(server, 'https', received);
}

/** Speaks whatever `onConnection` makes of it. */
export function startTcp(onConnection: (socket: Socket) => void, scheme = 'http'): Promise<Endpoint> {
  return endpoint(createTcpServer(onConnection), scheme);
}

export const signingKey: SigningKey = await generateSigningKey('9b7d5e3c-4a2f-4e1d-8c6b-5a4938271605', 'ecdsa-p521');

export interface TestSender extends MeteredSender, AsyncDisposable {}

export function testSender(options: Partial<SenderOptions> = {}): TestSender {
  const policy = options.policy ?? createTargetPolicy({ insecure: 'loopback' });
  const sender = createSender({ keys: { active: async () => signingKey }, ...options, policy });
  return { ...sender, [Symbol.asyncDispose]: () => sender.close() };
}
