// Operator API, access tokens of a tenant: which there are, and taking one or all of them away. The tokens themselves are
// not known here; one is named by its SHA-256, which `sha256sum` tells of a token that turned up where it should not be.
//
// A tenant whose secret and keys are good gets a new token: taking those away is rotating the secret and removing the key.

import { z } from 'zod';
import { insertAudit } from '../../store/audit.ts';
import { findTenant } from '../../store/tenants.ts';
import { deleteTokens, listTokens, type TokenRow } from '../../store/tokens.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';
import { clientParams, noTenant } from './tenants.ts';

const idPattern = /^[0-9a-f]{64}$/;

const tokenSchema = z.strictObject({
  id: z.string().regex(idPattern).describe('SHA-256 of the token, in hexadecimal.'),
  scopes: z.array(z.string()),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});

function show(row: TokenRow): z.infer<typeof tokenSchema> {
  return {
    id: row.id,
    scopes: [...row.scopes],
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
  };
}

export function tenantTokenRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/tenants/{client_id}/tokens',
      access: 'operator',
      operationId: 'listTenantTokens',
      summary: 'List the access tokens of a tenant that have not expired, oldest first',
      params: clientParams,
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(tokenSchema) } },
      async handle({ params, query }) {
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor, (id) => idPattern.test(id));
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        if (!(await findTenant(database, params.client_id))) return noTenant(params.client_id);
        const rows = await listTokens(database, params.client_id, {
          now: new Date(deps.now()),
          limit: query.limit + 1,
          after: after && { createdAt: new Date(after.at), id: after.id },
        });
        const position = (row: TokenRow) => ({ at: row.created_at.toISOString(), id: row.id });
        return { status: 200, body: page(rows, query.limit, position, show) };
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/tenants/{client_id}/tokens',
      access: 'operator',
      role: 'admin',
      operationId: 'revokeTenantTokens',
      summary: 'Revoke every access token of a tenant: they open nothing from now on',
      params: clientParams,
      responses: { 200: { description: 'Revoked', schema: z.strictObject({ revoked: z.int() }) } },
      async handle({ params, actor }) {
        const clientId = params.client_id;
        const now = new Date(deps.now());
        return database.transaction(async (tx): Promise<Answer> => {
          if (!(await findTenant(tx, clientId))) return noTenant(clientId);
          const revoked = (await deleteTokens(tx, clientId)).filter(({ expires_at }) => expires_at > now).length;
          await insertAudit(tx, {
            actor,
            action: 'tenant_tokens.revoke',
            subject: `tenant:${clientId}`,
            clientId,
            before: { tokens: revoked },
            at: now,
          });
          return { status: 200, body: { revoked } };
        });
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/tenants/{client_id}/tokens/{token_id}',
      access: 'operator',
      role: 'admin',
      operationId: 'revokeTenantToken',
      summary: 'Revoke one access token: it opens nothing from now on',
      params: z.strictObject({
        client_id: uuidSchema,
        token_id: z.string().toLowerCase().regex(idPattern, 'must be a SHA-256 in hexadecimal'),
      }),
      responses: { 204: { description: 'Revoked', schema: null } },
      async handle({ params, actor }) {
        const { client_id: clientId, token_id: id } = params;
        const now = new Date(deps.now());
        return database.transaction(async (tx): Promise<Answer> => {
          const [token] = await deleteTokens(tx, clientId, id);
          if (!token || token.expires_at <= now) {
            return problem('not_found', `There is no token ${id} of tenant ${clientId}`);
          }
          await insertAudit(tx, {
            actor,
            action: 'tenant_token.revoke',
            subject: `tenant_token:${id}`,
            clientId,
            before: { scopes: token.scopes, expires_at: token.expires_at.toISOString() },
            at: now,
          });
          return { status: 204 };
        });
      },
    }),
  ];
}
