// The HTTP API as a Hono app: finds the route, has the call answered, and turns the answer into a response with its
// request id, whatever happened. What a security log needs (refused callers and URLs, tokens and sessions given) is logged at
// `info`, all other calls at `debug`. Nothing that a caller sends ends in a stack trace; what fails inside is logged under the
// request id and answered as 500 or, when the database is away, as 503.

import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { Histogram, Registry } from 'prom-client';
import { answerCall } from './answer-call.ts';
import { createCallers } from './callers.ts';
import type { ApiDependencies } from './dependencies.ts';
import { sealedAnswers } from './idempotency.ts';
import { isUuid } from './ids.ts';
import { problemBody, problemOfError } from './problem.ts';
import { type NodeBindings, requestTarget } from './request-target.ts';
import type { Answer } from './route.ts';
import { routeTable } from './route-table.ts';
import { type Listener, routes } from './routes.ts';
import { isHttpsCall } from './session-cookie.ts';

export function createApp(deps: ApiDependencies, listener: Listener = 'all'): Hono<{ Bindings: NodeBindings }> {
  const { logger } = deps;
  const metrics = deps.metrics ?? new Registry();
  const table = routeTable(routes(deps, listener, metrics));
  const durations = requestDurations(metrics);
  const options = {
    deps,
    callers: createCallers(deps),
    operatorAnswers: sealedAnswers(deps.config.operatorToken),
    unknownPaths: listener === 'operator' ? listener : ('tenant' as const),
  };

  async function answer(request: Request, env: NodeBindings | undefined): Promise<Response> {
    const requestId = randomUUID();
    const startedAt = performance.now();
    const target = requestTarget(request, env);
    const match = table.match(target.path);
    let actor: string | undefined;
    let result: Answer;
    try {
      result = await answerCall(options, { request, target, match, requestId, incoming: env?.incoming }, (caller) => {
        actor = caller;
      });
    } catch (error) {
      result = problemOfError(error);
      // A caller that hung up ends what was done for it; nobody reads this answer.
      const level = request.signal.aborted ? 'debug' : result.status === 500 ? 'error' : 'warn';
      logger[level]({ err: error, requestId }, 'call failed');
    }
    const durationMs = performance.now() - startedAt;
    const method = knownMethods.has(request.method) ? request.method : 'other';
    const route = match?.byMethod.values().next().value?.path ?? 'unknown';
    durations.observe({ method, route, status: String(result.status) }, durationMs / 1000);
    const { status } = result;
    const facts = { requestId, method, route, status, durationMs, actor };
    if (refusals.has(status) || (method === 'POST' && sessionRoutes.has(route))) {
      const given = request.headers.get('upvest-client-id');
      // Ids only: what else a caller writes into the header, or into what a detail quotes, may be a secret.
      const claimed = given !== null && isUuid(given) ? given.toLowerCase() : undefined;
      const reason = result.problem && refusalReason(status, result.problem.detail);
      if (claimed !== undefined && reason !== undefined) deps.usage.refused(claimed, reason);
      const remote = env?.incoming?.socket.remoteAddress;
      logger.info({ ...facts, claimed, remote, reason }, 'access');
    } else logger.debug(facts, 'call answered');
    if (status === 400 && result.problem?.detail.startsWith('url: ')) {
      // Somebody may have tried to have events sent where they must not go; the URL itself may hold a secret.
      logger.info({ ...facts, reason: 'url_refused' }, 'access');
    }
    return toResponse(result, requestId, isHttpsCall(request.headers, deps.config.publicUrl));
  }

  const app = new Hono<{ Bindings: NodeBindings }>();
  app.all('*', (context) => answer(context.req.raw, context.env));
  return app;
}

/** Not proved, not allowed, too often. */
const refusals = new Set([401, 403, 429]);
const sessionRoutes = new Set([
  '/auth/token',
  '/operator/session',
  '/operator/tokens',
  '/operator/tenants/{client_id}/links',
]);
/** `detail` of a refusal is one of ours: a reason is the code of the signature check, or a word of this list. */
function refusalReason(status: number, detail: string): string {
  if (status === 403) return 'scope';
  if (status === 429) return 'throttled';
  const [, failure] = /^Signature is incorrect: ([a-z_]{1,40})$/.exec(detail) ?? [];
  if (failure !== undefined) return failure;
  return detail.startsWith('authorization:') ? 'token' : 'secret';
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const metricName = 'bellhop_http_request_duration_seconds';

/** Two listeners may share a registry. */
function requestDurations(registry: Registry): Histogram<'method' | 'route' | 'status'> {
  const known = registry.getSingleMetric(metricName);
  if (known instanceof Histogram) return known;
  return new Histogram({
    name: metricName,
    help: 'Time from the request to its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
}

export function toResponse(
  { status, headers = {}, body, response, problem }: Answer,
  requestId: string,
  isHttps = false,
): Response {
  const common = {
    // Pages bring a policy of their own.
    ...(response ? {} : { 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" }),
    ...(isHttps ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    ...headers,
    'upvest-request-id': requestId,
    'x-content-type-options': 'nosniff',
  };
  if (problem) {
    return new Response(JSON.stringify(problemBody(problem, requestId)), {
      status,
      headers: { 'cache-control': 'no-store', ...common, 'content-type': 'application/problem+json' },
    });
  }
  if (response) {
    for (const [name, value] of Object.entries(common)) response.headers.set(name, value);
    return response;
  }
  if (body === undefined) return new Response(null, { status, headers: common });
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'cache-control': 'no-store', ...common, 'content-type': 'application/json' },
  });
}
