// The tenant API: exactly the operations of the contract, and its events acceptor.

import type { ApiDependencies } from '../dependencies.ts';
import type { Route } from '../route.ts';
import { acceptorRoutes } from './acceptor.ts';
import { tokenRoute } from './token.ts';
import { verifyKeysRoute } from './verify-keys.ts';
import { webhookRoutes } from './webhooks.ts';

export function tenantRoutes(deps: ApiDependencies): readonly Route[] {
  return [tokenRoute(deps), verifyKeysRoute(deps), ...webhookRoutes(deps), ...acceptorRoutes(deps)];
}
