// Operator API, access: the dashboard's sign-in link and session, and operator tokens with a role. The link opens once
// within 60 s and sets the cookie (`../dashboard/pages.ts`); a session lasts 12 h, less when unused, and never outlives its
// token, be it deleted, expired or, the configured one, changed. A session makes no other one. The list of sessions is in `sessions.ts`.

import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { hashToken, newToken } from '../../keys/client-secrets.ts';
import { type AuditEntry, insertAudit } from '../../store/audit.ts';
import {
  deleteOperatorSession,
  deleteOperatorToken,
  insertOperatorSession,
  insertOperatorToken,
  listOperatorTokens,
  type OperatorSessionRow,
  type OperatorTokenRow,
  operatorRoles,
} from '../../store/operator-access.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { isStorableText } from '../input.ts';
import { type Operator, tokenCheck } from '../operator-access.ts';
import { problem, problemSchema } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { clearedCookie, readSessionCookie } from '../session-cookie.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';

const linkMs = 60_000;

const tokenSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  role: z.enum(operatorRoles),
  expires_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
});

function showToken(row: OperatorTokenRow): z.infer<typeof tokenSchema> {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    expires_at: row.expires_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}

export function caller(operator: Operator | undefined): Operator {
  if (!operator) throw new TypeError('An operator route was called without an operator');
  return operator;
}

/** For the audit trail. */
export function sessionEnd(
  session: Pick<OperatorSessionRow, 'id' | 'actor' | 'role'>,
  actor: string,
  at: Date,
): AuditEntry {
  const subject = `operator_session:${session.id}`;
  return {
    actor,
    action: 'operator_session.delete',
    subject,
    before: { actor: session.actor, role: session.role },
    at,
  };
}

export function sessionRoutes(deps: ApiDependencies): Route[] {
  const { database, config } = deps;

  /** Where the dashboard is said to be, else where the caller reached this listener. */
  const ownUrl = (headers: Headers): string => {
    if (config.dashboardUrl !== undefined) return config.dashboardUrl;
    const host = headers.get('host');
    if (host === null || host === new URL(config.publicUrl).host) return config.publicUrl;
    return `${headers.get('x-forwarded-proto') === 'https' ? 'https' : 'http'}://${host}`;
  };

  return [
    route({
      method: 'POST',
      path: '/operator/session',
      access: 'operator',
      role: 'read',
      idempotency: 'ignored',
      operationId: 'createSession',
      summary: 'Make a sign-in link for the dashboard: one use, 60 seconds; with a token, not from a session',
      responses: {
        201: { description: 'The link', schema: z.strictObject({ url: z.url() }) },
        403: { description: 'A session asked', schema: problemSchema },
      },
      async handle({ operator, headers }) {
        const { actor, role, tokenId, sessionUntil } = caller(operator);
        // Or a session would go on without end, and a stolen cookie with it. The page asks with the token that was typed in.
        if (sessionUntil !== undefined) return problem('forbidden', 'A session makes no sign-in link: show a token');
        const secret = newToken();
        const { now, configuredHash } = tokenCheck(deps);
        const expiresAt = new Date(now.getTime() + linkMs);
        await insertOperatorSession(database, {
          hash: hashToken(secret),
          kind: 'link',
          actor,
          role,
          tokenId,
          configuredHash,
          expiresAt,
          now,
        });
        return { status: 201, body: { url: `${ownUrl(headers)}/dashboard/open/${secret}` } };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/session',
      access: 'operator',
      operationId: 'getSession',
      summary: 'Who is signed in',
      responses: {
        200: {
          description: 'The caller',
          schema: z.strictObject({
            actor: z.string(),
            role: z.enum(operatorRoles),
            expires_at: z.iso.datetime().nullable(),
          }),
        },
      },
      async handle({ operator }) {
        const { actor, role, sessionUntil } = caller(operator);
        return { status: 200, body: { actor, role, expires_at: sessionUntil?.toISOString() ?? null } };
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/session',
      access: 'operator',
      role: 'read',
      operationId: 'deleteSession',
      summary: 'Sign out of the dashboard',
      responses: { 204: { description: 'Signed out', schema: null } },
      async handle({ headers, actor }) {
        const secret = readSessionCookie(headers, config.publicUrl);
        if (secret !== undefined) {
          await database.transaction(async (tx) => {
            const row = await deleteOperatorSession(tx, hashToken(secret));
            if (row) await insertAudit(tx, sessionEnd(row, actor, new Date(deps.now())));
          });
        }
        return { status: 204, headers: { 'set-cookie': clearedCookie(headers) } };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/tokens',
      access: 'operator',
      role: 'admin',
      operationId: 'listOperatorTokens',
      summary: 'List operator tokens, oldest first; the configured one is not among them',
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(tokenSchema) } },
      async handle({ query }) {
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        const rows = await listOperatorTokens(database, {
          limit: query.limit + 1,
          after: after && { createdAt: new Date(after.at), id: after.id },
        });
        const position = (row: OperatorTokenRow) => ({ at: row.created_at.toISOString(), id: row.id });
        return { status: 200, body: page(rows, query.limit, position, showToken) };
      },
    }),

    route({
      method: 'POST',
      path: '/operator/tokens',
      access: 'operator',
      role: 'admin',
      operationId: 'createOperatorToken',
      summary: 'Make an operator token; it is shown this once',
      body: {
        contentTypes: ['application/json'],
        schema: z.strictObject({
          name: z.string().min(1, 'must not be empty').max(100).refine(isStorableText, 'must be plain text'),
          role: z.enum(operatorRoles),
          expires_in_days: z.int().min(1).max(3650).optional(),
        }),
        format: 'json',
        required: true,
      },
      responses: {
        201: { description: 'The token', schema: z.strictObject({ ...tokenSchema.shape, token: z.string() }) },
      },
      async handle({ body, actor, keepAnswer }) {
        const token = newToken();
        const now = new Date(deps.now());
        const days = body.expires_in_days;
        const expiresAt = days === undefined ? undefined : new Date(now.getTime() + days * 86_400_000);
        const { name, role } = body;
        return database.transaction(async (tx): Promise<Answer> => {
          const row = await insertOperatorToken(tx, {
            id: uuidv7(),
            name,
            role,
            hash: hashToken(token),
            expiresAt,
            now,
          });
          if (!row) return problem('conflict', `There is an operator token named ${name} already`);
          const shown = showToken(row);
          await insertAudit(tx, {
            actor,
            action: 'operator_token.create',
            subject: `operator_token:${row.id}`,
            after: { name, role, expires_at: shown.expires_at },
            at: now,
          });
          const answer: Answer = { status: 201, body: { ...shown, token } };
          await keepAnswer(tx, answer);
          return answer;
        });
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/tokens/{token_id}',
      access: 'operator',
      role: 'admin',
      operationId: 'deleteOperatorToken',
      summary: 'Revoke an operator token, and the sessions made with it',
      params: z.strictObject({ token_id: uuidSchema }),
      responses: { 204: { description: 'Revoked', schema: null } },
      async handle({ params, actor }) {
        return database.transaction(async (tx): Promise<Answer> => {
          const row = await deleteOperatorToken(tx, params.token_id);
          if (!row) return problem('not_found', `There is no operator token ${params.token_id}`);
          await insertAudit(tx, {
            actor,
            action: 'operator_token.delete',
            subject: `operator_token:${row.id}`,
            before: { name: row.name, role: row.role },
            at: new Date(deps.now()),
          });
          return { status: 204 };
        });
      },
    }),
  ];
}
