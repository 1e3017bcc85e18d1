// The route table: every route of the service, and which of them a listener serves.

import { Registry } from 'prom-client';
import { dashboardRoutes, docsRoutes, viewRoutes } from './dashboard/pages.ts';
import type { ApiDependencies } from './dependencies.ts';
import { openApiDocument } from './openapi.ts';
import { operatorRoutes } from './operator/index.ts';
import { publicRoutes } from './public-routes.ts';
import type { Route } from './route.ts';
import { tenantRoutes } from './tenant/index.ts';

/** `all`: one listener for everything. `tenant` and `operator`: two listeners, dashboard and metrics with the operator. */
export type Listener = 'all' | 'tenant' | 'operator';

export function routes(deps: ApiDependencies, listener: Listener = 'all', metrics = new Registry()): readonly Route[] {
  let document: unknown;
  const table: Route[] = [
    ...(listener === 'operator' ? [] : [...tenantRoutes(deps), ...viewRoutes(deps, listener === 'tenant')]),
    ...(listener === 'tenant' ? [] : [...operatorRoutes(deps), ...dashboardRoutes(deps)]),
    ...docsRoutes(),
    ...publicRoutes(deps, metrics, () => {
      document ??= openApiDocument(table, deps.config.publicUrl);
      return document;
    }).filter((route) => listener !== 'tenant' || route.path !== '/metrics'),
  ];
  return table;
}
