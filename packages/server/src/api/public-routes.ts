// What needs no credentials: is it alive, is it ready, what does it offer, how is it doing.

import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { ApiDependencies } from './dependencies.ts';
import { problem, problemSchema } from './problem.ts';
import { type Route, route } from './route.ts';

export function publicRoutes(deps: ApiDependencies, metrics: Registry, openApi: () => unknown): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/healthz',
      access: 'public',
      operationId: 'get_health',
      summary: 'Whether the process answers',
      responses: { 200: { description: 'It does', schema: z.strictObject({ status: z.literal('ok') }) } },
      handle: async () => ({ status: 200, body: { status: 'ok' } }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      access: 'public',
      operationId: 'get_readiness',
      summary: 'Whether the service can do its work',
      responses: {
        200: { description: 'It can', schema: z.strictObject({ status: z.literal('ready') }) },
        503: { description: 'Not now; detail says why', schema: problemSchema },
      },
      async handle() {
        const { ready, reason } = deps.ready();
        if (ready) return { status: 200, body: { status: 'ready' } };
        return problem('service_unavailable', reason ?? 'The service is not ready', { 'retry-after': '1' });
      },
    }),
    route({
      method: 'GET',
      path: '/openapi.json',
      access: 'public',
      operationId: 'get_openapi',
      summary: 'This API as an OpenAPI 3.1 document',
      responses: { 200: { description: 'The document', schema: z.looseObject({ openapi: z.string() }) } },
      handle: async () => ({ status: 200, body: openApi() }),
    }),
    route({
      method: 'GET',
      path: '/metrics',
      access: 'public',
      operationId: 'get_metrics',
      summary: 'Metrics in the text format of Prometheus',
      responses: { 200: { description: 'text/plain', schema: null } },
      async handle() {
        const text = await metrics.metrics();
        return { status: 200, response: new Response(text, { headers: { 'content-type': metrics.contentType } }) };
      },
    }),
  ];
}
