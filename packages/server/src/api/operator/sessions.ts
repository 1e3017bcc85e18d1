// Operator API, the sessions of the dashboard: listed and ended one by one. Everybody sees and ends those that rest on the
// same token; an admin everybody's. An ended session is refused from the next call on; its stream ends within a minute.

import { z } from 'zod';
import { insertAudit } from '../../store/audit.ts';
import {
  endOperatorSession,
  listOperatorSessions,
  type OperatorSessionRow,
  operatorRoles,
  type SessionOwner,
} from '../../store/operator-access.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { type Operator, sessionCheck } from '../operator-access.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';
import { caller, sessionEnd } from './session.ts';

const sessionSchema = z.strictObject({
  id: z.uuid(),
  actor: z.string().describe('operator, or operator:<name> of the token it was made with.'),
  role: z.enum(operatorRoles),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().describe('About a minute exact.'),
  expires_at: z.iso.datetime().describe('Earlier when it is unused.'),
  current: z.boolean().describe('It is the one that asks.'),
});

function ownerFor({ role, tokenId }: Operator): SessionOwner {
  return role === 'admin' ? 'anyone' : { tokenId };
}

export function sessionListRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/sessions',
      access: 'operator',
      operationId: 'listSessions',
      summary: 'List the dashboard sessions made with the same token, oldest first; for an admin all of them',
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(sessionSchema) } },
      async handle({ query, operator }) {
        const asking = caller(operator);
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        const rows = await listOperatorSessions(database, ownerFor(asking), sessionCheck(deps), {
          limit: query.limit + 1,
          after: after && { createdAt: new Date(after.at), id: after.id },
        });
        const position = (row: OperatorSessionRow) => ({ at: row.created_at.toISOString(), id: row.id });
        const show = (row: OperatorSessionRow): z.infer<typeof sessionSchema> => ({
          id: row.id,
          actor: row.actor,
          role: row.role,
          created_at: row.created_at.toISOString(),
          last_used_at: row.last_used_at.toISOString(),
          expires_at: row.expires_at.toISOString(),
          current: row.id === asking.sessionId,
        });
        return { status: 200, body: page(rows, query.limit, position, show) };
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/sessions/{session_id}',
      access: 'operator',
      role: 'read',
      operationId: 'endSession',
      summary: 'End a dashboard session made with the same token; for an admin any',
      params: z.strictObject({ session_id: uuidSchema }),
      responses: { 204: { description: 'Ended', schema: null } },
      async handle({ params, operator, actor }) {
        return database.transaction(async (tx): Promise<Answer> => {
          const row = await endOperatorSession(tx, ownerFor(caller(operator)), params.session_id);
          if (!row) return problem('not_found', `There is no session ${params.session_id}`);
          await insertAudit(tx, sessionEnd(row, actor, new Date(deps.now())));
          return { status: 204 };
        });
      },
    }),
  ];
}
