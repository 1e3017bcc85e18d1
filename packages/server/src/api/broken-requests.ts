// What becomes of requests that node:http cannot read, or that do not arrive in time: the API's problem answer, and the end
// of the connection. Whoever still waits for the answer to another request is not given this one: his connection is cut without
// a word, and so is one whose body is late. What was told to be late or broken is not carried out when it comes after all.
//
// Late connections end at a bounded pace. A crowd that was opened together is late together, and whoever holds slow
// connections opens as many anew: 500 of them closed and opened in a few turns of the loop held up everybody's calls for 25
// to 140 ms (`bench/src/noisy-neighbour.ts`).

import { randomUUID } from 'node:crypto';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createPace } from '../pace.ts';
import { refuse } from './http-server.ts';
import { problemBody } from './problem.ts';

const lateCode = 'ERR_HTTP_REQUEST_TIMEOUT';
/** On a loop with time to spare a thousand are gone within 5 s; of a larger crowd more at a time, 10,000 within 17 s. */
const lateCutEveryMs = 5;
const lateCutWithinMs = 5_000;

/** Has `handle` answer requests, as `server.on('request')` would, and the broken and late ones answered here. */
export function answerRequests(server: Server, handle: RequestListener): void {
  /** Of each connection; its request may still be arriving. `isAlone`: no other answer was awaited when it came. */
  const latest = new WeakMap<Socket, { readonly answer: ServerResponse; readonly isAlone: boolean }>();
  const lateHeaders = new WeakSet<Socket>();
  const ended = new WeakSet<Socket>();
  const pace = createPace({ everyMs: lateCutEveryMs, withinMs: lateCutWithinMs, now: () => performance.now() });

  function end(socket: Socket, code: string | undefined): void {
    if (ended.has(socket)) return;
    ended.add(socket);
    const { answer, isAlone = true } = latest.get(socket) ?? {};
    const isOpen = answer !== undefined && !answer.closed;
    const isOwnAnswer = !isOpen || (isAlone && !answer.req.complete && !answer.headersSent);
    if (isOwnAnswer && socket.writable) endSoon(socket, brokenAnswer(code));
    else socket.destroy();
  }

  async function endLate(socket: Socket): Promise<void> {
    const leave = new AbortController();
    socket.once('close', () => leave.abort());
    const request = latest.get(socket)?.answer.req;
    const lacksBody = request?.complete === false;
    if (!lacksBody) lateHeaders.add(socket);
    if (!(await pace.turn('late', leave.signal))) return;
    // A body that came before its turn is in time.
    if (!lacksBody) end(socket, lateCode);
    else if (!request.complete) socket.destroy();
  }

  server.on('request', (request, response) => {
    const { socket } = request;
    if (lateHeaders.has(socket)) end(socket, lateCode);
    if (ended.has(socket)) return;
    latest.set(socket, { answer: response, isAlone: latest.get(socket)?.answer.closed ?? true });
    handle(request, response);
  });
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    // 417 is allowed, not demanded (RFC 9110, 10.1.1), and no problem type of the API has it.
    void refuse(response, 'expect: must be 100-continue');
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') socket.destroy();
    else if (error.code === lateCode) void endLate(socket);
    else end(socket, error.code);
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
  [lateCode]: 'The request took too long to arrive',
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
