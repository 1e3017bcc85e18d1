// Deliveries through an HTTP proxy of the operator (CONNECT): for networks in which nothing reaches the internet by itself.
// Only by explicit configuration, never from the environment. The name is resolved and judged here as without a proxy, and
// the proxy is asked for the very address that was judged, so that it cannot be led elsewhere; TLS runs end to end through
// the tunnel, under the name of the URL. The proxy's own address is the operator's choice and not judged.

import type { Socket } from 'node:net';

export interface EgressProxy {
  readonly host: string;
  readonly port: number;
  /** Of `Proxy-Authorization`. */
  readonly authorization?: string | undefined;
}

const maxHeadBytes = 16_384;

/** `http://[user:password@]host:port`. Throws a TypeError that does not repeat the text: it may hold a password. */
export function readEgressProxy(text: string): EgressProxy {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new TypeError('The egress proxy must be http://host:port, or with user:password@ before the host');
  }
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || 80,
    ...(credentials === ':' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
  };
}

/** Asks for a tunnel on a connection to the proxy. Resolves when what follows belongs to the target. */
export function openTunnel(socket: Socket, proxy: EgressProxy, address: string, port: number): Promise<void> {
  const authority = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const authorization = proxy.authorization === undefined ? '' : `proxy-authorization: ${proxy.authorization}\r\n`;
  return new Promise((resolve, reject) => {
    let head = '';
    const end = (error?: Error): void => {
      socket.off('data', onData).off('close', onClose);
      socket.pause();
      if (error) reject(error);
      else resolve();
    };
    const onClose = (): void => end(new Error('The proxy closed the connection'));
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      const headEnd = head.indexOf('\r\n\r\n');
      if (headEnd === -1) {
        if (head.length > maxHeadBytes) end(new Error('The answer of the proxy has no end'));
        return;
      }
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 'no HTTP';
      if (!/^2\d\d$/.test(status)) end(new Error(`The proxy answered ${status}`));
      // In TLS and in HTTP the client speaks first: bytes ahead of that are nobody's that can be trusted.
      else if (head.length > headEnd + 4) end(new Error('The proxy sent more than its answer'));
      else end();
    };
    socket.on('data', onData).once('close', onClose);
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorization}\r\n`);
  });
}
