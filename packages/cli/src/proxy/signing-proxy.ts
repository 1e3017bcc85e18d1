// A local HTTP server that signs what it is sent (version 15) and passes it on. The request's body is read first, because
// its digest is signed; the answer is streamed as it comes. Nothing is repeated and no redirect is followed: the tool in
// front decides.

import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { messageTarget, SignError, sign } from '@bellhop/signatures';
import { usageError } from '../exit.ts';
import { reasonOf } from '../system-error.ts';
import type { ProxyKey } from './keys-file.ts';
import { isOwnHost } from './own-host.ts';

const maxBodyBytes = 32 * 1024 * 1024;
/** Belong to the connection, or are made here. */
const dropped = new Set([
  ...[
    'host',
    'connection',
    'proxy-connection',
    'keep-alive',
    'transfer-encoding',
    'content-length',
    'expect',
    'te',
    'trailer',
    'upgrade',
  ],
  ...['signature', 'signature-input', 'content-digest', 'digest', 'upvest-signature-version', 'accept-encoding'],
]);

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly status: number | undefined;
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly answerBytes: number;
  readonly requestId: string | undefined;
  readonly clientId: string | undefined;
  /** Why there was no answer. */
  readonly failure: string | undefined;
  readonly sent: Readonly<Record<string, string>>;
}

export interface ProxyOptions {
  readonly keys: readonly ProxyKey[];
  /** A token for requests that bring none; undefined: they go without. */
  readonly tokenOf: ((clientId: string) => Promise<string | undefined>) | undefined;
  readonly onExchange: (exchange: Exchange) => void;
  readonly port: number;
  readonly host: string;
}

export interface SigningProxy {
  readonly port: number;
  close(): Promise<void>;
}

export async function startProxy(options: ProxyOptions): Promise<SigningProxy> {
  const server = createServer((request, response) => {
    exchange(request, response, options).catch((error: unknown) => {
      if (!response.headersSent) problem(response, 502, reasonOf(error));
      else response.destroy();
    });
  });
  try {
    server.listen(options.port, options.host);
    await once(server, 'listening');
  } catch (error) {
    throw usageError(
      `Port ${options.port} on ${options.host} cannot be used (${reasonOf(error)}).`,
      'Choose another --port.',
    );
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function exchange(request: IncomingMessage, response: ServerResponse, options: ProxyOptions): Promise<void> {
  const startedMs = performance.now();
  const method = request.method ?? 'GET';
  const path = request.url ?? '/';
  let requestBytes = 0;
  let sent: Record<string, string> = {};
  let clientId: string | undefined;
  const tell = (facts: { status?: number; answerBytes?: number; requestId?: string | undefined; failure?: string }) =>
    options.onExchange({
      method,
      path,
      status: facts.status,
      durationMs: performance.now() - startedMs,
      requestBytes,
      answerBytes: facts.answerBytes ?? 0,
      requestId: facts.requestId,
      clientId,
      failure: facts.failure,
      sent,
    });
  const refuse = (status: number, detail: string) => {
    problem(response, status, detail);
    tell({ status, failure: detail });
  };

  // A page in a browser must not sign with somebody's key: its requests carry an origin.
  if (request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined) {
    request.resume();
    return refuse(403, 'Requests of web pages are not signed');
  }
  if (!isOwnHost(request.headers.host, options.host)) {
    request.resume();
    return refuse(403, 'Requests to another host are not signed: use localhost, or name the host with --host');
  }
  const body = await readBody(request);
  if (body === undefined) return refuse(413, `The body is over ${maxBodyBytes} bytes`);
  requestBytes = body.byteLength;
  const headers = plainHeaders(request);
  clientId = headers['upvest-client-id'] ?? clientIdOfForm(path, body);
  const chosen = chooseKey(options.keys, clientId);
  if (chosen === undefined) return refuse(400, `No key for client id ${clientId ?? '(none)'}; send upvest-client-id`);
  clientId ??= chosen.clientId;
  if (clientId !== undefined) headers['upvest-client-id'] = clientId;
  headers['accept'] ??= 'application/json';
  const isToken = /^\/auth\/token(\?|$)/.test(path);
  if (headers['authorization'] === undefined && !isToken && clientId !== undefined) {
    const token = await options.tokenOf?.(clientId);
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  }

  const url = new URL(chosen.baseUrl);
  const target = `${url.pathname.replace(/\/+$/, '')}${path}`;
  try {
    const message = { method, ...messageTarget(target), headers, ...(body.byteLength > 0 ? { body } : {}) };
    sent = { ...headers, ...(await sign(message, { key: chosen.key, version: 15 })) };
  } catch (error) {
    if (error instanceof SignError) return refuse(400, error.message);
    throw error;
  }

  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const outgoing = send({
    protocol: url.protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port,
    method,
    path: target,
    headers: { ...sent, host: url.host },
  });
  response.once('close', () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  let answer: IncomingMessage;
  try {
    outgoing.end(body);
    const [incoming]: IncomingMessage[] = await once(outgoing, 'response');
    if (incoming === undefined) throw new TypeError('a response event brings a response');
    answer = incoming;
  } catch (error) {
    return refuse(502, `${url.origin} gave no answer: ${reasonOf(error)}`);
  }
  let answerBytes = 0;
  answer.on('data', (chunk: Buffer) => {
    answerBytes += chunk.byteLength;
  });
  const status = answer.statusCode ?? 502;
  const requestId = answer.headers['upvest-request-id'];
  const facts = { status, requestId: typeof requestId === 'string' ? requestId : undefined };
  response.writeHead(status, withoutConnection(answer.rawHeaders));
  try {
    await pipeline(answer, response);
    tell({ ...facts, answerBytes });
  } catch (error) {
    tell({ ...facts, answerBytes, failure: `ended early: ${reasonOf(error)}` });
  }
}

function chooseKey(keys: readonly ProxyKey[], clientId: string | undefined): ProxyKey | undefined {
  const own = keys.find((key) => key.clientId !== undefined && key.clientId === clientId);
  if (own !== undefined) return own;
  const fallback = keys.find((key) => key.clientId === undefined);
  // Without a client id there is no doubt only when there is one key.
  return fallback ?? (clientId === undefined && keys.length === 1 ? keys[0] : undefined);
}

function plainHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (!dropped.has(name) && values !== undefined) headers[name] = values.join(', ');
  }
  return headers;
}

function clientIdOfForm(path: string, body: Buffer): string | undefined {
  if (!/^\/auth\/token(\?|$)/.test(path)) return undefined;
  return new URLSearchParams(body.toString('utf8')).get('client_id') ?? undefined;
}

function withoutConnection(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (!/^(connection|keep-alive|transfer-encoding)$/i.test(name)) kept.push(name, raw[index + 1] ?? '');
  }
  return kept;
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

function problem(response: ServerResponse, status: number, detail: string): void {
  const body = JSON.stringify({ type: 'about:blank', status, title: 'bellhop proxy', detail });
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}
