// A small API on a real loopback socket for the client's tests: token, keys and webhooks by the contract, every request
// verified as it came over the wire. `script` puts an answer of another kind before the normal one, for one operation.
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SigningKey } from '@bellhop/signatures';
import {
  generateSigningKey,
  memoryNonces,
  messageTarget,
  privatePem,
  staticKeys,
  verificationKeyOf,
  verify,
} from '@bellhop/signatures';
import type { ClientOptions } from './client.ts';

export interface Seen {
  readonly operation: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers by itself and returns true, or leaves the request to the normal way. */
type Scripted = (request: IncomingMessage, response: ServerResponse) => void;

interface Stored {
  id: string;
  created_at: string;
  updated_at: string;
  title: string;
  url: string;
  enabled: boolean;
  type: string[];
  config: Record<string, unknown>;
}

export interface Api extends AsyncDisposable {
  readonly baseUrl: string;
  readonly clientSecret: string;
  readonly seen: Seen[];
  readonly webhooks: Stored[];
  readonly options: ClientOptions;
  tokenLifetimeSeconds: number;
  /** The clock of the API. */
  now: () => number;
  operations(): string[];
  script(operation: string, ...answers: Scripted[]): void;
  expireTokens(): void;
}

export async function startApi(): Promise<Api> {
  const clientId = randomUUID();
  const clientSecret = 'a secret & more';
  const key: SigningKey = await generateSigningKey(randomUUID(), 'ecdsa-p521');
  const keys = staticKeys([verificationKeyOf(key)]);
  const nonces = memoryNonces();
  const seen: Seen[] = [];
  const webhooks: Stored[] = [];
  const scripts = new Map<string, Scripted[]>();
  const tokens = new Set<string>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { path, query } = messageTarget(request.url ?? '/');
    const operation = `${request.method} ${path}`;
    seen.push({ operation, headers: request.headers, body: body.toString() });

    const message = { method: request.method ?? '', path, query, headers: request.headers, body };
    const required = ['accept', 'authorization', 'content-type', 'idempotency-key', 'upvest-client-id'];
    const result = await verify(message, { keys, nonces, versions: [15], require: required, now: api.now });
    if (!result.ok) return problem(response, 401, 'unauthorised', `Signature is incorrect: ${result.reason}`);
    if (request.headers['upvest-client-id'] !== clientId) return problem(response, 400, 'missing_client_id');
    const scripted = scripts.get(operation)?.shift();
    if (scripted !== undefined) return scripted(request, response);

    if (operation === 'POST /auth/token') {
      const form = new URLSearchParams(body.toString());
      if (form.get('client_secret') !== clientSecret) return problem(response, 401, 'unauthorised');
      const token = `ory_at_${tokens.size}.${randomUUID()}`;
      tokens.add(token);
      const scope = form.get('scope');
      return json(response, 200, {
        access_token: token,
        expires_in: api.tokenLifetimeSeconds,
        scope,
        token_type: 'bearer',
      });
    }
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    if (!tokens.has(token)) return problem(response, 401, 'unauthorised', `Token ${token} is expired`);
    if (operation === 'GET /auth/verify_keys')
      return json(response, 200, { keys: [{ kid: 'k', kty: 'EC', crv: 'P-521' }] });
    return webhookOperation(request.method ?? '', path, query, body.toString(), response);
  }

  function webhookOperation(
    method: string,
    path: string,
    query: string | undefined,
    body: string,
    response: ServerResponse,
  ): unknown {
    const [, , id, verb] = path.split('/');
    const found = webhooks.find((webhook) => webhook.id === id);
    if (method === 'POST' && id === undefined) {
      const created = new Date().toISOString();
      const defaults = { type: ['ALL'], config: { delay: '1s', max_package_size: 10240 } };
      const webhook = {
        id: randomUUID(),
        created_at: created,
        updated_at: created,
        enabled: false,
        ...defaults,
        ...JSON.parse(body),
      };
      webhooks.push(webhook);
      return json(response, 201, webhook);
    }
    if (method === 'GET' && id === undefined) {
      const search = new URLSearchParams(query);
      const offset = Number(search.get('offset') ?? 0);
      const limit = Number(search.get('limit') ?? 100);
      const data = webhooks.slice(offset, offset + limit);
      const meta = {
        offset,
        limit,
        count: data.length,
        total_count: webhooks.length,
        sort: 'created_at',
        order: 'ASC',
      };
      return json(response, 200, { meta, data });
    }
    if (found === undefined) return problem(response, 404, 'not_found');
    if (method === 'GET') return json(response, 200, found);
    if (method === 'PATCH') return json(response, 200, Object.assign(found, JSON.parse(body)));
    if (method === 'DELETE') {
      webhooks.splice(webhooks.indexOf(found), 1);
      return response.writeHead(204, { 'upvest-request-id': randomUUID() }).end();
    }
    if (verb === 'test') {
      return response.writeHead(202, { 'upvest-request-id': 'the-test-request' }).end();
    }
    return problem(response, 405, 'method_not_allowed');
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;

  const api: Api = {
    baseUrl,
    clientSecret,
    seen,
    webhooks,
    tokenLifetimeSeconds: 3600,
    now: Date.now,
    options: {
      baseUrl,
      clientId,
      clientSecret,
      key: { keyId: key.keyId, privateKey: privatePem(key) },
      wait: async () => undefined,
    },
    operations: () => seen.map((request) => request.operation),
    script: (operation, ...answers) => scripts.set(operation, answers),
    expireTokens: () => tokens.clear(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}

export function json(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type, 'upvest-request-id': randomUUID() }).end(JSON.stringify(body));
}

export function problem(response: ServerResponse, status: number, slug: string, detail?: string, headers = {}): void {
  const body = { type: `https://docs.upvest.co/errors/${slug}`, status, title: slug, detail };
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'upvest-request-id': 'a-request',
    ...headers,
  });
  response.end(JSON.stringify(body));
}
