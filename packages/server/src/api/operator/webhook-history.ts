// Operator API, webhooks over time: the chart of one, and for the rows of a list how its last 24 hours went.

import { z } from 'zod';
import type { OperatorWebhookRow } from '../../store/operator-webhooks.ts';
import { listOperatorWebhooks } from '../../store/operator-webhooks.ts';
import { activityHours, readActivity, readHistory } from '../../store/webhook-history.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { isUuid } from '../ids.ts';
import { type Route, route } from '../route.ts';
import { noWebhook, webhookParams } from './webhooks.ts';

const minuteMs = 60_000;
const shapes = {
  '1h': { steps: 60, stepMs: minuteMs },
  '24h': { steps: 144, stepMs: 10 * minuteMs },
} as const;
const maxIds = 100;

export const historyQuery = z.strictObject({ range: z.enum(['1h', '24h']).default('1h') });

export const historySchema = z.strictObject({
  range: z.enum(['1h', '24h']),
  step_seconds: z.int(),
  read_back_to: z.iso
    .datetime()
    .nullable()
    .describe('Only the newest attempts are read: steps before this time are empty. null: all were read.'),
  points: z.array(
    z.strictObject({
      at: z.iso.datetime().describe('Start of the step.'),
      ok: z.int().describe('Attempts that were answered 2xx.'),
      failed: z.int(),
      events: z.int().describe('Delivered.'),
      lag_seconds: z.number().describe('Age of the oldest undelivered event.'),
    }),
  ),
});

export const activityQuery = z.strictObject({
  webhook_ids: z
    .string()
    .transform((text) => text.toLowerCase().split(','))
    .refine((ids) => ids.length <= maxIds && ids.every(isUuid), `must be up to ${maxIds} UUIDs with commas between`),
});

export const activitySchema = z.strictObject({
  data: z.array(
    z.strictObject({
      webhook_id: z.uuid(),
      hours: z
        .string()
        .length(activityHours)
        .describe('A letter an hour, the present one last: o all ok, s some failed, f all failed, - no attempt.'),
    }),
  ),
});

export async function webhookHistory(
  { database, now }: ApiDependencies,
  webhook: OperatorWebhookRow,
  range: keyof typeof shapes,
): Promise<z.infer<typeof historySchema>> {
  const { steps, stepMs } = shapes[range];
  const endMs = Math.floor(now() / stepMs) * stepMs;
  const { points, readBackToMs } = await readHistory(
    database,
    { id: webhook.id, partition: webhook.partition, oldestAt: webhook.oldest_at },
    { startMs: endMs - (steps - 1) * stepMs, endMs, stepMs, nowMs: now() },
  );
  return {
    range,
    step_seconds: stepMs / 1_000,
    read_back_to: readBackToMs === undefined ? null : new Date(readBackToMs).toISOString(),
    points: points.map(({ atMs, ok, failed, events, lagMs }) => ({
      at: new Date(atMs).toISOString(),
      ok,
      failed,
      events,
      lag_seconds: lagMs / 1_000,
    })),
  };
}

export async function webhookActivity(
  { database, now }: ApiDependencies,
  ids: readonly string[],
  clientId: string | undefined,
): Promise<z.infer<typeof activitySchema>> {
  const found = await readActivity(database, ids, now(), clientId);
  return { data: [...found].map(([webhook_id, hours]) => ({ webhook_id, hours })) };
}

export function webhookHistoryRoutes(deps: ApiDependencies): Route[] {
  return [
    route({
      method: 'GET',
      path: '/operator/webhooks/{webhook_id}/history',
      access: 'operator',
      operationId: 'getWebhookHistory',
      summary: 'Attempts and lag of a webhook over time, read from its attempts',
      params: webhookParams,
      query: historyQuery,
      responses: { 200: { description: 'Steps, oldest first', schema: historySchema } },
      async handle({ params, query }) {
        const [webhook] = await listOperatorWebhooks(deps.database, {
          id: params.webhook_id,
          limit: 1,
        });
        if (!webhook) return noWebhook(params.webhook_id);
        return { status: 200, body: await webhookHistory(deps, webhook, query.range) };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/webhooks/activity',
      access: 'operator',
      operationId: 'getWebhookActivity',
      summary: 'How the last 24 hours of some webhooks went',
      query: activityQuery,
      responses: { 200: { description: 'Those with attempts', schema: activitySchema } },
      async handle({ query }) {
        return { status: 200, body: await webhookActivity(deps, query.webhook_ids, undefined) };
      },
    }),
  ];
}
