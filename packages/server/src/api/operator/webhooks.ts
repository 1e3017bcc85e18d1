// Operator API, reading webhooks: which are there, what each is doing and why. Acting on one is in `webhook-actions.ts`.

import { z } from 'zod';
import type { Queryable } from '../../store/database.ts';
import { listOperatorWebhooks } from '../../store/operator-webhooks.ts';
import { findPosition, listParked, type ParkedRow } from '../../store/webhook-position.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { isStorableText } from '../input.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { booleanQuery, decodeCursor, page, pageQuery, pageSchema } from './paging.ts';
import { operatorWebhookSchema, showWebhook } from './webhook-view.ts';

export const webhookParams = z.strictObject({ webhook_id: uuidSchema });

export const parkedSchema = z.strictObject({
  id: z.uuid(),
  first_offset: z.int(),
  last_offset: z.int(),
  events: z.int(),
  reason: z.string().nullable().describe('Why it was blocked; replay: a replay jumped over it.'),
  parked_at: z.iso.datetime(),
});

export function noWebhook(id: string): Answer {
  return problem('not_found', `There is no webhook ${id}`);
}

/** The webhook as it is now; undefined when there is none. */
export async function readOperatorWebhook(
  db: Queryable,
  id: string,
  nowMs: number,
): Promise<z.infer<typeof operatorWebhookSchema> | undefined> {
  const [row] = await listOperatorWebhooks(db, { id, limit: 1 });
  return row && showWebhook(row, nowMs);
}

export function showParked(row: ParkedRow): z.infer<typeof parkedSchema> {
  return {
    id: row.id,
    first_offset: row.first_offset,
    last_offset: row.last_offset,
    events: row.event_count,
    reason: row.reason,
    parked_at: row.parked_at.toISOString(),
  };
}

export function operatorWebhookRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/webhooks',
      access: 'operator',
      operationId: 'listOperatorWebhooks',
      summary: 'List the webhooks of all tenants with their state, oldest first',
      query: z.strictObject({
        ...pageQuery,
        client_id: uuidSchema.optional(),
        enabled: booleanQuery.optional(),
        blocked: booleanQuery.optional().describe('true: only those whose last package failed.'),
        behind: booleanQuery.optional().describe('true: only those with undelivered events that are not blocked.'),
        search: z
          .string()
          .min(1)
          .max(200)
          .refine(isStorableText, 'must be plain text')
          .optional()
          .describe('In title or URL.'),
      }),
      responses: { 200: { description: 'A page', schema: pageSchema(operatorWebhookSchema) } },
      async handle({ query }) {
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        const rows = await listOperatorWebhooks(database, {
          clientId: query.client_id,
          enabled: query.enabled,
          blocked: query.blocked,
          behind: query.behind,
          search: query.search,
          after,
          limit: query.limit + 1,
        });
        const now = deps.now();
        const shown = page(
          rows,
          query.limit,
          (row) => ({ at: row.created_text, id: row.id }),
          (row) => showWebhook(row, now),
        );
        return { status: 200, body: shown };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/webhooks/{webhook_id}',
      access: 'operator',
      operationId: 'getOperatorWebhook',
      summary: 'Read a webhook with its state',
      params: webhookParams,
      responses: { 200: { description: 'The webhook', schema: operatorWebhookSchema } },
      async handle({ params }) {
        const webhook = await readOperatorWebhook(database, params.webhook_id, deps.now());
        return webhook ? { status: 200, body: webhook } : noWebhook(params.webhook_id);
      },
    }),

    route({
      method: 'GET',
      path: '/operator/webhooks/{webhook_id}/parked',
      access: 'operator',
      operationId: 'listParked',
      summary: 'List the ranges of the log that were skipped, newest first',
      params: webhookParams,
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(parkedSchema) } },
      async handle({ params, query }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return problem('bad_request', 'cursor: is not one of this list');
        if (!(await findPosition(database, params.webhook_id))) return noWebhook(params.webhook_id);
        const rows = await listParked(database, params.webhook_id, { limit: query.limit + 1, before });
        const shown = page(rows, query.limit, (row) => ({ at: row.parked_text, id: row.id }), showParked);
        return { status: 200, body: shown };
      },
    }),
  ];
}
