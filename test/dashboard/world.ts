// A real service with something to see: a tenant whose webhooks lead to endpoints that answer, fail, are slow and are not
// there, all on loopback, and a steady load of events. Endpoints can be healed while the service runs, and the service
// can be stopped and started again on the same port and data.

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@bellhop/client';
import { example } from '@bellhop/events';
import { type Service, startService } from '@bellhop/server';
import { generateSigningKey, privatePem, publicPem } from '@bellhop/signatures';

export const operatorToken = 'operator-token-of-the-dashboard-test';

export interface Endpoint {
  readonly url: string;
  received: number;
  answer: { readonly status: number; readonly body?: string; readonly delayMs?: number };
  close(): Promise<void>;
}

async function startEndpoint(answer: Endpoint['answer']): Promise<Endpoint> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      endpoint.received += 1;
      const { status, body = '', delayMs = 0 } = endpoint.answer;
      setTimeout(() => response.writeHead(status, { 'content-type': 'text/plain' }).end(body), delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('No port');
  const endpoint: Endpoint = {
    url: `http://127.0.0.1:${address.port}/hooks`,
    received: 0,
    answer,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return endpoint;
}

export interface World {
  readonly url: string;
  readonly clientId: string;
  readonly endpoints: Readonly<Record<'ok' | 'failing' | 'slow', Endpoint>>;
  readonly webhooks: Readonly<Record<'ok' | 'failing' | 'slow' | 'refused' | 'paused', string>>;
  operator<T>(method: string, path: string, body?: unknown): Promise<T>;
  publish(type: string, count: number): Promise<string[]>;
  stopService(): Promise<void>;
  startService(): Promise<void>;
  close(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bellhop-dashboard-'));
  const clientId = randomUUID();
  const clientSecret = randomUUID();
  const key = await generateSigningKey(randomUUID(), 'ed25519');
  const scopes = ['webhooks:read', 'webhooks:admin'];
  let port = 0;
  let service: Service;
  const start = async (): Promise<void> => {
    service = await startService({
      host: '127.0.0.1',
      port,
      dataDir,
      operatorToken,
      logLevel: 'fatal',
      insecureTargets: 'all',
      dev: true,
      role: 'all',
      partitions: 4,
    });
    port = Number(new URL(service.url).port);
    await service.ensureTenant({
      clientId,
      clientSecret,
      name: 'Acme Bank',
      scopes,
      keys: [{ keyId: key.keyId, publicKey: publicPem(key) }],
    });
  };
  await start();
  const url = `http://127.0.0.1:${port}`;

  const operator = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${operatorToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text === '' ? 'null' : text);
  };
  const publish = async (type: string, count: number): Promise<string[]> => {
    const events = Array.from({ length: count }, () => example(type));
    await operator('POST', '/operator/events', { client_id: clientId, events });
    return events.map(({ id }) => id);
  };

  const endpoints = {
    ok: await startEndpoint({ status: 200 }),
    failing: await startEndpoint({ status: 500, body: 'database is locked' }),
    slow: await startEndpoint({ status: 200, delayMs: 1_500 }),
  };
  const client = createClient({
    baseUrl: url,
    clientId,
    clientSecret,
    key: { keyId: key.keyId, privateKey: privatePem(key) },
    scopes,
  });
  const webhooks = {
    ok: await register(client, 'Order feed', endpoints.ok.url, ['ORDER']),
    failing: await register(client, 'Ledger sync', endpoints.failing.url, ['ALL']),
    slow: await register(client, 'Slow reports', endpoints.slow.url, ['ORDER', 'USER']),
    refused: await register(client, 'Old staging', 'http://127.0.0.1:9/hooks', ['USER']),
    paused: await register(client, 'Paused archive', endpoints.ok.url, ['ALL']),
  };
  await client.webhooks.update(webhooks.paused, { enabled: false });
  await publish('ORDER.FILLED', 20);
  await publish('USER.CREATED', 5);

  let isLoading = true;
  const loading = (async () => {
    while (isLoading) {
      await publish('ORDER.NEW', 5).catch(() => {
        // The service is stopped for a while: that is what one of the tests is about.
      });
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  })();

  return {
    url,
    clientId,
    endpoints,
    webhooks,
    operator,
    publish,
    stopService: () => service.close(),
    startService: start,
    async close() {
      isLoading = false;
      await loading;
      await service.close();
      for (const endpoint of Object.values(endpoints)) await endpoint.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function register(client: Client, title: string, url: string, type: readonly string[]): Promise<string> {
  const { id } = await client.webhooks.create({ title, url, type, config: { delay: '1s' } });
  await client.webhooks.update(id, { enabled: true });
  return id;
}
