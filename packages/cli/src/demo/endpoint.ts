// The web server of the demo handler: node:http on a free loopback port. It listens before there is a service, because
// the tutorial begins with it; until the handler is mounted it answers 503, which a provider repeats.

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';

export interface Endpoint {
  readonly url: string;
  mount(listener: RequestListener): void;
  close(): Promise<void>;
}

const endpointPath = '/webhooks';

export async function listenOnLoopback(onAnswer: (status: number) => void): Promise<Endpoint> {
  let mounted: RequestListener | undefined;
  const server = createServer((request, response) => {
    response.once('finish', () => onAnswer(response.statusCode));
    const path = request.url?.split('?')[0];
    if (path !== endpointPath) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`The demo handler is at POST ${endpointPath}.\n`);
    } else if (mounted === undefined) {
      response.writeHead(503, { 'retry-after': '1' }).end();
    } else {
      mounted(request, response);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return {
    url: `http://127.0.0.1:${address.port}${endpointPath}`,
    mount: (listener) => {
      mounted = listener;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}
