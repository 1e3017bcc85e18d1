// Operator API, events of the log: searched newest first, and one with its way to each webhook of its tenant.

import { matches } from '@bellhop/events';
import { z } from 'zod';
import { createdAtOf } from '../../delivery/package.ts';
import { type AttemptRow, attemptsOfOffset } from '../../store/attempts.ts';
import type { Database } from '../../store/database.ts';
import { searchEvents } from '../../store/event-search.ts';
import { objectIdPattern, searchObject } from '../../store/object-search.ts';
import { type EventRow, type FullEventRow, findEvents } from '../../store/operator-events.ts';
import { listOperatorWebhooks, type OperatorWebhookRow } from '../../store/operator-webhooks.ts';
import { findTenant } from '../../store/tenants.ts';
import { parkedOfOffset } from '../../store/webhook-position.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { attemptSchema, showAttempt } from './attempts.ts';
import { instantQuery, pageQuery, pageSchema, parseCursor } from './paging.ts';

/** Webhooks and attempts shown with one event. */
const maxWebhooks = 1_000;
const maxAttempts = 50;
/** Attempts are dated by a worker's clock, events by the database's. */
const clockSkewMs = 60_000;

const place = {
  client_id: z.uuid(),
  partition: z.int(),
  offset: z.int(),
  appended_at: z.iso.datetime(),
};

export const eventSchema = z.strictObject({
  id: z.uuid(),
  created_at: z.string(),
  type: z.string(),
  ...place,
  bytes: z.int().describe('Of the event as stored.'),
});

const wayStates = ['delivered', 'waiting', 'retrying', 'skipped', 'not matching', 'before start'] as const;
type WayState = (typeof wayStates)[number];

export const waySchema = z.strictObject({
  webhook_id: z.uuid(),
  title: z.string(),
  url: z.string(),
  enabled: z.boolean(),
  state: z
    .enum(wayStates)
    .describe('By the filter of today. before start: published before the webhook was first enabled.'),
  delivered_at: z.iso
    .datetime()
    .nullable()
    .describe('The last success; null also when its attempt is not kept any more.'),
  next_attempt_at: z.iso.datetime().nullable(),
  package_id: z.uuid().nullable(),
  attempts: z.array(attemptSchema).describe('Newest first.'),
});

export const eventDetailSchema = z.strictObject({
  id: z.uuid(),
  created_at: z.string(),
  type: z.string(),
  object: z.looseObject({}).describe('As it was published.'),
  ...place,
  webhooks: z.array(waySchema),
});

export const eventTypeQuery = z.string().regex(/^[A-Z_]+(\.[A-Z_]+)?$/, 'must be CATEGORY.ACTION or CATEGORY');
export const objectIdQuery = z.string().regex(objectIdPattern, 'must be 1 to 200 letters without quotes and spaces');
export const searchedBackTo = z.iso
  .datetime()
  .nullable()
  .describe(
    'How far back was looked; next_cursor goes on from there, after a short or empty page too. null: to the beginning.',
  );

export function eventRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/events',
      access: 'operator',
      operationId: 'listEvents',
      problems: [404],
      summary: 'Search the log, newest first',
      query: z.strictObject({
        ...pageQuery,
        cursor: z.string().max(50_000).optional().describe('The next_cursor of the page before.'),
        id: uuidSchema.optional(),
        client_id: uuidSchema.optional(),
        type: eventTypeQuery.optional(),
        object_id: objectIdQuery.optional().describe("The event's object.id; needs client_id."),
        since: instantQuery.optional().describe('Appended at or after.'),
        until: instantQuery.optional().describe('Appended before.'),
      }),
      responses: { 200: { description: 'A page', schema: eventPageSchema } },
      async handle({ query }) {
        if (query.id !== undefined) {
          const found = await findEvents(database, query.id, query.client_id);
          const data = found.map((row) => showEvent(asListed(row)));
          return { status: 200, body: { data, next_cursor: null, searched_back_to: null } };
        }
        const below = query.cursor === undefined ? undefined : decodeBelow(query.cursor);
        if (query.cursor !== undefined && !below) return problem('bad_request', 'cursor: is not one of this list');
        if (query.object_id !== undefined) return byObject(query, query.object_id, below);
        const { rows, more } = await searchEvents(database, {
          clientId: query.client_id,
          type: query.type,
          since: query.since,
          until: query.until,
          below,
          limit: query.limit,
        });
        const cursor = more ? encodeCursor(more.below) : null;
        const back = more?.searchedBackTo.toISOString() ?? null;
        return { status: 200, body: { data: rows.map(showEvent), next_cursor: cursor, searched_back_to: back } };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/events/{event_id}',
      access: 'operator',
      operationId: 'getEvent',
      problems: [409],
      summary: 'Read an event and its way to each webhook of its tenant',
      params: z.strictObject({ event_id: uuidSchema }),
      query: z.strictObject({ client_id: uuidSchema.optional().describe('Needed when several tenants use the id.') }),
      responses: { 200: { description: 'The event', schema: eventDetailSchema } },
      async handle({ params, query }) {
        const [event, another] = await findEvents(database, params.event_id, query.client_id);
        if (!event) return problem('not_found', `The log holds no event ${params.event_id}`);
        if (another) return problem('conflict', 'client_id: several tenants published this id');
        const rest = {
          client_id: event.client_id,
          partition: event.partition,
          offset: event.event_offset,
          appended_at: event.appended_at.toISOString(),
          webhooks: await waysOf(database, event),
        };
        return withOwnText(event, rest);
      },
    }),
  ];

  async function byObject(
    query: {
      readonly client_id?: string | undefined;
      readonly type?: string | undefined;
      readonly since?: Date | undefined;
      readonly until?: Date | undefined;
      readonly limit: number;
    },
    objectId: string,
    below: ReadonlyMap<number, number> | undefined,
  ): Promise<Answer> {
    const { client_id: clientId, type, since, until, limit } = query;
    if (clientId === undefined) return problem('bad_request', 'client_id: is required with object_id');
    const tenant = await findTenant(database, clientId);
    if (!tenant) return problem('not_found', `client_id: there is no tenant ${clientId}`);
    const { partition } = tenant;
    const found = await searchObject(database, {
      ...{ clientId, partition, objectId, type, since, until, limit },
      below: below?.get(partition),
    });
    const cursor = found.below === undefined ? null : encodeCursor(new Map([[partition, found.below]]));
    const back = found.searchedBackTo?.toISOString() ?? null;
    return { status: 200, body: { data: found.rows.map(showEvent), next_cursor: cursor, searched_back_to: back } };
  }
}

const eventPageSchema = z.strictObject({ ...pageSchema(eventSchema).shape, searched_back_to: searchedBackTo });

/** To each webhook of its tenant. */
export async function waysOf(database: Database, event: FullEventRow): Promise<z.infer<typeof waySchema>[]> {
  const webhooks = await listOperatorWebhooks(database, {
    clientId: event.client_id,
    limit: maxWebhooks,
    // What waits behind each webhook does not matter here.
    withLag: false,
  });
  const ids = webhooks.map(({ id }) => id);
  const since = new Date(event.appended_at.getTime() - clockSkewMs);
  const [attempts, parked] = await Promise.all([
    attemptsOfOffset(database, ids, event.event_offset, since, maxAttempts),
    parkedOfOffset(database, ids, event.event_offset),
  ]);
  return webhooks.map((webhook) => showWay(event, webhook, attempts.get(webhook.id) ?? [], parked.has(webhook.id)));
}

function showWay(
  event: FullEventRow,
  webhook: OperatorWebhookRow,
  attempts: readonly AttemptRow[],
  isParked: boolean,
): z.infer<typeof waySchema> {
  const success = attempts.find((attempt) => attempt.ok);
  const state = wayState(event, webhook, success !== undefined, isParked);
  const isShown = state !== 'not matching';
  const delivered = success && new Date(success.started_at.getTime() + success.duration_ms);
  return {
    webhook_id: webhook.id,
    title: webhook.title,
    url: webhook.url,
    enabled: webhook.enabled,
    state,
    delivered_at: isShown && delivered ? delivered.toISOString() : null,
    next_attempt_at: state === 'retrying' ? (webhook.next_attempt_at?.toISOString() ?? null) : null,
    package_id: isShown ? (attempts[0]?.package_id ?? null) : null,
    // A package reaches over events that did not match.
    attempts: isShown ? attempts.map(showAttempt) : [],
  };
}

function wayState(event: FullEventRow, webhook: OperatorWebhookRow, succeeded: boolean, isParked: boolean): WayState {
  const offset = event.event_offset;
  const { pending_first: first, pending_last: last, started_at: startedAt } = webhook;
  const filter = { type: webhook.type, exclude_type: webhook.exclude_type ?? undefined };
  if (!matches(filter, event.type)) return 'not matching';
  if (first !== null && last !== null && first <= offset && offset <= last) return 'retrying';
  if (startedAt !== null && offset > webhook.position) return 'waiting';
  if (succeeded) return 'delivered';
  if (isParked) return 'skipped';
  if (startedAt === null || event.appended_at < startedAt) return 'before start';
  return 'delivered';
}

/** The event's own text, so that its numbers and escapes are shown as they will be sent, and more members after it. */
export function withOwnText(event: FullEventRow, rest: Readonly<Record<string, unknown>>): Answer {
  const text = `${event.body.slice(0, -1)},${JSON.stringify(rest).slice(1)}`;
  return {
    status: 200,
    response: new Response(text, { status: 200, headers: { 'content-type': 'application/json' } }),
  };
}

export function asListed({ body, ...row }: FullEventRow): EventRow {
  return { ...row, beginning: body.slice(0, 160), bytes: Buffer.byteLength(body) };
}

export function showEvent(row: EventRow): z.infer<typeof eventSchema> {
  return {
    id: row.id,
    created_at: createdAtOf(row.beginning),
    type: row.type,
    client_id: row.client_id,
    partition: row.partition,
    offset: row.event_offset,
    appended_at: row.appended_at.toISOString(),
    bytes: row.bytes,
  };
}

/** A page of this list ends at another offset in each partition. */
function encodeCursor(below: ReadonlyMap<number, number>): string {
  return Buffer.from(JSON.stringify([...below])).toString('base64url');
}

function decodeBelow(text: string): ReadonlyMap<number, number> | undefined {
  const value = parseCursor(text);
  if (!Array.isArray(value)) return undefined;
  const below = new Map<number, number>();
  for (const pair of value) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    const [partition, offset]: unknown[] = pair;
    if (typeof partition !== 'number' || !Number.isSafeInteger(partition)) return undefined;
    if (typeof offset !== 'number' || !Number.isSafeInteger(offset)) return undefined;
    below.set(partition, offset);
  }
  return below;
}
