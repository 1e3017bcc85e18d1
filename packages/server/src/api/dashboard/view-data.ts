// What a tenant link shows: the tenant's own webhooks, attempts and events, to read. Every question to the database carries
// the client id of the link, never one that the caller names; what is another tenant's does not exist here (404).
//
// Left out of the operator's answers is what tells of others: partitions, offsets and heads, which all tenants of a
// partition move together, and who did what. Cursors name rows of the tenant, or a time.

import { z } from 'zod';
import { hashToken } from '../../keys/client-secrets.ts';
import { findAttempt, listAttempts } from '../../store/attempts.ts';
import { searchEvents } from '../../store/event-search.ts';
import { searchObject } from '../../store/object-search.ts';
import { type EventRow, findEvents } from '../../store/operator-events.ts';
import { listOperatorWebhooks, type OperatorWebhookRow } from '../../store/operator-webhooks.ts';
import { findTenantLink } from '../../store/tenant-links.ts';
import { lastOffsetBefore, listParked, offsetOfEvent } from '../../store/webhook-position.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { isUuid, uuidSchema } from '../ids.ts';
import { isStorableText } from '../input.ts';
import { attemptDetail, attemptDetailSchema, attemptSchema, showAttempt } from '../operator/attempts.ts';
import {
  asListed,
  eventDetailSchema,
  eventSchema,
  eventTypeQuery,
  objectIdQuery,
  searchedBackTo,
  showEvent,
  waySchema,
  waysOf,
  withOwnText,
} from '../operator/events.ts';
import {
  booleanQuery,
  decodeCursor,
  instantQuery,
  isDatabaseTime,
  page,
  pageQuery,
  pageSchema,
  parseCursor,
} from '../operator/paging.ts';
import {
  activityQuery,
  activitySchema,
  historyQuery,
  historySchema,
  webhookActivity,
  webhookHistory,
} from '../operator/webhook-history.ts';
import { operatorWebhookSchema, showWebhook } from '../operator/webhook-view.ts';
import { noWebhook, parkedSchema, showParked, webhookParams } from '../operator/webhooks.ts';
import { tokenCheck } from '../operator-access.ts';
import { problem } from '../problem.ts';
import { type Answer, type Call, type Route, route, type Tenant } from '../route.ts';
import { clearedViewCookie, readViewCookie } from '../session-cookie.ts';

const webhookSchema = operatorWebhookSchema
  .omit({ partition: true, cursor: true, head: true, muted_until: true })
  .extend({ pending: z.strictObject({ package_id: z.uuid().nullable() }).nullable() });
const ownAttemptSchema = attemptSchema.omit({ partition: true, first_offset: true, last_offset: true });
const ownAttemptDetailSchema = attemptDetailSchema
  .omit({ partition: true, first_offset: true, last_offset: true })
  .extend({ events: z.array(z.strictObject({ id: z.uuid(), type: z.string(), created_at: z.string() })).nullable() });
const ownEventSchema = eventSchema.omit({ partition: true, offset: true });
const ownEventDetailSchema = eventDetailSchema
  .omit({ partition: true, offset: true })
  .extend({ webhooks: z.array(waySchema.extend({ attempts: z.array(ownAttemptSchema) })) });
const ownParkedSchema = parkedSchema.omit({ first_offset: true, last_offset: true });

function ownWebhook(row: OperatorWebhookRow, nowMs: number): z.infer<typeof webhookSchema> {
  const { partition: _, cursor: __, head: ___, muted_until: ____, pending, ...own } = showWebhook(row, nowMs);
  return { ...own, pending: pending && { package_id: pending.package_id } };
}

function ownAttempt(attempt: z.infer<typeof attemptSchema>): z.infer<typeof ownAttemptSchema> {
  const { partition: _, first_offset: __, last_offset: ___, ...own } = attempt;
  return own;
}

function ownEvent(row: EventRow): z.infer<typeof ownEventSchema> {
  const { partition: _, offset: __, ...own } = showEvent(row);
  return own;
}

/** What the link is for; never from the request. */
function tenantOf({ tenant }: Pick<Call<unknown, unknown, unknown>, 'tenant'>): Tenant {
  if (!tenant) throw new TypeError('A route of a tenant link was called without its tenant');
  return tenant;
}

const read = { method: 'GET', access: 'link', isPage: true } as const;
const eventPageSchema = z.strictObject({ ...pageSchema(ownEventSchema).shape, searched_back_to: searchedBackTo });
const noCursor = (): Answer => problem('bad_request', 'cursor: is not one of this list');

export function viewDataRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;

  const findWebhook = async (tenant: Tenant, id: string, withLag = true) =>
    (await listOperatorWebhooks(database, { id, clientId: tenant.clientId, limit: 1, withLag }))[0];

  return [
    route({
      ...read,
      path: '/view/api/session',
      operationId: 'view_session',
      summary: 'Whose view it is, until when',
      responses: {
        200: {
          description: 'The link',
          schema: z.strictObject({ client_id: z.uuid(), tenant: z.string(), expires_at: z.iso.datetime() }),
        },
      },
      async handle({ headers }) {
        const secret = readViewCookie(headers, deps.config.publicUrl) ?? '';
        const link = await findTenantLink(database, hashToken(secret), tokenCheck(deps));
        if (!link) return problem('unauthorised', 'The link has ended: ask for a new one');
        const { client_id, tenant, expires_at } = link;
        return { status: 200, body: { client_id, tenant, expires_at: expires_at.toISOString() } };
      },
    }),

    route({
      ...read,
      method: 'DELETE',
      path: '/view/api/session',
      operationId: 'leave_view',
      summary: 'Forget the link in this browser',
      responses: { 204: { description: 'Forgotten', schema: null } },
      handle: async ({ headers }) => ({ status: 204, headers: { 'set-cookie': clearedViewCookie(headers) } }),
    }),

    route({
      ...read,
      path: '/view/api/webhooks',
      operationId: 'view_webhooks',
      summary: "The tenant's webhooks with their state",
      query: z.strictObject({
        ...pageQuery,
        enabled: booleanQuery.optional(),
        blocked: booleanQuery.optional(),
        behind: booleanQuery.optional(),
        search: z.string().min(1).max(200).refine(isStorableText, 'must be plain text').optional(),
      }),
      responses: { 200: { description: 'A page', schema: pageSchema(webhookSchema) } },
      async handle({ query, tenant }) {
        const { cursor, limit, ...filter } = query;
        const after = cursor === undefined ? undefined : decodeCursor(cursor);
        if (cursor !== undefined && !after) return noCursor();
        const rows = await listOperatorWebhooks(database, {
          ...filter,
          clientId: tenantOf({ tenant }).clientId,
          after,
          limit: limit + 1,
        });
        const now = deps.now();
        const positionOf = (row: OperatorWebhookRow) => ({ at: row.created_text, id: row.id });
        return { status: 200, body: page(rows, limit, positionOf, (row) => ownWebhook(row, now)) };
      },
    }),

    route({
      ...read,
      path: '/view/api/webhooks/activity',
      operationId: 'view_activity',
      summary: 'How the last 24 hours of some webhooks went',
      query: activityQuery,
      responses: { 200: { description: 'Those with attempts', schema: activitySchema } },
      async handle({ query, tenant }) {
        return { status: 200, body: await webhookActivity(deps, query.webhook_ids, tenantOf({ tenant }).clientId) };
      },
    }),

    route({
      ...read,
      path: '/view/api/webhooks/{webhook_id}',
      operationId: 'view_webhook',
      summary: 'One webhook with its state',
      params: webhookParams,
      responses: { 200: { description: 'The webhook', schema: webhookSchema } },
      async handle({ params, tenant }) {
        const row = await findWebhook(tenantOf({ tenant }), params.webhook_id);
        return row ? { status: 200, body: ownWebhook(row, deps.now()) } : noWebhook(params.webhook_id);
      },
    }),

    route({
      ...read,
      path: '/view/api/webhooks/{webhook_id}/history',
      operationId: 'view_history',
      summary: 'Attempts and lag of a webhook over time',
      params: webhookParams,
      query: historyQuery,
      responses: { 200: { description: 'Steps, oldest first', schema: historySchema } },
      async handle({ params, query, tenant }) {
        const row = await findWebhook(tenantOf({ tenant }), params.webhook_id);
        if (!row) return noWebhook(params.webhook_id);
        return { status: 200, body: await webhookHistory(deps, row, query.range) };
      },
    }),

    route({
      ...read,
      path: '/view/api/webhooks/{webhook_id}/parked',
      operationId: 'view_parked',
      summary: 'What was skipped, newest first',
      params: webhookParams,
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(ownParkedSchema) } },
      async handle({ params, query, tenant }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return noCursor();
        if (!(await findWebhook(tenantOf({ tenant }), params.webhook_id, false))) return noWebhook(params.webhook_id);
        const rows = await listParked(database, params.webhook_id, { limit: query.limit + 1, before });
        const body = page(
          rows,
          query.limit,
          (row) => ({ at: row.parked_text, id: row.id }),
          (row) => {
            const { first_offset: _, last_offset: __, ...own } = showParked(row);
            return own;
          },
        );
        return { status: 200, body };
      },
    }),

    route({
      ...read,
      path: '/view/api/attempts',
      operationId: 'view_attempts',
      summary: 'Attempts, newest first',
      query: z.strictObject({
        ...pageQuery,
        webhook_id: uuidSchema.optional(),
        package_id: uuidSchema.optional(),
        ok: booleanQuery.optional(),
      }),
      responses: { 200: { description: 'A page', schema: pageSchema(ownAttemptSchema) } },
      async handle({ query, tenant }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return noCursor();
        const rows = await listAttempts(database, {
          clientId: tenantOf({ tenant }).clientId,
          webhookId: query.webhook_id,
          packageId: query.package_id,
          ok: query.ok,
          before,
          limit: query.limit + 1,
        });
        const body = page(
          rows,
          query.limit,
          (row) => ({ at: row.started_text, id: row.id }),
          (row) => ownAttempt(showAttempt(row)),
        );
        return { status: 200, body };
      },
    }),

    route({
      ...read,
      path: '/view/api/attempts/{attempt_id}',
      operationId: 'view_attempt',
      summary: 'One attempt: what was signed, sent and answered',
      params: z.strictObject({ attempt_id: uuidSchema }),
      responses: { 200: { description: 'The attempt', schema: ownAttemptDetailSchema } },
      async handle({ params, tenant }) {
        const row = await findAttempt(database, params.attempt_id);
        if (row?.client_id !== tenantOf({ tenant }).clientId) {
          return problem('not_found', `There is no attempt ${params.attempt_id}`);
        }
        const { partition: _, first_offset: __, last_offset: ___, events, ...own } = await attemptDetail(deps, row);
        const inside = events?.map(({ id, type, created_at }) => ({ id, type, created_at }));
        return { status: 200, body: { ...own, events: inside ?? null } };
      },
    }),

    route({
      ...read,
      path: '/view/api/events',
      operationId: 'view_events',
      summary: "The tenant's events, newest first",
      query: z.strictObject({
        ...pageQuery,
        id: uuidSchema.optional(),
        type: eventTypeQuery.optional(),
        object_id: objectIdQuery.optional(),
        since: instantQuery.optional(),
        until: instantQuery.optional(),
      }),
      responses: { 200: { description: 'A page', schema: eventPageSchema } },
      async handle({ query, tenant }) {
        const { clientId, partition } = tenantOf({ tenant });
        const { id, object_id: objectId, cursor, limit, type, since, until } = query;
        if (id !== undefined) {
          const found = await findEvents(database, id, clientId);
          const data = found.map((row) => ownEvent(asListed(row)));
          return { status: 200, body: { data, next_cursor: null, searched_back_to: null } };
        }
        const below = cursor === undefined ? undefined : await belowOf(cursor, clientId, partition);
        if (cursor !== undefined && below === undefined) return noCursor();
        if (objectId !== undefined) {
          const search = { clientId, partition, objectId, type, since, until, below, limit };
          const { rows, searchedBackTo: back } = await searchObject(database, search);
          const last = rows.length === limit ? rows.at(-1) : undefined;
          const next = back === undefined ? null : encode(last ? ['id', last.id] : ['at', back.toISOString()]);
          const body = { data: rows.map(ownEvent), next_cursor: next, searched_back_to: back?.toISOString() ?? null };
          return { status: 200, body };
        }
        const position = below === undefined ? undefined : new Map([[partition, below]]);
        const { rows, more } = await searchEvents(database, { clientId, type, since, until, below: position, limit });
        const last = rows.length === limit ? rows.at(-1) : undefined;
        const back = more?.searchedBackTo;
        // Of the millisecond that ends a short page nothing is left.
        const place = last
          ? (['id', last.id] as const)
          : back && (['at', new Date(back.getTime() - 1).toISOString()] as const);
        const body = { data: rows.map(ownEvent), next_cursor: back && place ? encode(place) : null };
        return { status: 200, body: { ...body, searched_back_to: back?.toISOString() ?? null } };
      },
    }),

    route({
      ...read,
      path: '/view/api/events/{event_id}',
      operationId: 'view_event',
      summary: 'One event and its way to each webhook',
      params: z.strictObject({ event_id: uuidSchema }),
      responses: { 200: { description: 'The event', schema: ownEventDetailSchema } },
      async handle({ params, tenant }) {
        const { clientId } = tenantOf({ tenant });
        const [event] = await findEvents(database, params.event_id, clientId);
        if (!event) return problem('not_found', `The log holds no event ${params.event_id}`);
        const ways = await waysOf(database, event);
        const webhooks = ways.map(({ attempts, ...way }) => ({ ...way, attempts: attempts.map(ownAttempt) }));
        return withOwnText(event, { client_id: clientId, appended_at: event.appended_at.toISOString(), webhooks });
      },
    }),
  ];

  async function belowOf(cursor: string, clientId: string, partition: number): Promise<number | undefined> {
    const value = parseCursor(cursor);
    if (!Array.isArray(value) || value.length !== 2) return undefined;
    const [kind, place]: unknown[] = value;
    if (typeof place !== 'string') return undefined;
    if (kind === 'id' && isUuid(place)) return offsetOfEvent(database, clientId, place);
    const atMs = Date.parse(place);
    // Of the millisecond that was looked at last, some may not have been.
    if (kind === 'at' && isDatabaseTime(atMs)) {
      return (await lastOffsetBefore(database, partition, new Date(atMs + 1))) + 1;
    }
    return undefined;
  }
}

function encode(place: readonly ['id' | 'at', string]): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}
