// One HTTP request to the handler under test, byte for byte as asked: own header names, a body in several writes with
// pauses, a connection of its own or a kept one. What goes wrong on the way is a value; nothing is retried and no redirect
// is followed, as the provider does it. Certificates are not checked here: that has a probe of its own.

import * as http from 'node:http';
import * as https from 'node:https';

export type Answer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly location: string | undefined;
      /** The beginning of the answer's body, on one line. */
      readonly excerpt: string;
      readonly elapsedMs: number;
      /** The request went over a connection that had carried one before. */
      readonly reused: boolean;
      /** The handler announced that it closes the connection. */
      readonly closes: boolean;
    }
  | { readonly kind: 'silent'; readonly elapsedMs: number }
  | { readonly kind: 'broken'; readonly code: string; readonly elapsedMs: number };

export interface Parcel {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Where the body is cut; each part is written `pauseMs` after the one before. */
  readonly cuts?: readonly number[];
  readonly pauseMs?: number;
  /** Closes the connection after this many bytes of the body. */
  readonly breakAfter?: number;
}

export type Connections = http.Agent | https.Agent;

const excerptBytes = 300;

/** Kept connections, for what measures or reuses them. End with `destroy()`. */
export function keptConnections(target: URL, maxSockets: number): Connections {
  const options = { keepAlive: true, maxSockets, rejectUnauthorized: false };
  return target.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
}

/** Without `connections` the request has a connection of its own, closed after it. Never rejects. */
export function exchange(target: URL, parcel: Parcel, timeoutMs: number, connections?: Connections): Promise<Answer> {
  return new Promise((resolve) => start(target, parcel, timeoutMs, connections, resolve));
}

function start(
  target: URL,
  parcel: Parcel,
  timeoutMs: number,
  connections: Connections | undefined,
  resolve: (answer: Answer) => void,
): void {
  const startedAt = performance.now();
  const elapsedMs = () => performance.now() - startedAt;
  const request = (target.protocol === 'https:' ? https : http).request(target, {
    method: parcel.method ?? 'POST',
    headers: parcel.headers,
    agent: connections ?? false,
    rejectUnauthorized: false,
  });
  const end = (answer: Answer) => {
    clearTimeout(timer);
    resolve(answer);
  };
  const timer = setTimeout(() => {
    end({ kind: 'silent', elapsedMs: elapsedMs() });
    request.destroy();
  }, timeoutMs);

  request.on('socket', (socket) => socket.setNoDelay(true));
  request.on('error', (error) => end({ kind: 'broken', code: codeOf(error), elapsedMs: elapsedMs() }));
  request.on('response', (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = () =>
      end({
        kind: 'answer',
        status: response.statusCode ?? 0,
        location: response.headers.location,
        excerpt: oneLine(Buffer.concat(chunks).subarray(0, excerptBytes).toString()),
        elapsedMs: elapsedMs(),
        reused: request.reusedSocket,
        closes: /\bclose\b/i.test(response.headers.connection ?? ''),
      });
    response.on('data', (chunk: Buffer) => {
      if (size < excerptBytes) chunks.push(chunk);
      size += chunk.length;
    });
    response.on('end', finish);
    // The status line is an answer, also when the connection is cut after it.
    response.on('error', finish);
  });
  void write(request, parcel);
}

async function write(request: http.ClientRequest, parcel: Parcel): Promise<void> {
  const { body, cuts = [], pauseMs = 0, breakAfter } = parcel;
  const edges = [0, ...cuts, body.length];
  if (breakAfter !== undefined) {
    request.write(body.subarray(0, breakAfter), () => setTimeout(() => request.destroy(), 50));
    return;
  }
  for (let at = 0; at + 2 < edges.length; at += 1) {
    request.write(body.subarray(edges[at], edges[at + 1]));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (request.destroyed) return;
  }
  request.end(body.subarray(edges.at(-2)));
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

/** Without markup and without the stack trace that development servers add. */
function oneLine(text: string): string {
  const plain = /^\s*</.test(text) ? text.replaceAll(/<[^>]*>|&nbsp;/g, ' ') : text;
  const flat = plain
    .replaceAll(/[^\x21-\x7e\u00a1-\uffff]+/g, ' ')
    .replace(/ at \S+ \(.*$/, '')
    .trim();
  return flat.length > 120 ? `${flat.slice(0, 119)}…` : flat;
}
