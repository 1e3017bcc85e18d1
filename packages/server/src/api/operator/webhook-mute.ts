// Operator API, muting: a person has seen that a webhook is blocked. Until the time given it counts for no alert and not
// for "stuck"; it is retried and listed as before, and every minute of its blocking is still told.

import { z } from 'zod';
import { insertAudit } from '../../store/audit.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { type Answer, type Route, route } from '../route.ts';
import { operatorWebhookSchema } from './webhook-view.ts';
import { noWebhook, readOperatorWebhook, webhookParams } from './webhooks.ts';

const maxMinutes = 7 * 24 * 60;

export function webhookMuteRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  return [
    route({
      method: 'POST',
      path: '/operator/webhooks/{webhook_id}/mute',
      access: 'operator',
      operationId: 'muteWebhook',
      summary: 'Acknowledge: it counts for no alert for a while',
      params: webhookParams,
      body: {
        contentTypes: ['application/json'],
        schema: z.strictObject({ minutes: z.int().min(0).max(maxMinutes).describe('0: not muted any more.') }),
        format: 'json',
        required: true,
      },
      responses: { 200: { description: 'The webhook as it is now', schema: operatorWebhookSchema } },
      async handle({ params, body, actor, keepAnswer }) {
        const id = params.webhook_id;
        const now = new Date(deps.now());
        const until = body.minutes === 0 ? null : new Date(now.getTime() + body.minutes * 60_000);
        return database.transaction(async (tx): Promise<Answer> => {
          const [before] = await tx.query<{ client_id: string; muted_until: Date | null }>(
            'select client_id, muted_until from webhooks where id = $1 for update',
            [id],
          );
          if (!before) return noWebhook(id);
          await tx.query('update webhooks set muted_until = $2 where id = $1', [id, until]);
          await insertAudit(tx, {
            actor,
            action: 'webhook.mute',
            subject: `webhook:${id}`,
            clientId: before.client_id,
            before: { muted_until: before.muted_until?.toISOString() ?? null },
            after: { muted_until: until?.toISOString() ?? null },
            at: now,
          });
          const webhook = await readOperatorWebhook(tx, id, deps.now());
          const answer: Answer = webhook ? { status: 200, body: webhook } : noWebhook(id);
          await keepAnswer(tx, answer);
          return answer;
        });
      },
    }),
  ];
}
