// Operator API, attempts: one row a package attempt, searched newest first, and one in full, to the byte.

import { z } from 'zod';
import { createdAtOf } from '../../delivery/package.ts';
import { type AttemptDetailRow, type AttemptRow, findAttempt, listAttempts } from '../../store/attempts.ts';
import { findPosition } from '../../store/webhook-position.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem } from '../problem.ts';
import { type Route, route } from '../route.ts';
import { isHeaders, rebuildBase, rebuildPackage } from './attempt-package.ts';
import { booleanQuery, decodeCursor, instantQuery, page, pageQuery, pageSchema } from './paging.ts';

const attemptFields = {
  id: z.uuid(),
  webhook_id: z.uuid(),
  client_id: z.uuid(),
  kind: z.enum(['delivery', 'test']),
  package_id: z.uuid(),
  attempt: z.int().describe('1 is the first of its package.'),
  partition: z.int(),
  first_offset: z.int().nullable(),
  last_offset: z.int().nullable(),
  event_count: z.int(),
  bytes: z.int().describe('Of the request body.'),
  url: z.string(),
  started_at: z.iso.datetime(),
  duration_ms: z.int(),
  ok: z.boolean(),
  reason: z.string().nullable().describe('Why it failed, from a closed list.'),
  status: z.int().nullable(),
};

export const attemptSchema = z.strictObject(attemptFields);

export const attemptDetailSchema = z.strictObject({
  ...attemptFields,
  request: z.strictObject({
    method: z.literal('POST'),
    url: z.string(),
    headers: z.record(z.string(), z.string()).nullable().describe('As sent; kept of failed attempts and tests.'),
    signature_base: z.string().nullable().describe('The text that was signed, rebuilt from the headers.'),
    body: z.string().nullable().describe('Rebuilt from the log and proved by size and digest; null when that fails.'),
  }),
  response: z
    .strictObject({
      status: z.int(),
      headers: z.record(z.string(), z.unknown()).nullable(),
      excerpt: z.string().nullable().describe('The first bytes of the body.'),
    })
    .nullable(),
  events: z
    .array(z.strictObject({ id: z.uuid(), type: z.string(), created_at: z.string(), offset: z.int() }))
    .nullable()
    .describe('In order of the log; null when the package could not be rebuilt.'),
});

export function showAttempt(row: AttemptRow): z.infer<typeof attemptSchema> {
  const { id, webhook_id, client_id, kind, package_id, attempt, partition, first_offset, last_offset } = row;
  const { event_count, bytes, url, duration_ms, ok, reason, status } = row;
  return {
    ...{ id, webhook_id, client_id, kind, package_id, attempt, partition, first_offset, last_offset },
    ...{ event_count, bytes, url, started_at: row.started_at.toISOString(), duration_ms, ok, reason, status },
  };
}

export function attemptRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/attempts',
      access: 'operator',
      operationId: 'listAttempts',
      summary: 'Search attempts, newest first',
      query: z.strictObject({
        ...pageQuery,
        webhook_id: uuidSchema.optional(),
        client_id: uuidSchema.optional().describe('Of the webhooks that the tenant has now.'),
        package_id: uuidSchema.optional(),
        kind: z.enum(['delivery', 'test']).optional(),
        ok: booleanQuery.optional(),
        since: instantQuery.optional().describe('Started at or after.'),
        until: instantQuery.optional().describe('Started before.'),
      }),
      responses: { 200: { description: 'A page', schema: pageSchema(attemptSchema) } },
      async handle({ query }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return problem('bad_request', 'cursor: is not one of this list');
        const rows = await listAttempts(database, {
          webhookId: query.webhook_id,
          clientId: query.client_id,
          packageId: query.package_id,
          kind: query.kind,
          ok: query.ok,
          since: query.since,
          until: query.until,
          before,
          limit: query.limit + 1,
        });
        const shown = page(rows, query.limit, (row) => ({ at: row.started_text, id: row.id }), showAttempt);
        return { status: 200, body: shown };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/attempts/{attempt_id}',
      access: 'operator',
      operationId: 'getAttempt',
      summary: 'Read an attempt: what was signed, sent and answered',
      params: z.strictObject({ attempt_id: uuidSchema }),
      responses: { 200: { description: 'The attempt', schema: attemptDetailSchema } },
      async handle({ params }) {
        const row = await findAttempt(database, params.attempt_id);
        if (!row) return problem('not_found', `There is no attempt ${params.attempt_id}`);
        return { status: 200, body: await attemptDetail(deps, row) };
      },
    }),
  ];
}

export async function attemptDetail(
  { database, log }: Pick<ApiDependencies, 'database' | 'log'>,
  row: AttemptDetailRow,
): Promise<z.infer<typeof attemptDetailSchema>> {
  const built = await rebuildPackage(log, row, await findPosition(database, row.webhook_id));
  return {
    ...showAttempt(row),
    request: {
      method: 'POST',
      url: row.url,
      headers: isHeaders(row.request_headers) ? row.request_headers : null,
      signature_base: rebuildBase(row.url, row.request_headers) ?? null,
      body: built?.body.toString('utf8') ?? null,
    },
    response:
      row.status === null
        ? null
        : { status: row.status, headers: readRecord(row.response_headers), excerpt: row.response_excerpt },
    events:
      built?.events.map(({ id, type, body, offset }) => ({ id, type, created_at: createdAtOf(body), offset })) ?? null,
  };
}

function readRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? { ...value } : null;
}
