// Receiving at a URL of this machine. One delivery at a time, in the order in which they came. While the target is down a
// delivery is held as long as a provider waits; then it is answered 503 and comes again, in order, because the provider
// blocks the webhook. When the target is back the provider is nudged, so that nobody waits for its back-off.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { usageError } from '../exit.ts';
import { reasonOf } from '../system-error.ts';
import { pause } from '../wait.ts';
import type { Settler } from './settle.ts';

const maxBodyBytes = 8 * 1024 * 1024;
const holdMs = 8_000;
const retryMs = 200;
const probeMs = 250;

export interface Receiver {
  /** Ends when there is nothing in flight any more. */
  close(): Promise<void>;
  /** False while something is in flight or the last delivery was refused: the provider has it still. */
  isCaughtUp(): boolean;
  /** Rejects when it cannot go on. */
  readonly failed: Promise<never>;
}

export interface DirectReceiver extends Receiver {
  readonly port: number;
  /** From now on deliveries are taken: the registered URL is known. */
  start(options: {
    readonly url: string;
    readonly settler: Settler;
    readonly nudge: (() => Promise<void>) | undefined;
    readonly probe: URL | undefined;
  }): void;
}

export async function listenDirect(port: number, host: string): Promise<DirectReceiver> {
  let started: Parameters<DirectReceiver['start']>[0] | undefined;
  let turn: Promise<void> = Promise.resolve();
  let caughtUp = true;
  let inFlight = 0;
  let probing = false;
  const closing = new AbortController();
  const broken = failure();

  const server = createServer((request, response) => {
    const arrive = async () => {
      const receivedAtMs = Date.now();
      const body = await readBody(request);
      if (body === undefined) return answer(response, 413);
      inFlight += 1;
      turn = turn
        .then(() => take(request, response, body, receivedAtMs))
        .finally(() => {
          inFlight -= 1;
        });
      await turn;
    };
    if (started === undefined) answer(response, 503);
    else if (request.method !== 'POST') answer(response, 405);
    else {
      arrive().catch((error: unknown) => {
        response.destroy();
        // Who hangs up while sending comes again; anything else is a defect.
        if (!request.destroyed || request.complete) broken.reject(error);
      });
    }
  });

  async function take(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    receivedAtMs: number,
  ): Promise<void> {
    // Whoever gave up while it waited comes again.
    if (started === undefined || response.destroyed) return;
    const { settler, url } = started;
    const headers: [string, string][] = [];
    for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
      headers.push([request.rawHeaders[index] ?? '', request.rawHeaders[index + 1] ?? '']);
    }
    const until = performance.now() + holdMs;
    const admission = await settler.admit({ headers, body, url, receivedAtMs });
    let settled = admission.ok ? await settler.pass(admission.admitted) : admission.answer;
    while (admission.ok && settled === undefined) {
      if (response.destroyed || performance.now() > until || closing.signal.aborted) break;
      await pause(retryMs, closing.signal);
      settled = await settler.pass(admission.admitted);
    }
    // What anybody may post here says nothing about the queue.
    if (admission.ok) caughtUp = settled !== undefined && settled.status >= 200 && settled.status < 300;
    if (settled === undefined) void watchTarget();
    if (response.destroyed) return;
    response.writeHead(settled?.status ?? 503, Object.fromEntries(settled?.headers ?? []));
    response.end(settled?.body);
    await once(response, 'close').catch(() => undefined);
  }

  async function watchTarget(): Promise<void> {
    const { probe, nudge } = started ?? {};
    if (probing || probe === undefined || nudge === undefined) return;
    probing = true;
    while (!closing.signal.aborted && !(await answers(probe))) await pause(probeMs, closing.signal);
    probing = false;
    // A nudge that fails costs nothing but time: the provider comes by itself.
    if (!closing.signal.aborted) await nudge().catch(() => undefined);
  }

  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw usageError(`Port ${port} on ${host} cannot be used (${reasonOf(error)}).`, 'Choose another --port.');
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    start(options) {
      started = options;
    },
    isCaughtUp: () => caughtUp && inFlight === 0,
    failed: broken.promise,
    async close() {
      closing.abort();
      const closed = once(server, 'close');
      server.close();
      await turn;
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, status === 413 ? { connection: 'close' } : {}).end();
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.byteLength;
    if (size > maxBodyBytes) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function answers(url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    const socket = connectTcp({ host: url.hostname.replace(/^\[|\]$/g, ''), port, timeout: 2_000 });
    const end = (up: boolean) => {
      socket.destroy();
      resolve(up);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

/** A failure that somebody may wait for later. */
export function failure(): { readonly promise: Promise<never>; reject(error: unknown): void } {
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  promise.catch(() => undefined);
  return { promise, reject: (error) => reject(error) };
}
