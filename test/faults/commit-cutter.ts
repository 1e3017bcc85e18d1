// A TCP proxy that knows just enough of PostgreSQL's protocol to do the worst thing: it waits for a COMMIT, lets the server
// carry it out, keeps the answer to itself and resets the connection.

import { connect, createServer, type Socket } from 'node:net';

export interface CommitCutter {
  readonly port: number;
  /** Commits that were carried out and not answered. */
  readonly cuts: number;
  /** The next COMMIT of any connection. */
  cutNext(): void;
  close(): Promise<void>;
}

/** CommandComplete with the tag COMMIT: the server has committed. */
const committed = Buffer.from('COMMIT\0');

export async function startCommitCutter(target: { host: string; port: number }): Promise<CommitCutter> {
  const sockets = new Set<Socket>();
  let armed = false;
  let cuts = 0;

  const server = createServer((client) => {
    const upstream = connect(target);
    const end = () => {
      for (const socket of [client, upstream]) {
        sockets.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // Either side's error is the end of both.
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (armed && chunk.includes(committed)) {
        armed = false;
        cuts += 1;
        client.resetAndDestroy();
        upstream.destroy();
        return;
      }
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('A TCP server has a port.');

  return {
    port: address.port,
    get cuts() {
      return cuts;
    },
    cutNext() {
      armed = true;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
