// Operator API, tenant links: a URL that shows one tenant its own webhooks, events and deliveries, and nothing else, until it
// ends. It opens as often as it is needed (mail scanners and chat previews would use up one that opens once); revoking
// it, or the operator token it was made with, ends it at once; it ends no later than that token. What it shows is in `../dashboard/view-data.ts`. Beside it
// stands what the operator sees of a tenant's calls that were refused.

import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { hashToken, newToken } from '../../keys/client-secrets.ts';
import { type RefusedCalls, readRefusedCalls } from '../../observe/usage.ts';
import { insertAudit } from '../../store/audit.ts';
import { deleteTenantLink, insertTenantLink, listTenantLinks, type TenantLinkRow } from '../../store/tenant-links.ts';
import { findTenant } from '../../store/tenants.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { tokenCheck } from '../operator-access.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { decodeCursor, page, pageQuery, pageSchema, parseCursor } from './paging.ts';
import { caller } from './session.ts';
import { clientParams, noTenant } from './tenants.ts';

const defaultMinutes = 60;
const maxMinutes = 24 * 60;

const linkSchema = z.strictObject({
  id: z.uuid(),
  made_by: z.string(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  opened_at: z.iso.datetime().nullable().describe('The first time; null: never.'),
});

function show(row: TenantLinkRow): z.infer<typeof linkSchema> {
  return {
    id: row.id,
    made_by: row.made_by,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    opened_at: row.opened_at?.toISOString() ?? null,
  };
}

const refusedSchema = z.strictObject({
  reason: z.string().describe('A reason of the signature check, or token, secret, scope, throttled.'),
  calls: z.int(),
  last_hour: z.iso.datetime().describe('Start of the last hour that had one.'),
});
const dayMs = 86_400_000;

/** This list has no times to go by. A reason that is counted up between two pages can be missed or come twice. */
function encodeRefusedCursor({ calls, reason }: RefusedCalls): string {
  return Buffer.from(JSON.stringify([calls, reason])).toString('base64url');
}

function decodeRefusedCursor(text: string): Pick<RefusedCalls, 'calls' | 'reason'> | undefined {
  const value = parseCursor(text);
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [calls, reason]: unknown[] = value;
  if (typeof calls !== 'number' || !Number.isSafeInteger(calls)) return undefined;
  return typeof reason === 'string' && /^[a-z_]{1,40}$/.test(reason) ? { calls, reason } : undefined;
}

export function tenantLinkRoutes(deps: ApiDependencies): Route[] {
  const { database, config } = deps;
  return [
    route({
      method: 'POST',
      path: '/operator/tenants/{client_id}/links',
      access: 'operator',
      operationId: 'createTenantLink',
      summary: 'Make a link that shows a tenant its own webhooks, events and deliveries, to read',
      params: clientParams,
      body: {
        contentTypes: ['application/json'],
        schema: z
          .strictObject({
            expires_in_minutes: z.int().min(1).max(maxMinutes).optional().describe(`Absent: ${defaultMinutes}.`),
          })
          .optional(),
        format: 'json',
        required: false,
      },
      responses: {
        201: {
          description: 'The link, shown this once',
          schema: z.strictObject({ ...linkSchema.shape, url: z.url() }),
        },
      },
      async handle({ params, body, operator, actor, keepAnswer }) {
        const secret = newToken();
        const { now, configuredHash } = tokenCheck(deps);
        const expiresAt = new Date(now.getTime() + (body?.expires_in_minutes ?? defaultMinutes) * 60_000);
        return database.transaction(async (tx): Promise<Answer> => {
          const row = await insertTenantLink(tx, {
            id: uuidv7(),
            clientId: params.client_id,
            hash: hashToken(secret),
            madeBy: actor,
            tokenId: caller(operator).tokenId,
            configuredHash,
            expiresAt,
            now,
          });
          if (!row) return noTenant(params.client_id);
          const shown = show(row);
          await insertAudit(tx, {
            actor,
            action: 'tenant_link.create',
            subject: `tenant:${row.client_id}`,
            clientId: row.client_id,
            after: { id: row.id, expires_at: shown.expires_at },
            at: now,
          });
          const answer: Answer = { status: 201, body: { ...shown, url: `${config.publicUrl}/view/open/${secret}` } };
          await keepAnswer(tx, answer);
          return answer;
        });
      },
    }),

    route({
      method: 'GET',
      path: '/operator/tenants/{client_id}/links',
      access: 'operator',
      operationId: 'listTenantLinks',
      summary: 'List the links of a tenant that still open, newest first',
      params: clientParams,
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(linkSchema) } },
      async handle({ params, query }) {
        const before = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !before) return problem('bad_request', 'cursor: is not one of this list');
        if (!(await findTenant(database, params.client_id))) return noTenant(params.client_id);
        const rows = await listTenantLinks(database, params.client_id, tokenCheck(deps), {
          limit: query.limit + 1,
          before: before && { createdAt: new Date(before.at), id: before.id },
        });
        const position = (row: TenantLinkRow) => ({ at: row.created_at.toISOString(), id: row.id });
        return { status: 200, body: page(rows, query.limit, position, show) };
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/tenants/{client_id}/links/{link_id}',
      access: 'operator',
      operationId: 'deleteTenantLink',
      summary: 'Revoke a link: whoever has it open sees nothing more',
      params: z.strictObject({ ...clientParams.shape, link_id: uuidSchema }),
      responses: { 204: { description: 'Revoked', schema: null } },
      async handle({ params, actor }) {
        return database.transaction(async (tx): Promise<Answer> => {
          const row = await deleteTenantLink(tx, params.client_id, params.link_id);
          if (!row) return problem('not_found', `There is no link ${params.link_id} of this tenant`);
          await insertAudit(tx, {
            actor,
            action: 'tenant_link.delete',
            subject: `tenant:${row.client_id}`,
            clientId: row.client_id,
            before: { id: row.id, made_by: row.made_by, expires_at: row.expires_at.toISOString() },
            at: new Date(deps.now()),
          });
          return { status: 204 };
        });
      },
    }),

    route({
      method: 'GET',
      path: '/operator/tenants/{client_id}/refused-calls',
      access: 'operator',
      operationId: 'listRefusedCalls',
      summary: 'Calls under the client id of a tenant that were refused in the last 24 hours, by reason',
      params: clientParams,
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page, most frequent first', schema: pageSchema(refusedSchema) } },
      async handle({ params, query }) {
        const after = query.cursor === undefined ? undefined : decodeRefusedCursor(query.cursor);
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        if (!(await findTenant(database, params.client_id))) return noTenant(params.client_id);
        await deps.usage.flush();
        const since = new Date(deps.now() - dayMs);
        const rows = await readRefusedCalls(database, params.client_id, { since, limit: query.limit + 1, after });
        const shown = rows.slice(0, query.limit);
        const last = rows.length > query.limit ? shown.at(-1) : undefined;
        const data = shown.map(({ reason, calls, last_hour: lastHour }) => ({
          reason,
          calls,
          last_hour: lastHour.toISOString(),
        }));
        return { status: 200, body: { data, next_cursor: last === undefined ? null : encodeRefusedCursor(last) } };
      },
    }),
  ];
}
