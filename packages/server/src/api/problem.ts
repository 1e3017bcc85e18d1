// The problem answers of the API (RFC 9457, contract api.md "Errors"): one row per type with its slug, status and title,
// and the mapping of what went wrong inside to one of them. Bodies have the contract's fields only; no stack, no SQL.

import { z } from 'zod';
import { LogOverloadedError } from '../log/event-log.ts';
import { DatabaseError } from '../store/database.ts';
import type { Answer } from './route.ts';

const problemTypes = {
  bad_request: { status: 400, title: 'Bad request' },
  missing_client_id: { status: 400, title: 'Missing client ID' },
  unauthorised: { status: 401, title: 'Unauthorised' },
  forbidden: { status: 403, title: 'Forbidden' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  not_acceptable: { status: 406, title: 'Not acceptable' },
  conflict: { status: 409, title: 'Conflict' },
  content_too_large: { status: 413, title: 'Content too large' },
  unprocessable_entity: { status: 422, title: 'Unprocessable entity' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Internal error' },
  service_unavailable: { status: 503, title: 'Service unavailable' },
  gateway_timeout: { status: 504, title: 'Gateway timeout' },
} as const;

export type ProblemSlug = keyof typeof problemTypes;

export interface Problem {
  readonly slug: ProblemSlug;
  readonly detail: string;
  /** Facts beside the contract's fields: operator API only. */
  readonly members?: Readonly<Record<string, unknown>>;
}

export const problemSchema = z
  .strictObject({
    type: z.url().describe('https://docs.upvest.co/errors/{slug}'),
    status: z.int(),
    title: z.string().optional(),
    detail: z.string().optional(),
    instance: z.string().optional(),
    request_id: z.uuid().optional().describe('Equals the header upvest-request-id.'),
  })
  .describe('Problem details, RFC 9457');

/** An answer that is a problem; `detail` is written for the caller and names the field where there is one. */
export function problem(slug: ProblemSlug, detail: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: problemTypes[slug].status, headers, problem: { slug, detail } };
}

/** The body of a problem answer. */
export function problemBody({ slug, detail, members }: Problem, requestId: string): z.infer<typeof problemSchema> {
  const { status, title } = problemTypes[slug];
  return { type: `https://docs.upvest.co/errors/${slug}`, status, title, detail, request_id: requestId, ...members };
}

/** SQLSTATEs that go away by themselves: serialisation failure, deadlock, lock not available, server shutting down, … */
const transientSqlStates = /^(40001|40P01|55P03|57P0.|53...|08...)$/;

/** What an exception means to the caller: an outage of the database can be waited for, anything else is our fault. */
export function problemOfError(error: unknown): Answer {
  const isOutage =
    error instanceof DatabaseError &&
    (error.code === 'unavailable' || (error.sqlState !== undefined && transientSqlStates.test(error.sqlState)));
  if (error instanceof LogOverloadedError) return problem('service_unavailable', error.message, { 'retry-after': '1' });
  return isOutage
    ? problem('service_unavailable', 'The database cannot be reached, try again shortly', { 'retry-after': '1' })
    : problem('internal', 'The service failed; the request id finds the cause in its log');
}
