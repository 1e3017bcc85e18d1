// Where the examples listen, and how they end: on Ctrl-C or SIGTERM no new requests, then the handler stops.
import type { Server } from 'node:http';
import { close } from './webhooks.ts';

export const host = '127.0.0.1';
export const port = Number(process.env['PORT'] ?? 3000);

export function listening(boundPort: number): void {
  console.log(`listening on http://${host}:${boundPort}/webhooks`);
}

/** For a plain server of `node:http`; frameworks have a `listen` of their own. */
export function listen(server: Server): void {
  server.listen(port, host, () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') listening(address.port);
  });
  stopWith(() => {
    server.close();
    server.closeIdleConnections();
  });
}

export function stopWith(closeServer: () => unknown): void {
  let isStopping = false;
  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    closeServer();
    await close();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}
