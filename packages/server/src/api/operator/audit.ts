// Operator API, the audit trail: who changed what, newest first.

import { z } from 'zod';
import { type AuditRow, listAudit } from '../../store/audit.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { isStorableText } from '../input.ts';
import { problem } from '../problem.ts';
import { type Route, route } from '../route.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';

const text = z.string().max(200).refine(isStorableText, 'must be plain text');

const auditSchema = z.strictObject({
  id: z.uuid(),
  at: z.iso.datetime(),
  actor: z.string().describe('operator, or tenant:<client id>'),
  action: z.string(),
  subject: z.string(),
  client_id: z.uuid().nullable(),
  before: z.unknown(),
  after: z.unknown(),
});

function show(row: AuditRow): z.infer<typeof auditSchema> {
  const { id, actor, action, subject, client_id, before, after } = row;
  return { id, at: row.at.toISOString(), actor, action, subject, client_id, before, after };
}

export function auditRoutes(deps: ApiDependencies): Route[] {
  return [
    route({
      method: 'GET',
      path: '/operator/audit',
      access: 'operator',
      operationId: 'listAudit',
      summary: 'Who changed what, newest first',
      query: z.strictObject({
        ...pageQuery,
        subject: text.optional().describe('<thing>:<id>, as in webhook:…'),
        action: text.optional().describe('<thing>.<verb>, as in webhook.skip'),
        client_id: uuidSchema.optional(),
      }),
      responses: { 200: { description: 'A page', schema: pageSchema(auditSchema) } },
      async handle({ query }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return problem('bad_request', 'cursor: is not one of this list');
        const rows = await listAudit(deps.database, {
          subject: query.subject,
          action: query.action,
          clientId: query.client_id,
          before,
          limit: query.limit + 1,
        });
        return { status: 200, body: page(rows, query.limit, (row) => ({ at: row.at_text, id: row.id }), show) };
      },
    }),
  ];
}
