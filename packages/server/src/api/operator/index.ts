// The operator API: every route of it, for the route table.

import type { ApiDependencies } from '../dependencies.ts';
import type { Route } from '../route.ts';
import { attemptRoutes } from './attempts.ts';
import { auditRoutes } from './audit.ts';
import { eventTypeRoutes } from './event-types.ts';
import { eventRoutes } from './events.ts';
import { withProblems } from './operator-problems.ts';
import { publishRoutes } from './publish.ts';
import { rollupRoutes } from './rollups.ts';
import { sessionRoutes } from './session.ts';
import { sessionListRoutes } from './sessions.ts';
import { signRoutes } from './sign.ts';
import { signingKeyRoutes } from './signing-keys.ts';
import { streamRoutes } from './stream.ts';
import { supportBundleRoutes } from './support-bundle.ts';
import { systemRoutes } from './system.ts';
import { tenantCertificateRoutes } from './tenant-certificates.ts';
import { tenantKeyRoutes } from './tenant-keys.ts';
import { tenantLinkRoutes } from './tenant-links.ts';
import { tenantTokenRoutes } from './tenant-tokens.ts';
import { tenantRoutes } from './tenants.ts';
import { webhookActionRoutes } from './webhook-actions.ts';
import { webhookBulkRoutes } from './webhook-bulk.ts';
import { webhookHistoryRoutes } from './webhook-history.ts';
import { webhookMuteRoutes } from './webhook-mute.ts';
import { operatorWebhookRoutes } from './webhooks.ts';

export function operatorRoutes(deps: ApiDependencies): readonly Route[] {
  return [
    ...tenantRoutes(deps),
    ...tenantKeyRoutes(deps),
    ...tenantTokenRoutes(deps),
    ...tenantCertificateRoutes(deps),
    ...tenantLinkRoutes(deps),
    ...publishRoutes(deps).map((each) => traced(each, deps)),
    ...operatorWebhookRoutes(deps),
    ...webhookActionRoutes(deps),
    ...webhookHistoryRoutes(deps),
    ...webhookBulkRoutes(deps),
    ...webhookMuteRoutes(deps),
    ...eventRoutes(deps),
    ...attemptRoutes(deps),
    ...signingKeyRoutes(deps),
    ...signRoutes(deps),
    ...auditRoutes(deps),
    ...sessionRoutes(deps),
    ...sessionListRoutes(deps),
    ...streamRoutes(deps),
    ...rollupRoutes(deps),
    ...systemRoutes(deps),
    ...supportBundleRoutes(deps),
    ...eventTypeRoutes(),
  ].map(withProblems);
}

/** Nothing is added where nobody set telemetry up. */
function traced(route: Route, { telemetry }: ApiDependencies): Route {
  if (!telemetry) return route;
  return { ...route, handle: (call) => telemetry.publishing(call.headers, () => route.handle(call)) };
}
