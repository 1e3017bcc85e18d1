// What the pages of the dashboard ask, page by page: every call of `packages/dashboard/src/page`, with each filter, with
// pages behind the first, for an ordinary and for a difficult webhook, tenant and event.

import type postgres from 'postgres';
import type { RunningService } from './bed.ts';
import { absentType, rareType } from './dashboard-data.ts';

export interface Call {
  readonly page: string;
  readonly what: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
}

interface Things {
  readonly quiet: string;
  readonly blocked: string;
  readonly behind: string;
  readonly disabled: string;
  /** Of the first page of the list. */
  readonly shown: readonly string[];
  readonly tenant: string;
  readonly bigTenant: string;
  readonly event: { readonly id: string; readonly client_id: string };
  readonly oldEvent: { readonly id: string; readonly client_id: string };
  readonly attempt: string;
  readonly failedAttempt: { readonly id: string; readonly webhook_id: string; readonly package_id: string };
}

export async function callsOfPages(sql: postgres.Sql, service: RunningService): Promise<Call[]> {
  const it = await findThings(sql);
  const get = (page: string, what: string, path: string): Call => ({
    page,
    what,
    method: 'GET',
    path: `/operator${path}`,
  });
  /** The page after the given number of pages. */
  const behind = async (page: string, what: string, path: string, pages = 1): Promise<Call[]> => {
    let at = path;
    for (let turn = 0; turn < pages; turn += 1) {
      const { next_cursor: next } = await service.operator<{ next_cursor: string | null }>('GET', `/operator${at}`);
      if (next === null) return [];
      at = `${path}&cursor=${next}`;
    }
    return [get(page, what, at)];
  };
  const dayAgo = new Date(Date.now() - 86_400_000).toISOString();
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000).toISOString();
  const replay = (what: string, id: string, body: object): Call => ({
    ...{ page: 'webhook', what, method: 'POST', path: `/operator/webhooks/${id}/replay` },
    body: { ...body, dry_run: true },
  });
  const { event, oldEvent, failedAttempt: failed } = it;
  return [
    get('shell', 'who is signed in', '/session'),
    get('shell', "the stream's first message", '/stream'),

    get('now', 'overview', '/overview'),
    get('now', 'chart of 15 min', '/rollups?range=15m'),
    get('now', 'chart of 1 h', '/rollups?range=1h'),
    get('now', 'chart of 24 h', '/rollups?range=24h'),

    get('webhooks', 'all', '/webhooks?limit=50'),
    ...(await behind('webhooks', 'all, page 2', '/webhooks?limit=50')),
    ...(await behind('webhooks', 'all, page 100', '/webhooks?limit=50', 99)),
    get('webhooks', 'retrying', '/webhooks?limit=50&blocked=true&enabled=true'),
    ...(await behind('webhooks', 'retrying, page 2', '/webhooks?limit=50&blocked=true&enabled=true')),
    get('webhooks', 'waiting or catching up', '/webhooks?limit=50&behind=true'),
    ...(await behind('webhooks', 'waiting or catching up, page 2', '/webhooks?limit=50&behind=true')),
    get('webhooks', 'disabled', '/webhooks?limit=50&enabled=false'),
    get('webhooks', 'search, many found', '/webhooks?limit=50&search=hooks9'),
    get('webhooks', 'search, none found', '/webhooks?limit=50&search=no-such-thing'),
    get('webhooks', 'search among retrying', '/webhooks?limit=50&blocked=true&enabled=true&search=hooks9'),
    get('webhooks', 'last 24 h of 50', `/webhooks/activity?webhook_ids=${it.shown.join(',')}`),
    get('webhooks', 'of one tenant', `/webhooks?limit=50&client_id=${it.bigTenant}`),

    ...(['quiet', 'blocked', 'behind', 'disabled'] as const).flatMap((state) => [
      get('webhook', `${state}: the webhook`, `/webhooks/${it[state]}`),
      get('webhook', `${state}: attempts`, `/attempts?webhook_id=${it[state]}&limit=50`),
    ]),
    get('webhook', 'chart of 1 h', `/webhooks/${it.quiet}/history?range=1h`),
    get('webhook', 'chart of 24 h', `/webhooks/${it.blocked}/history?range=24h`),
    get('webhook', 'skipped ranges', `/webhooks/${it.blocked}/parked?limit=20`),
    get('webhook', 'its audit trail', `/audit?subject=webhook:${it.blocked}&limit=20`),
    get('webhook', 'audit trail of one without changes', `/audit?subject=webhook:${crypto.randomUUID()}&limit=20`),
    replay('replay of a day, counted', it.blocked, { since: dayAgo }),
    replay('replay from the oldest event, counted', it.quiet, { event_id: oldEvent.id }),

    get('attempts', 'all', '/attempts?limit=50'),
    ...(await behind('attempts', 'all, page 20', '/attempts?limit=50', 19)),
    get('attempts', 'failed', '/attempts?ok=false&limit=50'),
    ...(await behind('attempts', 'failed, page 20', '/attempts?ok=false&limit=50', 19)),
    get('attempts', 'of a webhook', `/attempts?webhook_id=${it.quiet}&limit=50`),
    get('attempts', 'failed of a webhook', `/attempts?webhook_id=${it.quiet}&ok=false&limit=50`),
    get('attempt', 'a good one', `/attempts/${it.attempt}`),
    get('attempt', 'a failed one', `/attempts/${failed.id}`),
    get(
      'attempt',
      'others of its package',
      `/attempts?webhook_id=${failed.webhook_id}&package_id=${failed.package_id}&limit=50`,
    ),

    get('events', 'newest', '/events?limit=50'),
    ...(await behind('events', 'newest, page 20', '/events?limit=50', 19)),
    get('events', 'by id', `/events?id=${oldEvent.id}&limit=50`),
    get('events', 'by an id that is not there', `/events?id=${crypto.randomUUID()}&limit=50`),
    get('events', 'by category', '/events?type=ORDER&limit=50'),
    get('events', 'by a rare type', `/events?type=${rareType}&limit=50`),
    ...(await behind('events', 'by a rare type, page 2', `/events?type=${rareType}&limit=50`)),
    get('events', 'by a type that never occurs', `/events?type=${absentType}&limit=50`),
    ...(await behind('events', 'by a type that never occurs, page 2', `/events?type=${absentType}&limit=50`)),
    get('events', 'of a tenant', `/events?client_id=${it.tenant}&limit=50`),
    get(
      'events',
      'of a tenant, by a type that never occurs',
      `/events?client_id=${it.tenant}&type=${absentType}&limit=50`,
    ),
    get(
      'events',
      'of a tenant, by the id of an object',
      `/events?client_id=${it.tenant}&object_id=${crypto.randomUUID()}&limit=50`,
    ),
    get('events', 'of a tenant that is not there', `/events?client_id=${crypto.randomUUID()}&limit=50`),
    get('events', 'since a day', `/events?since=${dayAgo}&limit=50`),
    get('events', 'until a day ago', `/events?until=${dayAgo}&limit=50`),
    get(
      'events',
      'a day, by a type that never occurs',
      `/events?since=${twoDaysAgo}&until=${dayAgo}&type=${absentType}&limit=50`,
    ),
    get('event', 'a new one', `/events/${event.id}?client_id=${event.client_id}`),
    get('event', 'the oldest one', `/events/${oldEvent.id}?client_id=${oldEvent.client_id}`),
    get('event', 'without its tenant', `/events/${oldEvent.id}`),

    get('tenants', 'all', '/tenants?limit=50'),
    ...(await behind('tenants', 'page 10', '/tenants?limit=50', 9)),
    get('tenant', 'the tenant', `/tenants/${it.tenant}`),
    get('tenant', 'its keys', `/tenants/${it.tenant}/keys?limit=100`),
    get('tenant', 'its links', `/tenants/${it.tenant}/links`),
    get('tenant', 'its refused calls', `/tenants/${it.tenant}/refused-calls`),
    get('tenant', 'its webhooks', `/webhooks?client_id=${it.tenant}&limit=50`),
    get('tenant', 'its last delivery', `/attempts?client_id=${it.tenant}&kind=delivery&ok=true&limit=1`),
    get(
      'tenant',
      'last delivery of one without',
      `/attempts?client_id=${crypto.randomUUID()}&kind=delivery&ok=true&limit=1`,
    ),

    get('system', 'the service', '/system'),
    get('system', 'signing keys', '/signing-keys?limit=10'),
    get('system', 'audit trail', '/audit?limit=25'),
    ...(await behind('system', 'audit trail, page 20', '/audit?limit=25', 19)),
    get('system', 'operator tokens', '/tokens'),

    get('try', 'event types', '/event-types'),
    get('try', 'tenants', '/tenants?limit=100'),
    get('try', 'an example', '/event-types/ORDER.FILLED/example'),
    get('try', 'the way of an event', `/events/${event.id}?client_id=${event.client_id}`),
  ];
}

async function findThings(sql: postgres.Sql): Promise<Things> {
  const one = async <Row extends object>(text: string): Promise<Row> => {
    const [row] = await sql.unsafe<Row[]>(text);
    if (!row) throw new TypeError(`Nothing found by ${text}`);
    return row;
  };
  const webhook = async (condition: string): Promise<string> =>
    (await one<{ id: string }>(`select id from webhooks where ${condition} order by cursor nulls last, id limit 1`)).id;
  const quiet = await webhook('cursor is null');
  const tenant = (await one<{ client_id: string }>(`select client_id from webhooks where id = '${quiet}'`)).client_id;
  const ofTenant = `from events where partition = (select partition from tenants where client_id = '${tenant}') and client_id = '${tenant}'`;
  return {
    quiet,
    blocked: await webhook('blocked_since is not null'),
    behind: await webhook('blocked_since is null and enabled and cursor is not null'),
    disabled: await webhook('not enabled'),
    shown: (await sql<{ id: string }[]>`select id from webhooks order by created_at, id limit 50`).map(({ id }) => id),
    tenant,
    bigTenant: (
      await one<{ client_id: string }>('select client_id from webhooks group by 1 order by count(*) desc, 1 limit 1')
    ).client_id,
    event: await one(`select id, client_id ${ofTenant} order by event_offset desc limit 1`),
    oldEvent: await one(`select id, client_id ${ofTenant} order by event_offset limit 1`),
    attempt: (await one<{ id: string }>('select id from attempts where ok order by started_at desc limit 1')).id,
    failedAttempt: await one(
      'select a.id, a.webhook_id, a.package_id from attempts a join webhooks w on w.pending_id = a.package_id order by a.started_at limit 1',
    ),
  };
}
