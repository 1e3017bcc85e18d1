// How node:http meets the app. Requests too broken for a route (not HTTP, an invalid target or host, no host, an unknown
// expectation, headers without end) get the API's problem answer too; time-outs and the clean end are the listener's (`listen.ts`).

import { randomUUID } from 'node:crypto';
import type { RequestListener, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { createApp } from './app.ts';
import { toResponse } from './app.ts';
import { problem, problemBody } from './problem.ts';

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

/** Answers what node:http cannot read at all, before there is a request, or would answer by itself. */
export function answerBrokenRequests(server: Server): void {
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    // 417 is allowed, not demanded (RFC 9110, 10.1.1), and no problem type of the API has it.
    void refuse(response, 'expect: must be 100-continue');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else endSoon(socket, brokenAnswer(error.code));
  });
}

/** Time for the answer to arrive: closing at once on a peer that is still sending would destroy it on its way. */
const lingerMs = 1_000;

/** The end is a request to the peer, who may ignore it and keep the connection. */
function endSoon(socket: Socket, lastText: string): void {
  socket.end(lastText);
  const cut = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(cut));
}

const brokenDetails: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The headers are too large',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request took too long to arrive',
};

/** node:http has no response to write to here, so the answer is written by hand. */
function brokenAnswer(code: string | undefined): string {
  const detail = brokenDetails[code ?? ''] ?? 'The request is not valid HTTP';
  const requestId = randomUUID();
  const body = JSON.stringify(problemBody({ slug: 'bad_request', detail }, requestId));
  return [
    'HTTP/1.1 400 Bad Request',
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `upvest-request-id: ${requestId}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

/** The body that may follow is not read, so nothing else can come on this connection. */
async function refuse(response: ServerResponse, detail: string): Promise<void> {
  const answer = toResponse(problem('bad_request', detail, { connection: 'close' }), randomUUID());
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
}
