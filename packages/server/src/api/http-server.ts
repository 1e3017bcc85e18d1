// How node:http meets the app. Requests too broken for a route (an invalid target or host, no host) get the API's problem answer
// too; what node:http itself refuses is in `broken-requests.ts`, time-outs and the clean end are the listener's (`listen.ts`).

import { randomUUID } from 'node:crypto';
import type { RequestListener, ServerOptions, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { createApp } from './app.ts';
import { toResponse } from './app.ts';
import { problem } from './problem.ts';

/** For `http.createServer`: node:http answers a request without a host by itself, with no body and no request id. */
export const serverOptions = { requireHostHeader: false } as const satisfies ServerOptions;

/** For `http.createServer`. */
export function requestListener(app: Pick<ReturnType<typeof createApp>, 'fetch'>): RequestListener {
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    hostname: 'localhost',
    // The app builds real Response objects; the process's own globals stay as they are.
    overrideGlobalObjects: false,
    errorHandler: () => toResponse(problem('bad_request', 'The request target or host is not valid'), randomUUID()),
  });
  return (request, response) => {
    // HTTP/1.0 knows no host.
    const lacksHost = request.headers.host === undefined && request.httpVersion !== '1.0';
    void (lacksHost ? refuse(response, 'host: is required') : listener(request, response));
  };
}

/** The body that may follow is not read, so nothing else can come on this connection. */
export async function refuse(response: ServerResponse, detail: string): Promise<void> {
  const answer = toResponse(problem('bad_request', detail, { connection: 'close' }), randomUUID());
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
}
