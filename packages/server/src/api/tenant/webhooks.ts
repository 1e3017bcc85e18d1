// The webhook operations of a tenant (contract api.md): create, list, read, update, delete and the test trigger. A webhook
// of another tenant is as unknown as one that never was.

import { v4 as uuidv4 } from 'uuid';
import { z } from 'zod';
import { maxTestsUnderWay } from '../../delivery/test-trigger.ts';
import { insertAudit } from '../../store/audit.ts';
import type { Queryable } from '../../store/database.ts';
import {
  deleteWebhook,
  findWebhook,
  insertWebhook,
  listWebhooks,
  updateWebhookIn,
  type WebhookRow,
} from '../../store/webhooks.ts';
import type { ApiDependencies, UrlPolicy } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route, type Tenant } from '../route.ts';
import { followChange } from '../webhook-change.ts';
import { createChanges, tooManyChanges } from './changes.ts';
import { problemResponses } from './problem-responses.ts';
import {
  defaultDelay,
  defaultMaxPackageSize,
  listQuery,
  showWebhook,
  webhookInput,
  webhookListSchema,
  webhookSchema,
} from './webhook-schema.ts';

const path = '/webhooks/{webhook_id}';
const read = ['webhooks:read', 'webhooks:admin'];
const admin = ['webhooks:admin'];
const params = z.object({ webhook_id: uuidSchema });

/** Of one tenant. */
export const defaultMaxWebhooks = 1_000;

/** What the URL's name leads to is asked once the rest of the input is right; the text alone was checked with it. */
async function refusedTarget(targets: UrlPolicy, url: string | undefined): Promise<Answer | undefined> {
  if (url === undefined) return undefined;
  const verdict = await targets.checkTarget(url);
  return verdict.ok ? undefined : problem('bad_request', `url: ${verdict.detail}`);
}

export function webhookRoutes(deps: ApiDependencies): readonly Route[] {
  const { database, targets, now, testTrigger } = deps;
  const { maxWebhooks = defaultMaxWebhooks } = deps.config;
  const input = webhookInput(targets);
  const changes = createChanges();

  async function exists({ webhook_id }: z.infer<typeof params>, tenant: Tenant | undefined): Promise<boolean> {
    return (await findWebhook(database, caller(tenant).clientId, webhook_id)) !== undefined;
  }

  const changed = (row: WebhookRow): Promise<void> =>
    followChange(deps, [{ partition: row.partition, webhookId: row.id }]);

  const audit = (
    tx: Queryable,
    verb: 'create' | 'update' | 'delete',
    row: WebhookRow,
    before: ReturnType<typeof showWebhook> | undefined,
    after: ReturnType<typeof showWebhook> | undefined,
  ): Promise<void> =>
    insertAudit(tx, {
      actor: `tenant:${row.client_id}`,
      action: `webhook.${verb}`,
      subject: `webhook:${row.id}`,
      clientId: row.client_id,
      before,
      after,
      at: new Date(now()),
    });

  return [
    route({
      method: 'GET',
      path: '/webhooks',
      access: 'tenant',
      scopes: read,
      operationId: 'list_webhooks',
      summary: 'List all webhooks',
      query: listQuery,
      responses: {
        200: { description: 'A page of webhooks', schema: webhookListSchema },
        ...problemResponses(400, 401, 403, 406, 429, 500, 503, 504),
      },
      async handle({ tenant, query }) {
        const { webhooks, total } = await listWebhooks(database, caller(tenant).clientId, query);
        const { sort, order, offset, limit } = query;
        const meta = { offset, limit, count: webhooks.length, total_count: total, sort, order };
        return { status: 200, body: { meta, data: webhooks.map(showWebhook) } };
      },
    }),

    route({
      method: 'POST',
      path: '/webhooks',
      access: 'tenant',
      scopes: admin,
      operationId: 'create_webhook',
      summary: 'Create a webhook subscription, disabled at first',
      body: { contentTypes: ['application/json'], format: 'json', required: true, schema: input.create },
      responses: {
        201: { description: 'The new webhook', schema: webhookSchema },
        ...problemResponses(400, 401, 403, 406, 409, 429, 500, 503, 504),
      },
      async handle({ tenant, body, keepAnswer }) {
        const refused = await refusedTarget(targets, body.url);
        if (refused) return refused;
        const webhook = {
          id: uuidv4(),
          clientId: caller(tenant).clientId,
          title: body.title,
          url: body.url,
          type: body.type ?? ['ALL'],
          excludeType: body.exclude_type,
          delay: body.config?.delay ?? defaultDelay,
          maxPackageSize: body.config?.max_package_size ?? defaultMaxPackageSize,
          now: new Date(now()),
        };
        const insert = () =>
          database.transaction<Answer>(async (tx) => {
            const row = await insertWebhook(tx, webhook, maxWebhooks);
            if (row === 'no_tenant') return problem('unauthorised', 'The tenant was deleted');
            if (row === 'too_many') return problem('conflict', `There are ${maxWebhooks} webhooks already, delete one`);
            await audit(tx, 'create', row, undefined, showWebhook(row));
            const created: Answer = { status: 201, body: showWebhook(row) };
            await keepAnswer(tx, created);
            return created;
          });
        return (await changes.tryRun(webhook.clientId, insert)) ?? tooManyChanges();
      },
    }),

    route({
      method: 'GET',
      path,
      access: 'tenant',
      scopes: read,
      operationId: 'retrieve_webhook',
      summary: 'Read a webhook',
      params,
      exists,
      responses: {
        200: { description: 'The webhook', schema: webhookSchema },
        ...problemResponses(401, 403, 404, 406, 429, 500, 503, 504),
      },
      async handle({ tenant, params }) {
        const row = await findWebhook(database, caller(tenant).clientId, params.webhook_id);
        return row ? { status: 200, body: showWebhook(row) } : unknownWebhook();
      },
    }),

    route({
      method: 'PATCH',
      path,
      access: 'tenant',
      scopes: admin,
      operationId: 'update_webhook',
      summary: 'Change a webhook; absent fields stay',
      params,
      exists,
      body: { contentTypes: ['application/json'], format: 'json', required: true, schema: input.update },
      responses: {
        200: { description: 'The changed webhook', schema: webhookSchema },
        ...problemResponses(400, 401, 403, 404, 406, 429, 500, 503, 504),
      },
      async handle({ tenant, params, body }) {
        const refused = await refusedTarget(targets, body.url);
        if (refused) return refused;
        const { clientId } = caller(tenant);
        const update = async (tx: Queryable): Promise<WebhookRow | undefined> => {
          const before = await findWebhook(tx, clientId, params.webhook_id);
          const after = await updateWebhookIn(tx, clientId, params.webhook_id, {
            title: body.title,
            url: body.url,
            enabled: body.enabled,
            type: body.type,
            excludeType: body.exclude_type,
            delay: body.config?.delay,
            maxPackageSize: body.config?.max_package_size,
            now: new Date(now()),
          });
          if (before && after) await audit(tx, 'update', after, showWebhook(before), showWebhook(after));
          return after;
        };
        const done = await changes.tryRun(clientId, async () => ({ row: await database.transaction(update) }));
        if (!done) return tooManyChanges();
        const { row } = done;
        if (!row) return unknownWebhook();
        await changed(row);
        return { status: 200, body: showWebhook(row) };
      },
    }),

    route({
      method: 'DELETE',
      path,
      access: 'tenant',
      scopes: admin,
      operationId: 'delete_webhook',
      summary: 'Delete a webhook; at most the request in flight still arrives',
      params,
      exists,
      responses: {
        204: { description: 'Deleted', schema: null },
        ...problemResponses(401, 403, 404, 429, 500, 503, 504),
      },
      async handle({ tenant, params }) {
        const { clientId } = caller(tenant);
        const remove = async (tx: Queryable): Promise<WebhookRow | undefined> => {
          const before = await findWebhook(tx, clientId, params.webhook_id);
          const partition = await deleteWebhook(tx, clientId, params.webhook_id);
          if (!before || partition === undefined) return undefined;
          await audit(tx, 'delete', before, showWebhook(before), undefined);
          return before;
        };
        const done = await changes.tryRun(clientId, async () => ({ row: await database.transaction(remove) }));
        if (!done) return tooManyChanges();
        if (!done.row) return unknownWebhook();
        await changed(done.row);
        return { status: 204 };
      },
    }),

    route({
      method: 'POST',
      path: `${path}/test`,
      access: 'tenant',
      scopes: admin,
      operationId: 'test_webhook',
      summary: 'Send a test delivery, also to a disabled webhook',
      params,
      exists,
      responses: {
        202: { description: 'On its way', schema: null },
        ...problemResponses(401, 403, 404, 406, 409, 429, 500, 503, 504),
      },
      async handle({ params, keepAnswer }) {
        const answer: Answer = { status: 202 };
        const started = await testTrigger(params.webhook_id, () =>
          database.transaction((tx) => keepAnswer(tx, answer)),
        );
        if (started === 'too_many') {
          const detail = `${maxTestsUnderWay} test deliveries of yours are under way, wait for one to end`;
          return problem('too_many_requests', detail, { 'retry-after': '1' });
        }
        return answer;
      },
    }),
  ];
}

/** The app proves the caller of every `tenant` route before it calls one. */
function caller(tenant: Tenant | undefined): Tenant {
  if (!tenant) throw new TypeError('A tenant route was called without a tenant');
  return tenant;
}

function unknownWebhook(): Answer {
  return problem('not_found', 'webhook_id: there is no such webhook');
}
