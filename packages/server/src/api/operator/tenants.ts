// Operator API, tenants: create, list, read, change, delete, and a new secret while the old one stays good for a day. A
// secret is shown in the answer that made it and nowhere else.

import { z } from 'zod';
import { hashClientSecret, newClientSecret } from '../../keys/client-secrets.ts';
import { insertAudit } from '../../store/audit.ts';
import {
  deleteTenant,
  findTenant,
  insertTenant,
  listTenants,
  rotateTenantSecret,
  type TenantRow,
  updateTenant,
} from '../../store/tenants.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { isStorableText } from '../input.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { followChange } from '../webhook-change.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';

const defaultScopes = ['webhooks:admin', 'webhooks:read'] as const;
/** How long the secret before a rotation stays good; less for one that somebody else knows. */
const secretOverlapHours = 24;

const nameSchema = z.string().min(1, 'must not be empty').max(200).refine(isStorableText, 'must be plain text');
const scopesSchema = z
  .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/, 'must be a scope without spaces'))
  .min(1, 'must not be empty')
  .max(50)
  .transform((scopes) => [...new Set(scopes)]);

const createFields = { name: nameSchema, scopes: scopesSchema.optional() };
/** `bellhop dev` makes its tenant again with the ids and the secret that it wrote down before. */
const devFields = { client_id: uuidSchema.optional(), client_secret: z.string().min(1).max(1000).optional() };

const hoursRange = `must be from 0 to ${secretOverlapHours}`;
const rotateBody = z
  .strictObject({ overlap_hours: z.int().min(0, hoursRange).max(secretOverlapHours, hoursRange).optional() })
  .optional();

interface CreateBody {
  readonly name: string;
  readonly scopes?: string[] | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
}

export const clientParams = z.strictObject({ client_id: uuidSchema });

const tenantSchema = z.strictObject({
  client_id: z.uuid(),
  name: z.string(),
  scopes: z.array(z.string()),
  partition: z.int(),
  previous_secret_until: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});

function show(row: TenantRow): z.infer<typeof tenantSchema> {
  return {
    client_id: row.client_id,
    name: row.name,
    scopes: [...row.scopes],
    partition: row.partition,
    previous_secret_until: row.previous_secret_until?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function noTenant(clientId: string): Answer {
  return problem('not_found', `There is no tenant ${clientId}`);
}

export function tenantRoutes(deps: ApiDependencies): Route[] {
  const { database, config } = deps;
  const createSchema: z.ZodType<CreateBody> = config.dev
    ? z.strictObject({ ...createFields, ...devFields })
    : z.strictObject(createFields);

  return [
    route({
      method: 'POST',
      path: '/operator/tenants',
      access: 'operator',
      role: 'admin',
      operationId: 'createTenant',
      summary: 'Create a tenant; its secret is shown this once',
      body: { contentTypes: ['application/json'], schema: createSchema, format: 'json', required: true },
      responses: {
        201: { description: 'Created', schema: z.strictObject({ client_id: z.uuid(), client_secret: z.string() }) },
      },
      async handle({ body, actor, keepAnswer }) {
        const clientId = body.client_id ?? crypto.randomUUID();
        const secret = body.client_secret ?? newClientSecret();
        const secretHash = await hashClientSecret(secret);
        const now = new Date(deps.now());
        return database.transaction(async (tx): Promise<Answer> => {
          const scopes = body.scopes ?? [...defaultScopes];
          const row = await insertTenant(tx, { clientId, name: body.name, scopes, secretHash, now });
          if (!row) return problem('conflict', `There is a tenant ${clientId} already`);
          await insertAudit(tx, {
            actor,
            action: 'tenant.create',
            subject: `tenant:${clientId}`,
            clientId,
            after: { name: row.name, scopes: row.scopes, partition: row.partition },
            at: now,
          });
          const answer: Answer = { status: 201, body: { client_id: clientId, client_secret: secret } };
          await keepAnswer(tx, answer);
          return answer;
        });
      },
    }),

    route({
      method: 'GET',
      path: '/operator/tenants',
      access: 'operator',
      operationId: 'listTenants',
      summary: 'List tenants, oldest first',
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(tenantSchema) } },
      async handle({ query }) {
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        const rows = await listTenants(database, {
          limit: query.limit + 1,
          after: after && { createdAt: new Date(after.at), clientId: after.id },
        });
        const position = (row: TenantRow) => ({ at: row.created_at.toISOString(), id: row.client_id });
        return { status: 200, body: page(rows, query.limit, position, show) };
      },
    }),

    route({
      method: 'GET',
      path: '/operator/tenants/{client_id}',
      access: 'operator',
      operationId: 'getTenant',
      summary: 'Read a tenant',
      params: clientParams,
      responses: { 200: { description: 'The tenant', schema: tenantSchema } },
      async handle({ params }) {
        const row = await findTenant(database, params.client_id);
        return row ? { status: 200, body: show(row) } : noTenant(params.client_id);
      },
    }),

    route({
      method: 'PATCH',
      path: '/operator/tenants/{client_id}',
      access: 'operator',
      role: 'admin',
      operationId: 'updateTenant',
      summary: 'Change name or scopes; a scope taken away is gone from issued tokens too',
      params: clientParams,
      body: {
        contentTypes: ['application/json'],
        schema: z.strictObject({ name: nameSchema.optional(), scopes: scopesSchema.optional() }),
        format: 'json',
        required: true,
      },
      responses: { 200: { description: 'The tenant as it is now', schema: tenantSchema } },
      async handle({ params, body, actor }) {
        const now = new Date(deps.now());
        return database.transaction(async (tx): Promise<Answer> => {
          const before = await findTenant(tx, params.client_id);
          const row = await updateTenant(tx, params.client_id, { ...body, now });
          if (!before || !row) return noTenant(params.client_id);
          await insertAudit(tx, {
            actor,
            action: 'tenant.update',
            subject: `tenant:${row.client_id}`,
            clientId: row.client_id,
            before: { name: before.name, scopes: before.scopes },
            after: { name: row.name, scopes: row.scopes },
            at: now,
          });
          return { status: 200, body: show(row) };
        });
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/tenants/{client_id}',
      access: 'operator',
      role: 'admin',
      operationId: 'deleteTenant',
      summary:
        'Delete a tenant with its keys, tokens and webhooks; events and attempts stay until retention takes them',
      params: clientParams,
      responses: { 204: { description: 'Deleted', schema: null } },
      async handle({ params, actor }) {
        const clientId = params.client_id;
        const webhooks = await database.transaction(async (tx) => {
          const before = await findTenant(tx, clientId);
          const owned = await tx.query<{ id: string; partition: number }>(
            'select id, partition from webhooks where client_id = $1',
            [clientId],
          );
          if (!before || !(await deleteTenant(tx, clientId))) return undefined;
          await insertAudit(tx, {
            actor,
            action: 'tenant.delete',
            subject: `tenant:${clientId}`,
            clientId,
            before: { name: before.name, scopes: before.scopes, webhooks: owned.map(({ id }) => id) },
            at: new Date(deps.now()),
          });
          return owned;
        });
        if (!webhooks) return noTenant(clientId);
        await followChange(
          deps,
          webhooks.map(({ id, partition }) => ({ partition, webhookId: id })),
        );
        return { status: 204 };
      },
    }),

    route({
      method: 'POST',
      path: '/operator/tenants/{client_id}/secret',
      access: 'operator',
      role: 'admin',
      operationId: 'rotateTenantSecret',
      summary: 'Make a new secret; the one before stays good for 24 hours, or less',
      params: clientParams,
      body: { contentTypes: ['application/json'], format: 'json', required: false, schema: rotateBody },
      responses: {
        200: {
          description: 'The new secret, shown this once',
          schema: z.strictObject({
            client_id: z.uuid(),
            client_secret: z.string(),
            previous_secret_until: z.iso.datetime(),
          }),
        },
      },
      async handle({ params, body, actor, keepAnswer }) {
        const secret = newClientSecret();
        const secretHash = await hashClientSecret(secret);
        const now = new Date(deps.now());
        const { overlap_hours: overlapHours = secretOverlapHours } = body ?? {};
        const previousUntil = new Date(now.getTime() + overlapHours * 3_600_000);
        return database.transaction(async (tx): Promise<Answer> => {
          const row = await rotateTenantSecret(tx, params.client_id, { secretHash, previousUntil, now });
          if (!row) return noTenant(params.client_id);
          await insertAudit(tx, {
            actor,
            action: 'tenant.rotate_secret',
            subject: `tenant:${row.client_id}`,
            clientId: row.client_id,
            after: { previous_secret_until: previousUntil.toISOString() },
            at: now,
          });
          const answer: Answer = {
            status: 200,
            body: {
              client_id: row.client_id,
              client_secret: secret,
              previous_secret_until: previousUntil.toISOString(),
            },
          };
          await keepAnswer(tx, answer);
          return answer;
        });
      },
    }),
  ];
}
