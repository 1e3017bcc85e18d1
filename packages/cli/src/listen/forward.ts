// Forwards a package to a server on this machine or elsewhere, byte for byte: the same body, the same headers in the same
// order, but for those that belong to the connection. One request at a time; repeating is the caller's business.

import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { usageError } from '../exit.ts';
import { reasonOf } from '../system-error.ts';
import type { Arrival, Settled } from './arrival.ts';

/** What a provider waits for an answer. */
const answerLimitMs = 10_000;
const maxAnswerBytes = 64 * 1024;

export type Forwarded =
  | ({ readonly ok: true } & Settled)
  /** `down`: nobody listens, the package was not taken. `late`, `broken`: it may have been. */
  | { readonly ok: false; readonly why: 'down' | 'late' | 'broken'; readonly reason: string };

export interface Forwarder {
  readonly url: string;
  post(arrival: Pick<Arrival, 'headers' | 'body'>): Promise<Forwarded>;
  close(): void;
}

/** Of the connection, or made anew from the same bytes. */
const ownHeaders = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'expect',
  'upgrade',
  'te',
  'trailer',
]);

/** `3000`, `localhost:3000/webhooks` and whole URLs. */
export function forwardUrl(text: string): URL {
  const whole = /^\d+$/.test(text) ? `http://127.0.0.1:${text}/` : /^https?:\/\//.test(text) ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url === undefined || url.username !== '' || url.hash !== '') {
    throw usageError(`--forward-to takes a URL such as http://localhost:3000/webhooks, not ${text}.`);
  }
  return url;
}

export function createForwarder(url: URL): Forwarder {
  const secure = url.protocol === 'https:';
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  const request = secure ? httpsRequest : httpRequest;

  function once({
    headers,
    body,
  }: Pick<Arrival, 'headers' | 'body'>): Promise<Forwarded & { readonly stale?: boolean }> {
    return new Promise((resolve) => {
      const kept = headers.filter(([name]) => !ownHeaders.has(name.toLowerCase()));
      const lines = [['Host', url.host], ...kept, ['Content-Length', String(body.byteLength)]];
      let connected = false;
      const outgoing = request(url, { method: 'POST', agent, headers: lines.flat() }, (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          if (size < maxAnswerBytes) chunks.push(chunk);
          size += chunk.byteLength;
        });
        incoming.on('error', (error) => fail('broken', reasonOf(error)));
        incoming.on('end', () => {
          clearTimeout(timer);
          const type = incoming.headers['content-type'];
          resolve({
            ok: true,
            status: incoming.statusCode ?? 0,
            headers: type === undefined ? [] : [['content-type', type]],
            body: Buffer.concat(chunks),
          });
        });
      });
      const fail = (why: 'down' | 'late' | 'broken', reason: string) => {
        clearTimeout(timer);
        outgoing.destroy();
        resolve({ ok: false, why, reason, stale: outgoing.reusedSocket && why === 'broken' });
      };
      const timer = setTimeout(() => fail('late', `no answer within ${answerLimitMs / 1_000} s`), answerLimitMs);
      outgoing.on('socket', (socket) => {
        connected = !socket.connecting;
        // Not on a connection that is used again: listeners would pile up.
        if (socket.connecting) {
          socket.once('connect', () => {
            connected = true;
          });
        }
      });
      outgoing.on('error', (error) => fail(connected ? 'broken' : 'down', reasonOf(error)));
      outgoing.end(body);
    });
  }

  return {
    url: url.href,
    async post(arrival) {
      const first = await once(arrival);
      // A server that restarted leaves connections behind that are dead: that says nothing about the package.
      return first.stale === true ? once(arrival) : first;
    },
    close: () => agent.destroy(),
  };
}
