// From a request to an answer: the checks of every call in the order of the contract, then the route's handler.
//
//   tenant:   client id (400), signature (401), token (401), scope (403), route and id (404, 405), accept (406), input (400)
//   operator: token or session (401), route (404, 405), role (403), rate (429), id (404), accept (406), input (400)
//   link:     cookie of a tenant link (401), route (404, 405), rate (429), id (404), input (400)
//   public:   route (405), input (400)
//
// An unknown path is one of the tenant API unless it is below /operator: whoever cannot sign learns nothing about paths.
// The tenant API's bodies end at 64 KiB: the signature covers the body, so a longer one is refused before it.

import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { acceptsJson } from './accept.ts';
import type { Callers } from './callers.ts';
import type { ApiDependencies } from './dependencies.ts';
import { type AnswerCodec, answerOnce, isIdempotencyKey, plainAnswers } from './idempotency.ts';
import { check, type Parsed, parseBody, readPairs } from './input.ts';
import { mayCall, neededRole, type Operator } from './operator-access.ts';
import { type ProblemSlug, problem } from './problem.ts';
import { type BodyResult, defaultMaxBodyBytes, readBody, readIncoming } from './read-body.ts';
import type { RequestTarget } from './request-target.ts';
import type { Access, Answer, BodyRule, Call, Route, Tenant } from './route.ts';
import type { PathMatch } from './route-table.ts';

export interface IncomingCall {
  readonly request: Request;
  readonly target: RequestTarget;
  readonly match: PathMatch | undefined;
  readonly requestId: string;
  /** The message behind the request; absent when there is no node:http server. */
  readonly incoming?: IncomingMessage | undefined;
}

export interface AnswerOptions {
  readonly deps: ApiDependencies;
  readonly callers: Callers;
  readonly operatorAnswers: AnswerCodec;
  /** Whose API an unknown path belongs to, beside those below /operator. */
  readonly unknownPaths: 'tenant' | 'operator';
}

/** Says who called, for the log, as soon as it is known. */
export type OnCaller = (actor: string) => void;

export async function answerCall(options: AnswerOptions, call: IncomingCall, onCaller: OnCaller): Promise<Answer> {
  switch (areaOf(options, call)) {
    case 'public':
      return answerPublic(options, call);
    case 'operator':
      return answerOperator(options, call, onCaller);
    case 'link':
      return answerLink(options, call, onCaller);
    default:
      return answerTenant(options, call, onCaller);
  }
}

function areaOf({ unknownPaths }: AnswerOptions, { target, match }: IncomingCall): Access {
  const [known] = match?.byMethod.values() ?? [];
  if (known) return known.access;
  return /^\/operator(\/|$)/.test(target.path) ? 'operator' : unknownPaths;
}

async function answerPublic(options: AnswerOptions, call: IncomingCall): Promise<Answer> {
  // HEAD is GET without the body, which the server leaves out by itself.
  const found = findRoute(call, call.request.method === 'HEAD' ? 'GET' : call.request.method);
  if (!found.ok) return found.answer;
  if (call.request.method === 'HEAD' && found.route.changesByGet) {
    return { status: 200, headers: { 'cache-control': 'no-store' } };
  }
  return answerRoute(options, call, found.route, { actor: 'public', tenant: undefined, body: new Uint8Array() });
}

async function answerOperator(options: AnswerOptions, call: IncomingCall, onCaller: OnCaller): Promise<Answer> {
  const { request } = call;
  const proved = await options.callers.operator(request);
  if (!proved.ok) return proved.answer;
  const { operator } = proved;
  onCaller(operator.actor);
  const found = findRoute(call, request.method);
  if (!found.ok) return found.answer;
  const needed = neededRole(found.route);
  if (!mayCall(operator.role, needed)) {
    return problem('forbidden', `This needs the role ${needed}, the token has ${operator.role}`);
  }
  const { actor } = operator;
  const throttled = found.route.throttle === 'ignored' ? undefined : options.callers.throttled(actor);
  if (throttled) return throttled;
  return answerRoute(options, call, found.route, { actor, operator, tenant: undefined, body: undefined });
}

async function answerLink(options: AnswerOptions, call: IncomingCall, onCaller: OnCaller): Promise<Answer> {
  const proved = await options.callers.link(call.request);
  if (!proved.ok) return proved.answer;
  const { tenant } = proved;
  const actor = `tenant-link:${tenant.clientId}`;
  onCaller(actor);
  const found = findRoute(call, call.request.method);
  if (!found.ok) return found.answer;
  const throttled = options.callers.linkThrottled(actor);
  if (throttled) return throttled;
  return answerRoute(options, call, found.route, { actor, tenant, body: undefined });
}

async function answerTenant(options: AnswerOptions, call: IncomingCall, onCaller: OnCaller): Promise<Answer> {
  const { request, target, match } = call;
  const { callers } = options;
  const isTokenCall = [...(match?.byMethod.values() ?? [])].some((route) => route.access === 'signed');
  if (!isTokenCall) {
    // Before the body is read: it is the first check.
    const early = callers.clientId(request.headers, undefined);
    if (!early.ok) return early.answer;
  }
  const read = await bodyOf(call, defaultMaxBodyBytes);
  if (!read.ok) return unreadBody(read.reason, defaultMaxBodyBytes, 'bad_request');
  const clientId = callers.clientId(request.headers, isTokenCall ? read.bytes : undefined);
  if (!clientId.ok) return clientId.answer;

  const signed = { method: request.method, target, headers: request.headers, body: read.bytes };
  const proved = isTokenCall ? await callers.signed(clientId.id, signed) : await callers.tenant(clientId.id, signed);
  if (!proved.ok) return proved.answer;
  const { tenant } = proved;
  const actor = `tenant:${tenant.clientId}`;
  onCaller(actor);

  const found = findRoute(call, request.method);
  if (!found.ok) return found.answer;
  const { scopes } = found.route;
  if (scopes && !scopes.some((scope) => tenant.scopes.includes(scope))) {
    return problem('forbidden', `The token needs ${scopes.length > 1 ? 'one of ' : ''}${scopes.join(', ')}`);
  }
  return answerRoute(options, call, found.route, { actor, tenant, body: read.bytes });
}

type Found = { readonly ok: true; readonly route: Route } | { readonly ok: false; readonly answer: Answer };

function findRoute({ match }: IncomingCall, method: string): Found {
  if (!match) return { ok: false, answer: problem('not_found', 'There is nothing at this path') };
  const route = match.byMethod.get(method);
  if (route) return { ok: true, route };
  const allow = [...match.byMethod.keys()].join(', ');
  return { ok: false, answer: problem('method_not_allowed', `This path takes ${allow}`, { allow }) };
}

interface Caller {
  readonly actor: string;
  readonly tenant: Tenant | undefined;
  readonly operator?: Operator | undefined;
  /** Undefined: not read yet. */
  readonly body: Uint8Array | undefined;
}

async function answerRoute(options: AnswerOptions, call: IncomingCall, route: Route, caller: Caller): Promise<Answer> {
  const { request, target, match, requestId } = call;
  const { headers } = request;
  const params = check(route.params ?? anything, match?.params ?? {}, 'path');
  if (!params.ok || (route.exists && !(await route.exists(params.value, caller.tenant)))) {
    return problem('not_found', `There is no such thing: ${route.params && !params.ok ? params.detail : target.path}`);
  }
  if (406 in route.responses && !acceptsJson(headers.get('accept'))) {
    return problem('not_acceptable', 'accept: the answer is application/json');
  }

  if (caller.tenant && (headers.get('upvest-api-version') ?? '1') !== '1') {
    return problem('bad_request', 'upvest-api-version: must be 1');
  }
  const key = route.method === 'POST' && route.idempotency !== 'ignored' ? headers.get('idempotency-key') : null;
  if (key !== null && !isIdempotencyKey(key)) return problem('bad_request', 'idempotency-key: must be a UUID');
  const pairs = readPairs(route.query ? (target.query ?? '') : '', 'query');
  if (!pairs.ok) return problem('bad_request', pairs.detail);
  const query = check(route.query ?? anything, pairs.value, 'query');
  if (!query.ok) return problem('bad_request', query.detail);

  const stream = streamOf(route.body, request);
  let bytes = caller.body;
  if (stream) bytes = new Uint8Array();
  else if (!bytes) {
    const maxBytes = route.body?.maxBytes ?? defaultMaxBodyBytes;
    const read = await bodyOf(call, maxBytes);
    if (!read.ok) return unreadBody(read.reason, maxBytes, 'content_too_large');
    bytes = read.bytes;
  }
  const rawBody = bytes;
  const body = stream || !route.body ? nothing : parseBody(route.body, rawBody, headers.get('content-type'));
  if (!body.ok) return problem('bad_request', body.detail);

  const handle = (keepAnswer: Call<unknown, unknown, unknown>['keepAnswer']): Promise<Answer> =>
    route.handle({
      params: params.value,
      query: query.value,
      body: body.value,
      rawBody,
      stream,
      headers,
      requestId,
      tenant: caller.tenant,
      operator: caller.operator,
      actor: caller.actor,
      // Made when asked for: it costs a Request and an abort controller.
      get signal() {
        return request.signal;
      },
      keepAnswer,
    });
  if (key === null || stream || route.access === 'public') return handle(async () => {});
  const { database, now, logger } = options.deps;
  return answerOnce(
    { database, now, onError: (error) => logger.warn({ err: error, requestId }, 'idempotency key not updated') },
    route.access === 'operator' ? options.operatorAnswers : plainAnswers,
    { scope: caller.actor, key, method: route.method, ...target, body: rawBody, signal: request.signal },
    handle,
  );
}

const anything = z.unknown();
const nothing: Parsed<unknown> = { ok: true, value: undefined };

function streamOf(rule: BodyRule<unknown> | undefined, request: Request): ReadableStream<Uint8Array> | undefined {
  const mediaType = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (!rule?.streamTypes?.some((type) => type === mediaType || type === '*/*')) return undefined;
  return request.body ?? undefined;
}

/** The tenant API's contract has no 413. */
function bodyOf({ request, incoming }: IncomingCall, maxBytes: number): Promise<BodyResult> {
  return incoming ? readIncoming(incoming, maxBytes) : readBody(request, maxBytes);
}

function unreadBody(reason: 'too_large' | 'broken', maxBytes: number, tooLarge: ProblemSlug): Answer {
  const close = { connection: 'close' };
  if (reason === 'broken') return problem('bad_request', 'body: could not be read', close);
  return problem(tooLarge, `body: must have at most ${maxBytes} bytes`, close);
}
