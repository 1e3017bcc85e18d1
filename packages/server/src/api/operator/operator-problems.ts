// The problem answers of an operator route, as entries of its `responses`: what the checks before its handler give, found
// from what the route declares, and what it lists itself as `problems`. A test fails on every answer that is in neither.

import { neededRole } from '../operator-access.ts';
import { problemSchema } from '../problem.ts';
import type { Route } from '../route.ts';

const descriptions: Readonly<Record<number, string>> = {
  400: 'A header, the query or the body is malformed',
  401: 'The operator token or the session is not good',
  403: 'The token has a role that may not do this',
  404: 'There is no such thing',
  409: 'Not possible in this state, or an idempotency-key used for another request',
  413: 'The body is too large',
  429: 'Too many calls with this token',
  500: 'The service failed',
  503: 'The service or its database is not available, try again',
};

/** What the route says itself of a status stays. */
export function withProblems(route: Route): Route {
  const statuses = [401, 500, 503, ...(route.problems ?? []), ...checksOf(route)];
  const problems = Object.fromEntries(
    statuses.map((status) => [status, { description: descriptions[status] ?? 'Problem', schema: problemSchema }]),
  );
  return { ...route, responses: { ...problems, ...route.responses } };
}

/** `answer-call.ts` in the order of its checks. */
function checksOf(route: Route): readonly number[] {
  const takesKey = route.method === 'POST' && route.idempotency !== 'ignored';
  const takesBody = route.method !== 'GET' && route.method !== 'DELETE';
  return [
    ...(neededRole(route) === 'read' ? [] : [403]),
    ...(route.throttle === 'ignored' ? [] : [429]),
    ...(route.path.includes('{') ? [404] : []),
    ...(takesKey ? [409] : []),
    ...(takesBody ? [413] : []),
    ...(takesBody || route.query ? [400] : []),
  ];
}
