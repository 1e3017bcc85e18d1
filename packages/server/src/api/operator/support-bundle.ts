// Operator API, the support bundle: one JSON document to attach to a question, of the service and, when asked for, of one
// webhook. It holds no secret, no body of an event or an answer, no header, and of URLs neither user, query nor what
// looks like a secret in the path (`masked-url.ts`).

import { z } from 'zod';
import { listAttempts } from '../../store/attempts.ts';
import { listAudit } from '../../store/audit.ts';
import { listOperatorWebhooks } from '../../store/operator-webhooks.ts';
import { listParked } from '../../store/webhook-position.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { type Route, route } from '../route.ts';
import { showAttempt } from './attempts.ts';
import { maskedUrl } from './masked-url.ts';
import { showOverview } from './stream.ts';
import { readSystem } from './system.ts';
import { webhookHistory } from './webhook-history.ts';
import { showWebhook } from './webhook-view.ts';
import { noWebhook, showParked } from './webhooks.ts';

const maxAttempts = 200;
const maxOthers = 50;

export function supportBundleRoutes(deps: ApiDependencies): Route[] {
  const { database, live } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/support-bundle',
      access: 'operator',
      operationId: 'getSupportBundle',
      problems: [404],
      summary: 'The state of the service, and of one webhook, to attach to a question: no secrets, no bodies',
      query: z.strictObject({ webhook_id: uuidSchema.optional() }),
      responses: { 200: { description: 'The document', schema: z.looseObject({ made_at: z.iso.datetime() }) } },
      async handle({ query }) {
        const id = query.webhook_id;
        const webhook = id === undefined ? undefined : await readWebhook(id);
        if (id !== undefined && !webhook) return noWebhook(id);
        const overview = showOverview(await live.current());
        const body = {
          made_at: new Date(deps.now()).toISOString(),
          system: await readSystem(deps),
          overview: { ...overview, blocked: overview.blocked.map((row) => ({ ...row, url: maskedUrl(row.url) })) },
          ...(webhook ? { webhook } : {}),
        };
        const name = `bellhop-${webhook ? id : 'service'}-${body.made_at.slice(0, 19).replaceAll(':', '')}.json`;
        return { status: 200, body, headers: { 'content-disposition': `attachment; filename="${name}"` } };
      },
    }),
  ];

  async function readWebhook(id: string) {
    const [row] = await listOperatorWebhooks(database, { id, limit: 1 });
    if (!row) return undefined;
    const attempts = await listAttempts(database, { webhookId: id, limit: maxAttempts });
    const audit = await listAudit(database, { subject: `webhook:${id}`, limit: maxOthers });
    const parked = await listParked(database, id, { limit: maxOthers, before: undefined });
    const shown = showWebhook(row, deps.now());
    return {
      state: { ...shown, url: maskedUrl(shown.url) },
      attempts: attempts.map((attempt) => ({ ...showAttempt(attempt), url: maskedUrl(attempt.url) })),
      history: await webhookHistory(deps, row, '24h'),
      parked: parked.map(showParked),
      changes: audit.map(({ at, actor, action }) => ({ at: at.toISOString(), actor, action })),
    };
  }
}
