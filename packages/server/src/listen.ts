// The HTTP listener: node:http under Hono, with the time-outs and the clean end that a service needs.
//
// Closing: no new connections, answers of running requests carry `connection: close`, idle connections are cut at once and
// the rest when their time is over (keep-alive sockets held a close open for minutes otherwise).

import { createServer, type Server } from 'node:http';
import type { createApp } from './api/app.ts';
import { answerRequests } from './api/broken-requests.ts';
import { requestListener, serverOptions } from './api/http-server.ts';
import { StartError } from './config.ts';

export interface Listener {
  readonly url: string;
  close(graceMs: number): Promise<void>;
}

export interface ListenLimits {
  /** Open at a time; one more is closed at once. Default 10,000. */
  readonly maxConnections?: number | undefined;
  /** Until the last byte of the headers. Default 10,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** Until the last byte of the body. Default 60,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** A connection on which nothing moves either way for so long, and for `requestTimeoutMs`, is cut: its peer does not read. Default 60,000. */
  readonly idleTimeoutMs?: number | undefined;
}

const keepAliveTimeoutMs = 60_000;
/** Request line and headers together, so it bounds the URL too. */
const maxHeaderBytes = 32_768;

export async function listen(
  app: Pick<ReturnType<typeof createApp>, 'fetch'>,
  host: string,
  port: number,
  limits: ListenLimits = {},
): Promise<Listener> {
  const {
    maxConnections = 10_000,
    headersTimeoutMs = 10_000,
    requestTimeoutMs = 60_000,
    idleTimeoutMs = 60_000,
  } = limits;
  let closing = false;
  const handle = requestListener(app);
  const options = {
    ...serverOptions,
    headersTimeout: headersTimeoutMs,
    // Node wants the headers' time inside the request's.
    requestTimeout: Math.max(requestTimeoutMs, headersTimeoutMs),
    // Node looks for late requests every 30 s otherwise: ten seconds could become forty.
    connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs),
    keepAliveTimeout: keepAliveTimeoutMs,
    maxHeaderSize: maxHeaderBytes,
  };
  const server: Server = createServer(options);
  answerRequests(server, (request, response) => {
    if (closing) response.setHeader('connection', 'close');
    handle(request, response);
  });
  server.maxConnections = maxConnections;
  // Polls are held for 10 s, and the dashboard's stream writes every few seconds.
  server.timeout = Math.max(idleTimeoutMs, requestTimeoutMs);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(startError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('The server has no port.');
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;

  return {
    url: `http://${shown}:${address.port}`,
    async close(graceMs) {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

function startError(error: Error, host: string, port: number): StartError {
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'EADDRINUSE') {
    return new StartError(
      'port_in_use',
      `Port ${port} on ${host} is in use.`,
      'Stop what listens there, or choose another one with --port.',
      { cause: error },
    );
  }
  return new StartError(
    'host_unavailable',
    `Cannot listen on ${host}:${port} (${code || error.message}).`,
    'Choose another --host or --port.',
    {
      cause: error,
    },
  );
}
