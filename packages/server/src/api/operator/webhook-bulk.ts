// Operator API, many webhooks at once: enable, disable or retry those that fit a filter. A dry run lists them; acting takes
// that list, so that what breaks between counting and confirming is not mixed in. Each webhook is a transaction of its own
// with its row in the audit trail, as if it had been done alone.

import { z } from 'zod';
import { insertAudit } from '../../store/audit.ts';
import { findWebhookIds } from '../../store/operator-webhooks.ts';
import { findPosition, lockPosition, type PositionRow, retryNow } from '../../store/webhook-position.ts';
import { updateWebhookIn } from '../../store/webhooks.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { isStorableText, listOf } from '../input.ts';
import { problem } from '../problem.ts';
import { type Route, route } from '../route.ts';
import { followChange } from '../webhook-change.ts';

const maxWebhooks = 1_000;

const bulkSchema = z.strictObject({
  action: z.enum(['enable', 'disable', 'retry']),
  filter: z
    .strictObject({
      client_id: uuidSchema.optional(),
      enabled: z.boolean().optional(),
      blocked: z.boolean().optional(),
      behind: z.boolean().optional(),
      search: z.string().min(1).max(200).refine(isStorableText, 'must be plain text').optional(),
    })
    .optional()
    .describe('A dry run: lists the webhooks that fit and that the action would change.'),
  webhook_ids: listOf(uuidSchema, maxWebhooks).optional().describe('Acts on these.'),
});

type Action = z.infer<typeof bulkSchema>['action'];

/** What the action would change; of the others there is nothing to do. */
const applies: Readonly<Record<Action, { enabled: boolean; blocked?: boolean }>> = {
  enable: { enabled: false },
  disable: { enabled: true },
  retry: { enabled: true, blocked: true },
};

export function webhookBulkRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;

  /** Undefined: there was nothing to do. */
  async function act(action: Action, id: string, actor: string): Promise<PositionRow | undefined> {
    return database.transaction(async (tx) => {
      // `updateWebhookIn` takes its locks in an order of its own.
      const row = action === 'retry' ? await lockPosition(tx, id) : await findPosition(tx, id);
      const now = new Date(deps.now());
      if (!row || row.enabled !== applies[action].enabled) return undefined;
      const isDone =
        action === 'retry'
          ? await retryNow(tx, id, now)
          : (await updateWebhookIn(tx, row.client_id, id, { enabled: action === 'enable', now })) !== undefined;
      if (!isDone) return undefined;
      const facts = { package_id: row.pending_id, attempts: row.attempts };
      await insertAudit(tx, {
        actor,
        action: `webhook.${action}`,
        subject: `webhook:${id}`,
        clientId: row.client_id,
        before: action === 'retry' ? facts : { enabled: row.enabled },
        after: action === 'retry' ? facts : { enabled: action === 'enable' },
        at: now,
      });
      return row;
    });
  }

  return [
    route({
      method: 'POST',
      path: '/operator/webhooks/bulk',
      access: 'operator',
      operationId: 'bulkWebhooks',
      summary: 'List the webhooks that an action would change, or enable, disable or retry those listed',
      body: { contentTypes: ['application/json'], schema: bulkSchema, format: 'json', required: true },
      responses: {
        200: {
          description: 'Which would be changed, or were',
          schema: z.strictObject({
            dry_run: z.boolean(),
            webhook_ids: z.array(z.uuid()),
            more: z.boolean().describe(`More than ${maxWebhooks} fit: the rest takes another call.`),
          }),
        },
      },
      async handle({ body, actor }) {
        const { action, filter, webhook_ids: ids } = body;
        if ((filter === undefined) === (ids === undefined)) {
          return problem('bad_request', 'filter or webhook_ids: exactly one is required');
        }
        if (filter !== undefined) {
          const { client_id: clientId, ...rest } = filter;
          const own = await findWebhookIds(database, { ...rest, clientId, ...applies[action] }, maxWebhooks + 1);
          const found = contradicts(filter, action) ? [] : own;
          const body = { dry_run: true, webhook_ids: found.slice(0, maxWebhooks), more: found.length > maxWebhooks };
          return { status: 200, body };
        }
        const done: { readonly partition: number; readonly webhookId: string }[] = [];
        for (const id of new Set(ids)) {
          const row = await act(action, id, actor);
          if (!row) continue;
          const hint = { partition: row.partition, webhookId: id };
          // At once: what comes after it takes time, and may fail.
          deps.signals.webhookChanged(hint);
          done.push(hint);
        }
        await followChange(deps, done);
        return {
          status: 200,
          body: { dry_run: false, webhook_ids: done.map(({ webhookId }) => webhookId), more: false },
        };
      },
    }),
  ];
}

/** `enable` of a list of enabled webhooks changes none of them. */
function contradicts(
  filter: { enabled?: boolean | undefined; blocked?: boolean | undefined },
  action: Action,
): boolean {
  const { enabled, blocked } = applies[action];
  return (filter.enabled ?? enabled) !== enabled || (blocked !== undefined && (filter.blocked ?? blocked) !== blocked);
}
