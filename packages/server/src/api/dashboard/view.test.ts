// The tenant link against the real API: two tenants in one partition, and the link of one of them, which must never show
// the smallest thing of the other or of the service.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, type HttpAnswer, operatorToken, startApi, type TestApi, type TestTenant } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from '../operator/operator.fixture.ts';
import { viewRoutes } from './pages.ts';

interface Side {
  readonly tenant: TestTenant;
  readonly webhook: string;
  readonly attempt: string;
  readonly packageId: string;
  readonly events: readonly string[];
  readonly mark: string;
}

let api: TestApi;
let operator: CallOperator;
let nowMs = Date.now();
let ours: Side;
let theirs: Side;

const text = (value: unknown, name: string): string => String(field(value, name));

async function side(mark: string): Promise<Side> {
  const tenant = await api.tenant();
  // Everybody in one partition: what a partition says is said about all.
  await api.database.query('update tenants set partition = 0, name = $2 where client_id = $1', [tenant.clientId, mark]);
  const webhook = randomUUID();
  const packageId = randomUUID();
  const attempt = randomUUID();
  await api.database.query(
    `insert into webhooks (id, client_id, partition, title, url, enabled, type, delay, max_package_size, started_at, cursor)
     values ($1, $2, 0, $3, $4, true, '{ORDER}', '1s', 65536, now(), 0)`,
    [webhook, tenant.clientId, mark, `https://${mark}.example/hooks`],
  );
  const events = Array.from({ length: 5 }, () => randomUUID());
  await operator('POST', '/operator/events', {
    body: {
      client_id: tenant.clientId,
      events: events.map((id, index) => ({
        id,
        type: 'ORDER.FILLED',
        object: { id: `order-${index % 2}`, note: mark },
      })),
    },
  });
  await api.database.query(
    `insert into attempts (id, webhook_id, client_id, partition, kind, package_id, attempt, first_offset, last_offset,
       event_count, bytes, url, started_at, duration_ms, ok, reason, status, request_headers, response_excerpt)
     select $1, $2, $3, 0, 'delivery', $4, 1, min(event_offset), max(event_offset), 5, 1, $5, $6, 7, false, 'status_5xx',
       500, '{"x-test": "1"}', $5 from events where client_id = $3`,
    [attempt, webhook, tenant.clientId, packageId, `https://${mark}.example/hooks`, new Date(nowMs)],
  );
  await api.database.query(
    `insert into parked (id, webhook_id, client_id, partition, first_offset, last_offset, event_count, reason)
     values ($1, $2, $3, 0, 1, 2, 2, 'timeout')`,
    [randomUUID(), webhook, tenant.clientId],
  );
  return { tenant, webhook, attempt, packageId, events, mark };
}

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  operator = operatorOf(api);
  ours = await side('ours');
  theirs = await side('theirs');
});
afterAll(() => api.close());

async function open(body?: Record<string, unknown>): Promise<{ cookie: string; id: string; url: string }> {
  const made = await operator('POST', `/operator/tenants/${ours.tenant.clientId}/links`, body ? { body } : {});
  expect(made.status).toBe(201);
  const url = text(made.json, 'url');
  const opened = await api.call({ target: new URL(url).pathname });
  expect(opened.status).toBe(303);
  const set = opened.headers['set-cookie'] ?? '';
  expect(set).toMatch(/; Path=\/view; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
  expect(opened.headers['location']).toBe('/view/webhooks');
  return { cookie: set.split(';')[0] ?? '', id: text(made.json, 'id'), url };
}

const view = (cookie: string, target: string, method = 'GET'): Promise<HttpAnswer> =>
  api.call({ method, target: `/view/api${target}`, headers: { cookie, 'sec-fetch-site': 'same-origin' } });

describe('a tenant link', () => {
  it("shows the tenant's own webhooks, attempts and events, each answer as its route declares it", async () => {
    const { cookie } = await open();
    const declared = new Map(viewRoutes(api.deps, false).map((route) => [route.path, route]));
    const { webhook, attempt, events, packageId } = ours;
    const targets: Record<string, string> = {
      '/session': '/session',
      '/webhooks': '/webhooks?limit=10',
      '/webhooks/activity': `/webhooks/activity?webhook_ids=${webhook},${theirs.webhook}`,
      '/webhooks/{webhook_id}': `/webhooks/${webhook}`,
      '/webhooks/{webhook_id}/history': `/webhooks/${webhook}/history?range=24h`,
      '/webhooks/{webhook_id}/parked': `/webhooks/${webhook}/parked`,
      '/attempts': `/attempts?webhook_id=${webhook}&package_id=${packageId}&ok=false`,
      '/attempts/{attempt_id}': `/attempts/${attempt}`,
      '/events': '/events?type=ORDER&limit=10',
      '/events/{event_id}': `/events/${events[0]}`,
    };
    const all = [...declared.keys()].filter((path) => path.startsWith('/view/api'));
    expect(
      Object.keys(targets)
        .map((path) => `/view/api${path}`)
        .sort(),
    ).toEqual([...new Set(all)].sort());
    for (const [path, target] of Object.entries(targets)) {
      const answer = await view(cookie, target);
      expect(answer.status, target).toBe(200);
      const schema = declared.get(`/view/api${path}`)?.responses[200]?.schema;
      if (path !== '/session') expect(schema?.safeParse(answer.json).error, target).toBeUndefined();
      // Nothing of the other tenant, and nothing that all tenants of a partition move together.
      for (const foreign of [theirs.webhook, theirs.attempt, theirs.tenant.clientId, theirs.mark, ...theirs.events]) {
        expect(answer.text, target).not.toContain(foreign);
      }
      expect(answer.text, target).not.toMatch(
        /"(partition|offset|cursor|head|first_offset|last_offset|actor|made_by|muted_until)"/,
      );
      expect(answer.text, target).not.toContain(operatorToken);
    }
    expect((await view(cookie, '/webhooks')).text).toContain(webhook);
    expect((await view(cookie, '/attempts')).text).toContain(attempt);
    expect((await view(cookie, '/events')).text).toContain(events[4]);
    expect(field((await view(cookie, `/webhooks/activity?webhook_ids=${webhook}`)).json, 'data')).toEqual([
      { webhook_id: webhook, hours: `${'-'.repeat(23)}f` },
    ]);
  });

  it('shows what the endpoint answered to an attempt, and nothing of where the name led', async () => {
    const { cookie } = await open();
    const { json } = await view(cookie, `/attempts/${ours.attempt}`);
    expect(json).toMatchObject({
      reason: 'status_5xx',
      status: 500,
      duration_ms: 7,
      url: 'https://ours.example/hooks',
    });
    // As SECURITY.md says it: status, headers and the beginning of the body.
    expect(field(json, 'response')).toEqual({ status: 500, headers: null, excerpt: 'https://ours.example/hooks' });
  });

  it("answers 404 to every id that is another tenant's, and empty lists to filters by one", async () => {
    const { cookie } = await open();
    const ids: Record<string, string> = {
      webhook_id: theirs.webhook,
      attempt_id: theirs.attempt,
      event_id: theirs.events[0] ?? '',
    };
    let checked = 0;
    for (const { path } of viewRoutes(api.deps, false)) {
      if (!path.startsWith('/view/api/') || !path.includes('{')) continue;
      const target = path.slice('/view/api'.length).replaceAll(/\{([^}]+)\}/g, (_, name: string) => ids[name] ?? '');
      const answer = await view(cookie, target);
      expect(answer.status, target).toBe(404);
      expect(answer.text, target).not.toContain(theirs.mark);
      checked += 1;
    }
    expect(checked).toBe(5);
    for (const target of [
      `/attempts?webhook_id=${theirs.webhook}`,
      `/attempts?package_id=${theirs.packageId}`,
      `/events?id=${theirs.events[0]}`,
      `/webhooks?search=${theirs.mark}`,
      `/webhooks/activity?webhook_ids=${theirs.webhook}`,
    ]) {
      expect(field((await view(cookie, target)).json, 'data'), target).toEqual([]);
    }
    // A cursor made by hand from a foreign event, and a foreign client id.
    const foreign = Buffer.from(JSON.stringify(['id', theirs.events[0]])).toString('base64url');
    expect((await view(cookie, `/events?cursor=${foreign}`)).status).toBe(400);
    expect((await view(cookie, `/events?client_id=${theirs.tenant.clientId}`)).status).toBe(400);
  });

  it('finds events by the id of their object, and pages through events without telling offsets', async () => {
    const { cookie } = await open();
    const found = await view(cookie, '/events?object_id=order-0');
    expect(field(found.json, 'searched_back_to')).toBe(null);
    const ids = (answer: HttpAnswer): string[] => {
      const data = field(answer.json, 'data');
      return Array.isArray(data) ? data.map((row) => text(row, 'id')) : [];
    };
    expect(ids(found)).toEqual([ours.events[4], ours.events[2], ours.events[0]]);
    for (const query of ['/events?limit=2', '/events?object_id=order-0&limit=1']) {
      const seen: string[] = [];
      for (let target = query; ; ) {
        const answer = await view(cookie, target);
        seen.push(...ids(answer));
        const next = field(answer.json, 'next_cursor');
        if (typeof next !== 'string') break;
        expect(Buffer.from(next, 'base64url').toString()).not.toMatch(/^\[\[|:\d+\]$|,\d/);
        target = `${query}&cursor=${next}`;
      }
      const all = [...ours.events].reverse();
      expect(seen).toEqual(query.includes('object') ? [all[0], all[2], all[4]] : all);
    }
  });

  it('only reads', async () => {
    const { cookie } = await open();
    for (const { method, path } of viewRoutes(api.deps, false)) {
      expect(['GET', 'DELETE']).toContain(method);
      if (method === 'DELETE') expect(path).toBe('/view/api/session');
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect((await view(cookie, `/webhooks/${ours.webhook}`, method)).status).toBe(405);
    }
    const left = await view(cookie, '/session', 'DELETE');
    expect(left.headers['set-cookie']).toMatch(/^bellhop_view=; .*Max-Age=0$/);
  });

  it('ends with its time, by revoking it, and with its tenant; each is in the audit trail, and no secret is', async () => {
    const { cookie, id, url } = await open({ expires_in_minutes: 10 });
    const secret = url.split('/').at(-1) ?? '';
    const base = `/operator/tenants/${ours.tenant.clientId}/links`;
    const opened = async (): Promise<unknown> => field((await operator('GET', base)).json, 'data');
    expect(await opened()).toContainEqual(expect.objectContaining({ id, opened_at: expect.any(String) }));
    expect((await view(cookie, '/webhooks')).status).toBe(200);
    nowMs += 10 * 60_000;
    expect((await view(cookie, '/webhooks')).status).toBe(401);
    const late = await api.call({ target: new URL(url).pathname });
    expect(late.headers).toMatchObject({ location: '/view?link=ended' });
    expect(late.headers['set-cookie']).toBeUndefined();
    expect(await opened()).not.toContainEqual(expect.objectContaining({ id }));

    const again = await open();
    expect((await view(again.cookie, '/webhooks')).status).toBe(200);
    const other = `/operator/tenants/${theirs.tenant.clientId}/links/${again.id}`;
    expect((await operator('DELETE', other)).status).toBe(404);
    expect((await operator('DELETE', `${base}/${again.id}`)).status).toBe(204);
    expect((await operator('DELETE', `${base}/${again.id}`)).status).toBe(404);
    expect((await view(again.cookie, '/webhooks')).status).toBe(401);

    const audit = await operator('GET', `/operator/audit?subject=tenant:${ours.tenant.clientId}&limit=500`);
    expect(audit.text).toContain('tenant_link.create');
    expect(audit.text).toContain('tenant_link.delete');
    expect(audit.text).not.toContain(secret);
    expect((await operator('POST', `/operator/tenants/${randomUUID()}/links`)).status).toBe(404);
    expect((await operator('POST', base, { body: { expires_in_minutes: 1441 } })).status).toBe(400);

    const last = await open();
    await operator('DELETE', `/operator/tenants/${ours.tenant.clientId}`);
    expect((await view(last.cookie, '/webhooks')).status).toBe(401);
  });

  it('ends with the operator token that made it', async () => {
    const made = await operator('POST', '/operator/tokens', { body: { name: 'desk', role: 'operate' } });
    const target = `/operator/tenants/${theirs.tenant.clientId}/links`;
    const link = await api.call({ method: 'POST', target, token: text(made.json, 'token') });
    expect(link.json).toMatchObject({ made_by: 'operator:desk' });
    const opened = await api.call({ target: new URL(text(link.json, 'url')).pathname });
    const cookie = opened.headers['set-cookie']?.split(';')[0] ?? '';
    expect((await view(cookie, '/webhooks')).text).toContain(theirs.webhook);
    await operator('DELETE', `/operator/tokens/${text(made.json, 'id')}`);
    expect((await view(cookie, '/webhooks')).status).toBe(401);
  });
});
