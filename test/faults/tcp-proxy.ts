// A TCP proxy that can be told to misbehave: cut every connection with a reset, refuse new ones, or stall, which keeps
// connections open and passes nothing on. It draws nothing itself; the test decides when.

import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Connections open now. */
  readonly open: number;
  /** Resets every connection, or each with the chance given; answers how many. */
  cut(chosen?: () => boolean): number;
  /** Passes nothing on, in both directions, until `resume`. */
  stall(): void;
  /** Resets whatever is there and whatever comes, until `resume`. */
  refuse(): void;
  resume(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; upstream: Socket }>();
  let stalled = false;
  let refusing = false;

  const server = createServer((client) => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target);
    const pair = { client, upstream };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (!stalled) from.resume();
      });
      from.on('end', () => to.end());
      // Either side's error is the end of both; who connected sees its own.
      from.on('error', end);
      from.on('close', end);
      if (stalled) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('A TCP server has a port.');

  const cut = (chosen: () => boolean = () => true): number => {
    const those = [...pairs].filter(chosen);
    for (const { client, upstream } of those) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
    return those.length;
  };

  return {
    port: address.port,
    get open() {
      return pairs.size;
    },
    cut,
    stall() {
      stalled = true;
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.pause();
    },
    refuse() {
      refusing = true;
      cut();
    },
    resume() {
      refusing = false;
      stalled = false;
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.resume();
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
}
