// A call with an idempotency key whose process dies between the commit of its work and the storing of its answer: the
// repeat does nothing again. Every POST of the table is tried, so that a new one that nobody thought about fails here.
//
// The death is a database that refuses the one statement that stores the answer outside of the work's transaction.

import { randomUUID } from 'node:crypto';
import { generateSigningKey, publicPem } from '@bellhop/signatures';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, DatabaseError } from '../store/database.ts';
import { openPglite } from '../store/pglite.ts';
import {
  type CallOptions,
  field,
  type HttpAnswer,
  jsonBody,
  operatorToken,
  startApi,
  type TestApi,
} from './api.fixture.ts';
import { routes } from './routes.ts';

let api: TestApi;
let isDying = false;

beforeAll(async () => {
  const database = await openPglite();
  const dying: Database = {
    kind: database.kind,
    async query<Row>(...args: Parameters<Database['query']>) {
      if (isDying && args[0].startsWith('update idempotency_keys set status')) {
        throw new DatabaseError('unavailable', 'The process died here');
      }
      return database.query<Row>(...args);
    },
    transaction: (work) => database.transaction(work),
    listen: (...args) => database.listen(...args),
    notify: (...args) => database.notify(...args),
    close: () => database.close(),
  };
  api = await startApi({ database: dying, config: { dev: true } });
});
afterAll(() => api.close());

type Made = Pick<CallOptions, 'target' | 'body' | 'headers' | 'tenant' | 'token'>;

const asOperator = (target: string, body?: object): Made => ({
  target,
  token: operatorToken,
  ...(body === undefined ? {} : jsonBody(body)),
});

async function asTenant(target: string, body?: object): Promise<Made> {
  const tenant = await api.tenant();
  return { target, tenant, token: await api.token(tenant), ...(body === undefined ? {} : jsonBody(body)) };
}

/** A webhook, which a package of its one event blocks when asked. */
async function webhook({ enabled = true, blocked = false } = {}): Promise<{ id: string; clientId: string }> {
  const { clientId } = await api.tenant();
  const id = randomUUID();
  await api.database.query(
    `insert into webhooks (id, client_id, partition, title, url, type, delay, max_package_size, enabled, started_at)
     select $1, client_id, partition, 't', 'https://a.test/', '{ALL}', '5s', 1000, $3, now() from tenants where client_id = $2`,
    [id, clientId, enabled],
  );
  if (blocked) {
    await api.call({
      method: 'POST',
      ...asOperator('/operator/events', { client_id: clientId, events: [{ type: 'USER.CREATED', object: {} }] }),
    });
    await api.database.query(
      `update webhooks w set cursor = e.event_offset - 1, pending_id = $3, pending_first = e.event_offset,
         pending_last = e.event_offset, pending_version = version, pending_type = w.type, attempts = 3,
         next_attempt_at = now() + interval '1 hour', blocked_since = now(), blocked_reason = 'status_5xx',
         blocked_status = 503
       from events e where e.client_id = $2 and w.id = $1`,
      [id, clientId, randomUUID()],
    );
  }
  return { id, clientId };
}

const action = async (name: string, options: Parameters<typeof webhook>[0] = {}, body?: object): Promise<Made> =>
  asOperator(`/operator/webhooks/${(await webhook(options)).id}/${name}`, body);

interface Post {
  readonly make: () => Promise<Made>;
  /** `first`: the first answer comes again. Else the answer that says that nothing was left to do. */
  readonly repeat: 'first' | object;
}

const posts: Readonly<Record<string, Post>> = {
  '/webhooks': {
    make: () => asTenant('/webhooks', { title: 'A', url: 'https://tenant.example.com/' }),
    repeat: 'first',
  },
  '/webhooks/{webhook_id}/test': {
    async make() {
      const { target, ...made } = await asTenant('/webhooks', { title: 'A', url: 'https://tenant.example.com/' });
      const { json } = await api.call({ method: 'POST', target, ...made });
      return { target: `/webhooks/${String(field(json, 'id'))}/test`, tenant: made.tenant, token: made.token };
    },
    repeat: 'first',
  },
  '/events-acceptor-service/endpoints': {
    make: () => asTenant('/events-acceptor-service/endpoints', {}),
    repeat: 'first',
  },
  '/operator/tenants': { make: async () => asOperator('/operator/tenants', { name: 'Bank' }), repeat: 'first' },
  '/operator/tenants/{client_id}/secret': {
    make: async () => asOperator(`/operator/tenants/${(await api.tenant()).clientId}/secret`),
    repeat: 'first',
  },
  '/operator/tenants/{client_id}/keys': {
    async make() {
      const { clientId } = await api.tenant();
      const public_key = publicPem(await generateSigningKey(randomUUID(), 'ed25519'));
      return asOperator(`/operator/tenants/${clientId}/keys`, { public_key });
    },
    repeat: 'first',
  },
  '/operator/events': {
    async make() {
      const { clientId } = await api.tenant();
      const events = [
        { type: 'USER.CREATED', object: {} },
        { type: 'USER.CREATED', object: {} },
      ];
      return asOperator('/operator/events', { client_id: clientId, events });
    },
    repeat: { accepted: 0, duplicates: 2 },
  },
  '/operator/tenants/{client_id}/links': {
    make: async () => asOperator(`/operator/tenants/${(await api.tenant()).clientId}/links`, {}),
    repeat: 'first',
  },
  // A transaction for each webhook: what is done already does not apply again.
  '/operator/webhooks/bulk': {
    async make() {
      const { id } = await webhook({ enabled: false });
      return asOperator('/operator/webhooks/bulk', { action: 'enable', webhook_ids: [id] });
    },
    repeat: { dry_run: false, webhook_ids: [], more: false },
  },
  '/operator/webhooks/{webhook_id}/mute': {
    make: () => action('mute', { blocked: true }, { minutes: 5 }),
    repeat: 'first',
  },
  '/operator/tokens': {
    make: async () => asOperator('/operator/tokens', { name: 'CI', role: 'read' }),
    repeat: 'first',
  },
  '/operator/webhooks/{webhook_id}/enable': { make: () => action('enable', { enabled: false }), repeat: 'first' },
  '/operator/webhooks/{webhook_id}/disable': { make: () => action('disable'), repeat: 'first' },
  '/operator/webhooks/{webhook_id}/retry': { make: () => action('retry', { blocked: true }), repeat: 'first' },
  '/operator/webhooks/{webhook_id}/skip': { make: () => action('skip', { blocked: true }), repeat: 'first' },
  '/operator/webhooks/{webhook_id}/replay': { make: () => action('replay', {}, { since: 'now' }), repeat: 'first' },
  '/operator/webhooks/{webhook_id}/test': { make: () => action('test'), repeat: 'first' },
  '/operator/signing-keys/rotate': {
    make: async () => asOperator('/operator/signing-keys/rotate', { force: true }),
    repeat: 'first',
  },
};

/** They leave nothing behind that a repeat could do again. */
const withoutEffect = ['/operator/sign'];

/** All that a POST can leave behind; the keys' own table and what merely proves the caller is not among it. */
async function effects(): Promise<unknown> {
  const tables = [
    'audit',
    'events',
    'operator_tokens',
    'parked',
    'signing_keys',
    'tenant_keys',
    'tenant_links',
    'tenants',
    'webhooks',
  ];
  const counts = await Promise.all(
    tables.map(async (table) => {
      const rows = await api.database.query(`select t::text from ${table} t order by 1`);
      return [table, rows] as const;
    }),
  );
  const endpoints = await api.database.query('select count(*) as count from acceptor_endpoints');
  return { ...Object.fromEntries(counts), endpoints, tested: [...api.tested] };
}

async function post(made: Made, key: string): Promise<HttpAnswer> {
  return api.call({ method: 'POST', ...made, headers: { ...made.headers, 'idempotency-key': key } });
}

it('knows every POST that takes an idempotency key', () => {
  const paths = routes(api.deps)
    .filter(({ method, idempotency, access }) => method === 'POST' && idempotency !== 'ignored' && access !== 'public')
    .map(({ path }) => path);
  expect(paths.sort()).toEqual([...Object.keys(posts), ...withoutEffect].sort());
});

it.each(Object.entries(posts))('%s does nothing again', async (_path, { make, repeat }) => {
  const made = await make();
  const key = randomUUID();
  const before = await effects();
  isDying = true;
  await post(made, key);
  isDying = false;
  const done = await effects();
  expect(done).not.toEqual(before);
  const again = await post(made, key);
  expect(again.status).toBeLessThan(300);
  if (repeat === 'first') expect(again.headers['idempotency-replayed']).toBe('true');
  else expect(again.json).toEqual(repeat);
  expect(await effects()).toEqual(done);
});

it('a stream of events without ids is stored once, however often it comes with one key', async () => {
  const { clientId } = await api.tenant();
  const line = JSON.stringify({ client_id: clientId, type: 'USER.CREATED', object: {} });
  const send = async (key: string, text: string) => {
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': key };
    return (await api.call({ method: 'POST', target: '/operator/events', token: operatorToken, body: text, headers }))
      .json;
  };
  const key = randomUUID();
  expect(await send(key, `${line}\n${line}\n`)).toEqual({ accepted: 2, duplicates: 0 });
  expect(await send(key.toUpperCase(), `${line}\n${line}\n${line}\n`)).toEqual({ accepted: 1, duplicates: 2 });
  expect(await send(randomUUID(), `${line}\n`)).toEqual({ accepted: 1, duplicates: 0 });
});
