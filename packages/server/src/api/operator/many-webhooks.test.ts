// What an operator does to many webhooks at once, muting, and what is told of a tenant's keys and refused calls.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBlocked, readStanding } from '../../observe/overview.ts';
import { field, startApi, type TestApi, type TestTenant } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
let tenant: TestTenant;

beforeAll(async () => {
  api = await startApi();
  operator = operatorOf(api);
  tenant = await api.tenant();
});
afterAll(() => api.close());

async function webhook(title: string, { enabled = true, blocked = false } = {}): Promise<string> {
  const id = randomUUID();
  await api.database.query(
    `insert into webhooks (id, client_id, partition, title, url, enabled, type, delay, max_package_size, started_at, cursor,
       pending_id, pending_first, pending_last, attempts, next_attempt_at, blocked_since, blocked_reason)
     select $1, client_id, partition, $3, 'https://a.example/hooks?key=query-secret', $4, '{ORDER}', '1s', 65536, now(), 0,
       case when $5 then $1::uuid end, case when $5 then 1 end, case when $5 then 1 end, case when $5 then 3 else 0 end,
       case when $5 then now() + interval '1 hour' end, case when $5 then now() end, case when $5 then 'dns' end
     from tenants where client_id = $2`,
    [id, tenant.clientId, title, enabled, blocked],
  );
  return id;
}

const bulk = (body: Record<string, unknown>) => operator('POST', '/operator/webhooks/bulk', { body });
const listed = async (body: Record<string, unknown>): Promise<unknown> => {
  const answer = await bulk(body);
  expect(answer.status).toBe(200);
  return field(answer.json, 'webhook_ids');
};

describe('many webhooks at once', () => {
  it('are listed first, and only those listed are changed, each with its audit entry', async () => {
    const a = await webhook('bulk one');
    const b = await webhook('bulk two');
    const off = await webhook('bulk off', { enabled: false });
    const filter = { search: 'bulk', client_id: tenant.clientId };
    expect(await listed({ action: 'disable', filter })).toEqual([a, b]);
    expect(await listed({ action: 'enable', filter })).toEqual([off]);
    expect(await listed({ action: 'enable', filter: { ...filter, enabled: true } })).toEqual([]);
    expect(await listed({ action: 'retry', filter: { ...filter, blocked: false } })).toEqual([]);
    // Appeared after the list was made: it is not touched.
    const late = await webhook('bulk late');
    expect(await listed({ action: 'disable', webhook_ids: [a, b, off, a] })).toEqual([a, b]);
    expect(await listed({ action: 'disable', filter })).toEqual([late]);
    expect(api.hints.map(({ webhookId }) => webhookId)).toEqual(expect.arrayContaining([a, b]));
    expect(await listed({ action: 'enable', webhook_ids: [a, off, randomUUID()] })).toEqual([a, off]);
    const audit = await operator('GET', `/operator/audit?subject=webhook:${a}`);
    expect(field(audit.json, 'data')).toMatchObject([
      { action: 'webhook.enable', after: { enabled: true } },
      { action: 'webhook.disable', before: { enabled: true } },
    ]);
    expect((await bulk({ action: 'enable' })).status).toBe(400);
    expect((await bulk({ action: 'enable', filter: {}, webhook_ids: [] })).status).toBe(400);
    expect((await bulk({ action: 'skip', filter: {} })).status).toBe(400);
  });

  it('are retried now where a package waits', async () => {
    const stuck = await webhook('stuck', { blocked: true });
    const well = await webhook('stuck never');
    expect(await listed({ action: 'retry', filter: { search: 'stuck' } })).toEqual([stuck]);
    expect(await listed({ action: 'retry', webhook_ids: [stuck, well] })).toEqual([stuck]);
    const [row] = await api.database.query<{ due: boolean }>(
      'select next_attempt_at <= now() as due from webhooks where id = $1',
      [stuck],
    );
    expect(row?.due).toBe(true);
  });
});

describe('a muted webhook', () => {
  it('counts for no alert until its time is over, and is listed as before', async () => {
    const id = await webhook('muted', { blocked: true });
    await api.database.query('update webhooks set blocked_since = null where id <> $1', [id]);
    const before = await readStanding(api.database);
    expect(before).toMatchObject({ blocked: 1, muted: 0, blockedSince: expect.any(Date) });
    const mute = (minutes: number) => operator('POST', `/operator/webhooks/${id}/mute`, { body: { minutes } });
    expect(field((await mute(60)).json, 'muted_until')).toEqual(expect.any(String));
    expect(await readStanding(api.database)).toMatchObject({ blocked: 1, muted: 1, blockedSince: null });
    expect(await readBlocked(api.database)).toMatchObject([{ id, muted_until: expect.any(Date) }]);
    await api.database.query("update webhooks set muted_until = now() - interval '1 second' where id = $1", [id]);
    expect(await readStanding(api.database)).toMatchObject({ muted: 0, blockedSince: expect.any(Date) });
    expect(await readBlocked(api.database)).toMatchObject([{ id, muted_until: null }]);
    await mute(60);
    expect(field((await mute(0)).json, 'muted_until')).toBe(null);
    const audit = await operator('GET', `/operator/audit?subject=webhook:${id}&action=webhook.mute`);
    expect(field(audit.json, 'data')).toHaveLength(3);
    expect((await operator('POST', `/operator/webhooks/${randomUUID()}/mute`, { body: { minutes: 1 } })).status).toBe(
      404,
    );
  });
});

describe('the support bundle', () => {
  it('holds the state of a webhook and of the service, and no secret, body, header or query', async () => {
    const id = await webhook('bundled');
    await api.database.query(
      `insert into attempts (id, webhook_id, client_id, partition, kind, package_id, attempt, event_count, bytes, url,
         started_at, duration_ms, ok, reason, status, request_headers, response_headers, response_excerpt)
       values ($1, $2, $3, 0, 'delivery', $1, 1, 1, 1, 'https://a.example/hooks?key=query-secret', now(), 7, false,
         'status_5xx', 500, '{"x-marker": "header-secret"}', '{"set-cookie": "header-secret"}', 'excerpt-secret')`,
      [randomUUID(), id, tenant.clientId],
    );
    const answer = await operator('GET', `/operator/support-bundle?webhook_id=${id}`);
    expect(answer.headers['content-disposition']).toMatch(new RegExp(`^attachment; filename="bellhop-${id}-.*json"$`));
    expect(answer.json).toMatchObject({
      system: { database: { kind: 'pglite' } },
      overview: { webhooks: {} },
      webhook: { state: { id, url: 'https://a.example/hooks?…' }, attempts: [{ reason: 'status_5xx' }], changes: [] },
    });
    for (const secret of ['query-secret', 'header-secret', 'excerpt-secret', tenant.secret]) {
      expect(answer.text).not.toContain(secret);
    }
    expect((await operator('GET', '/operator/support-bundle')).status).toBe(200);
    // What broke: the token of an acceptor endpoint is in the path, and the path was kept.
    const endpoint = await api.database.transaction((tx) => api.deps.acceptor.create(tx, tenant.clientId));
    if (typeof endpoint === 'string') throw new TypeError(endpoint);
    await api.database.query(
      "update webhooks set url = $2, enabled = true, blocked_since = now(), blocked_reason = 'status_4xx' where id = $1",
      [id, endpoint.url],
    );
    await api.database.query('update attempts set url = $2 where webhook_id = $1', [id, endpoint.url]);
    for (const query of [`?webhook_id=${id}`, '']) {
      const bundle = await operator('GET', `/operator/support-bundle${query}`);
      expect(bundle.text).not.toContain(endpoint.url.split('/').at(-1));
      if (query !== '') expect(bundle.text).toContain('/events-acceptor-service/receive/…');
    }
    expect((await operator('GET', `/operator/support-bundle?webhook_id=${randomUUID()}`)).status).toBe(404);
  });
});

describe('the page of a tenant', () => {
  it('says when a key was last used, and which calls were refused, why', async () => {
    const caller = await api.tenant();
    const keys = async (): Promise<unknown> =>
      field((await operator('GET', `/operator/tenants/${caller.clientId}/keys`)).json, 'data');
    expect(await keys()).toMatchObject([{ last_used_at: null }]);
    const token = await api.token(caller, 'webhooks:read');
    await api.call({ target: '/webhooks', tenant: caller, token });
    await api.deps.usage.flush();
    expect(await keys()).toMatchObject([{ key_id: caller.key.keyId, last_used_at: expect.any(String) }]);

    const stranger = await api.tenant();
    await api.call({ target: '/webhooks', tenant: { ...caller, key: stranger.key }, token });
    await api.call({ target: '/webhooks', tenant: { ...caller, key: stranger.key }, token });
    await api.call({ target: '/webhooks', tenant: caller });
    await api.call({ method: 'POST', target: '/webhooks', tenant: caller, token });
    // Nobody's: kept nowhere.
    await api.call({ target: '/webhooks', tenant: { ...caller, clientId: randomUUID() }, token });
    const refused = await operator('GET', `/operator/tenants/${caller.clientId}/refused-calls`);
    const hour = { last_hour: expect.any(String) };
    expect(field(refused.json, 'data')).toEqual([
      { reason: 'unknown_key', calls: 2, ...hour },
      { reason: 'scope', calls: 1, ...hour },
      { reason: 'token', calls: 1, ...hour },
    ]);
    const [all] = await api.database.query<{ count: number }>('select count(*)::integer as count from refused_calls');
    expect(all?.count).toBe(3);
    expect((await operator('GET', `/operator/tenants/${randomUUID()}/refused-calls`)).status).toBe(404);
  });
});
