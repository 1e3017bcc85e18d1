// The real API for tests: node:http server on loopback, embedded database in memory, real signatures. Requests go out
// through node:http, because fetch would normalise paths and add headers.

import { randomUUID } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import {
  generateSigningKey,
  type KeyAlgorithm,
  publicPem,
  type SignatureVersion,
  type SigningKey,
  type SignOptions,
  sign,
} from '@bellhop/signatures';
import pino from 'pino';
import { type AcceptorOptions, createAcceptor } from '../acceptor/acceptor.ts';
import { allowEndpoints } from '../acceptor/own-url.ts';
import type { TestStart } from '../delivery/test-trigger.ts';
import { createTlsContext } from '../delivery/tls.ts';
import { hashClientSecret, newClientSecret } from '../keys/client-secrets.ts';
import { createServiceKeys } from '../keys/postgres-service-keys.ts';
import { createTenantCertificates } from '../keys/tenant-certificates.ts';
import { createPostgresLog } from '../log/postgres-log.ts';
import { createLiveView } from '../observe/live.ts';
import { createRollups } from '../observe/rollups.ts';
import { createUsage } from '../observe/usage.ts';
import { type Database, DatabaseError, type Queryable } from '../store/database.ts';
import { ensurePartitions, migrate } from '../store/migrate.ts';
import { openPglite } from '../store/pglite.ts';
import { createSignals, type WebhookHint } from '../store/signals.ts';
import { insertTenant, insertTenantKey } from '../store/tenants.ts';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { createApp } from './app.ts';
import type { ApiConfig, ApiDependencies } from './dependencies.ts';
import { answerRequests } from './broken-requests.ts';
import { requestListener, serverOptions } from './http-server.ts';
import { operatorRoutes } from './operator/index.ts';
import { routeTable } from './route-table.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Parsed body; undefined without one. */
  readonly json: unknown;
}

export interface TestTenant {
  readonly clientId: string;
  readonly secret: string;
  readonly key: SigningKey;
}

export interface CallOptions {
  readonly method?: string;
  /** Raw request target. */
  readonly target: string;
  /** Set to `undefined` to leave a default one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Uint8Array;
  readonly tenant?: TestTenant | undefined;
  readonly token?: string | undefined;
  readonly version?: SignatureVersion;
  readonly sign?: Partial<SignOptions> | false;
  /** Headers changed after signing. */
  readonly tamper?: Readonly<Record<string, string>>;
  /** Sent instead of the signed body. */
  readonly tamperBody?: string;
  /** Hangs up after the head of the answer: for streams without end. */
  readonly headOnly?: boolean;
}

export const operatorToken = 'operator-token-of-tests';

export interface TestApi {
  readonly deps: ApiDependencies;
  readonly database: FaultyDatabase;
  readonly baseUrl: string;
  readonly hints: readonly WebhookHint[];
  readonly tested: readonly string[];
  tenant(options?: { readonly scopes?: readonly string[]; readonly algorithm?: KeyAlgorithm }): Promise<TestTenant>;
  token(tenant: TestTenant, scope?: string): Promise<string>;
  call(options: CallOptions): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** The embedded database, with a switch that makes every statement fail as if the server were away. */
export interface FaultyDatabase extends Database {
  outage: boolean;
}

function withOutage(database: Database): FaultyDatabase {
  const guard = (): void => {
    if (faulty.outage) throw new DatabaseError('unavailable', 'The database is away');
  };
  const faulty: FaultyDatabase = {
    outage: false,
    kind: database.kind,
    async query<Row>(...args: Parameters<Queryable['query']>) {
      guard();
      return database.query<Row>(...args);
    },
    async transaction<T>(work: (tx: Queryable) => Promise<T>) {
      guard();
      return database.transaction(work);
    },
    listen: (...args) => database.listen(...args),
    notify: (channel, payload) => database.notify(channel, payload),
    close: () => database.close(),
  };
  return faulty;
}

export async function startApi(
  options: {
    readonly config?: Partial<ApiConfig>;
    readonly now?: () => number;
    /** Waited for before a test delivery is accepted, or says that it is not. */
    readonly testTrigger?: (webhookId: string) => Promise<TestStart>;
    readonly ready?: ApiDependencies['ready'];
    /** Instead of an embedded one; closed with the API. */
    readonly database?: Database;
    readonly acceptor?: Partial<AcceptorOptions>;
    readonly keyEncryptionKey?: string;
    readonly logger?: ApiDependencies['logger'];
  } = {},
): Promise<TestApi> {
  const database = withOutage(options.database ?? (await openPglite()));
  await migrate(database);
  await ensurePartitions(database, 2);
  const signals = await createSignals(database);
  const hints: WebhookHint[] = [];
  signals.onWebhookChanged(({ partition, webhookId }) => hints.push({ partition, webhookId }));
  const tested: string[] = [];
  const now = options.now ?? Date.now;
  const acceptor = await createAcceptor({
    database,
    publicUrl: () => 'http://127.0.0.1',
    now,
    onError: (error) => {
      throw error;
    },
    stopping: new AbortController().signal,
    ...options.acceptor,
  });
  const targets = createTargetPolicy({ insecure: 'none' });
  const rollups = createRollups({ database, now, onError: () => {} });
  const usage = createUsage({ database, now, onError: () => {} });
  const live = createLiveView({ database, rollups, isAlone: async () => true, now });
  const deps: ApiDependencies = {
    database,
    live,
    rollups,
    usage,
    about: { version: '0.0.0', startedAt: new Date(now()), settings: {} },
    signals,
    log: createPostgresLog({ database, signals }),
    keys: createServiceKeys({ database, signals, now }),
    certificates: createTenantCertificates({
      database,
      keyEncryptionKey: options.keyEncryptionKey,
      contextOf: (clientCert) => createTlsContext({ clientCert }),
      now,
    }),
    targets: allowEndpoints(targets, (url) => acceptor.tokenOf(url) !== undefined),
    acceptor,
    async testTrigger(webhookId, commit) {
      if ((await options.testTrigger?.(webhookId)) === 'too_many') return 'too_many';
      await commit();
      tested.push(webhookId);
      return 'started';
    },
    config: {
      operatorToken,
      publicUrl: 'http://127.0.0.1',
      dev: false,
      acceptedAlgorithms: ['ecdsa-p521', 'ed25519'],
      ...options.config,
    },
    logger: options.logger ?? pino({ level: 'silent' }),
    now,
    ready: options.ready ?? (() => ({ ready: true })),
  };
  const server = createServer(serverOptions);
  // A connection that idled while the test worked must not be closed under the next call.
  server.keepAliveTimeout = 0;
  answerRequests(server, requestListener(createApp(deps)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('No port');
  const { port } = address;

  const operators = routeTable(operatorRoutes(deps));
  const api: TestApi = {
    deps,
    database,
    baseUrl: `http://127.0.0.1:${port}`,
    hints,
    tested,
    async tenant({ scopes = ['webhooks:read', 'webhooks:admin'], algorithm = 'ed25519' } = {}) {
      const clientId = randomUUID();
      const secret = newClientSecret();
      const key = await generateSigningKey(randomUUID(), algorithm);
      const at = new Date(now());
      await insertTenant(database, {
        clientId,
        name: 'A',
        scopes,
        secretHash: await hashClientSecret(secret),
        now: at,
      });
      await insertTenantKey(database, { keyId: key.keyId, clientId, algorithm, publicKey: publicPem(key), now: at });
      return { clientId, secret, key };
    },
    async token(tenant, scope = 'webhooks:read webhooks:admin') {
      const answer = await api.call({ method: 'POST', target: '/auth/token', tenant, ...tokenForm(tenant, { scope }) });
      const token = field(answer.json, 'access_token');
      if (typeof token !== 'string') throw new TypeError(`No token: ${answer.text}`);
      return token;
    },
    async call(call) {
      const answer = await send(port, await signedRequest(call, now), call.headOnly ?? false);
      // Whatever a test is about: the OpenAPI document says only what is declared.
      const { method = 'GET', target } = call;
      const route = operators.match(target.split('?')[0] ?? '')?.byMethod.get(method);
      if (route && !(answer.status in route.responses)) {
        throw new TypeError(`${method} ${target} does not declare ${answer.status}: ${answer.text}`);
      }
      return answer;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      live.close();
      await rollups.close();
      await usage.close();
      await deps.log.close();
      await acceptor.close();
      await signals.close();
      await database.close();
    },
  };
  return api;
}

export function tokenForm(tenant: TestTenant, fields: Readonly<Record<string, string>> = {}) {
  const body = new URLSearchParams({
    client_id: tenant.clientId,
    client_secret: tenant.secret,
    grant_type: 'client_credentials',
    scope: 'webhooks:read webhooks:admin',
    ...fields,
  }).toString();
  return { body, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
}

export function jsonBody(value: unknown) {
  return { body: JSON.stringify(value), headers: { 'content-type': 'application/json' } };
}

export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

interface RawRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

async function signedRequest(call: CallOptions, now: () => number): Promise<RawRequest> {
  const { method = 'GET', target, tenant } = call;
  const bytes = typeof call.body === 'string' ? Buffer.from(call.body) : (call.body ?? new Uint8Array());
  const defaults: Record<string, string | undefined> = {
    accept: 'application/json',
    'upvest-client-id': tenant?.clientId,
    authorization: call.token === undefined ? undefined : `Bearer ${call.token}`,
    ...call.headers,
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(defaults)) if (value !== undefined) headers[name] = value;
  if (bytes.byteLength > 0 || method !== 'GET') headers['content-length'] = String(bytes.byteLength);
  if (tenant && call.sign !== false) {
    const mark = target.indexOf('?');
    const path = mark === -1 ? target : target.slice(0, mark);
    const query = mark === -1 ? undefined : target.slice(mark + 1);
    const signable = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-length'));
    const added = await sign(
      { method, path, query, headers: signable, body: bytes },
      { key: tenant.key, version: call.version ?? 15, now, ...call.sign },
    );
    Object.assign(headers, added);
  }
  Object.assign(headers, call.tamper);
  return { method, target, headers, body: call.tamperBody ?? bytes };
}

function send(port: number, { method, target, headers, body }: RawRequest, headOnly: boolean): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path: target, headers }, (response) => {
      const chunks: Buffer[] = [];
      const flat: Record<string, string> = {};
      for (const [name, value] of Object.entries(response.headers)) flat[name] = String(value);
      if (headOnly) {
        resolve({ status: response.statusCode ?? 0, headers: flat, text: '', json: undefined });
        response.destroy();
        return;
      }
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = /json/.test(flat['content-type'] ?? '');
        resolve({
          status: response.statusCode ?? 0,
          headers: flat,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
