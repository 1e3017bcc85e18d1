// Operator API, keys of a tenant: the public keys that may sign its API calls. A key is taken in any of these forms:
// - `{"public_key": …}` with PEM text (SubjectPublicKeyInfo), a JWK object, or the base64 of a raw Ed25519 key; the names
//   `pem` and `jwk` say the same;
// - a bare JWK object, or a bare JSON string with PEM or base64;
// - PEM or base64 as `text/plain` or `application/x-pem-file`.

import { importVerificationKey, KeyError, publicPem, type VerificationKey } from '@bellhop/signatures';
import { z } from 'zod';
import { insertAudit } from '../../store/audit.ts';
import {
  deleteTenantKey,
  findTenant,
  findTenantKey,
  insertTenantKey,
  listTenantKeys,
  type TenantKeyRow,
} from '../../store/tenants.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { isUuid, uuidSchema } from '../ids.ts';
import { decodeUtf8, fieldName, type Parsed, parseJson } from '../input.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { decodeCursor, page, pageQuery, pageSchema } from './paging.ts';
import { clientParams, noTenant } from './tenants.ts';

const jsonType = 'application/json';
const contentTypes = [jsonType, 'application/jwk+json', 'text/plain', 'application/x-pem-file'];
const sourceNames = ['public_key', 'pem', 'jwk'] as const;

const jwkSchema = z.looseObject({ kty: z.string(), crv: z.string(), x: z.string(), y: z.string().optional() });
const keySource = z.union([z.string(), jwkSchema]);
const uploadSchema = z.union([z.strictObject({ public_key: keySource, key_id: z.uuid().optional() }), keySource]);

const keySchema = z.strictObject({
  key_id: z.uuid(),
  algorithm: z.string(),
  public_key: z.string().describe('PEM, SubjectPublicKeyInfo'),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable().describe('When it last signed a call, to about a minute; null: never.'),
});

interface Upload {
  readonly source: string | Record<string, unknown>;
  readonly keyId: string | undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readUpload(bytes: Uint8Array, contentType: string | null, dev: boolean): Parsed<Upload> {
  const text = decodeUtf8(bytes);
  if (text === undefined) return { ok: false, detail: 'body: is not valid UTF-8' };
  const mediaType = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (!contentTypes.includes(mediaType)) {
    return { ok: false, detail: `content-type: must be ${contentTypes.join(' or ')}` };
  }
  if (!mediaType.endsWith('json')) return { ok: true, value: { source: text, keyId: undefined } };
  const json = parseJson(text);
  if (!json.ok) return json;
  const value = json.value;
  if (typeof value === 'string') return { ok: true, value: { source: value, keyId: undefined } };
  if (!isObject(value)) return { ok: false, detail: 'body: must be a public key in PEM or JWK form' };
  // A JWK has members of its own that nobody here needs to know.
  if ('kty' in value) return { ok: true, value: { source: value, keyId: undefined } };

  const [name, ...others] = sourceNames.filter((candidate) => candidate in value);
  if (name === undefined || others.length > 0) return { ok: false, detail: 'public_key: is required, once' };
  const unknown = Object.keys(value).find((key) => key !== name && !(dev && key === 'key_id'));
  if (unknown !== undefined) return { ok: false, detail: `${fieldName(unknown)}: unknown field` };
  const keyId = value['key_id'];
  if (keyId !== undefined && !(typeof keyId === 'string' && isUuid(keyId))) {
    return { ok: false, detail: 'key_id: must be a UUID' };
  }
  const source = value[name];
  if (typeof source !== 'string' && !isObject(source)) {
    return { ok: false, detail: `${name}: must be PEM text or a JWK object` };
  }
  return { ok: true, value: { source, keyId: keyId?.toLowerCase() } };
}

function importKey(keyId: string, source: Upload['source']): Parsed<VerificationKey> {
  try {
    return { ok: true, value: importVerificationKey(keyId, source) };
  } catch (error) {
    if (error instanceof KeyError) return { ok: false, detail: `public_key: ${error.message}` };
    throw error;
  }
}

function show(row: TenantKeyRow): z.infer<typeof keySchema> {
  return {
    key_id: row.key_id,
    algorithm: row.algorithm,
    public_key: row.public_key,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
  };
}

export function tenantKeyRoutes(deps: ApiDependencies): Route[] {
  const { database, config } = deps;
  return [
    route({
      method: 'POST',
      path: '/operator/tenants/{client_id}/keys',
      access: 'operator',
      role: 'admin',
      operationId: 'addTenantKey',
      summary: 'Add a public key that may sign the API calls of a tenant',
      params: clientParams,
      body: { contentTypes, schema: uploadSchema, format: 'raw', required: true },
      responses: { 201: { description: 'Added', schema: z.strictObject({ key_id: z.uuid() }) } },
      async handle({ params, rawBody, headers, actor, keepAnswer }) {
        const upload = readUpload(rawBody, headers.get('content-type'), config.dev);
        if (!upload.ok) return problem('bad_request', upload.detail);
        const keyId = upload.value.keyId ?? crypto.randomUUID();
        const key = importKey(keyId, upload.value.source);
        if (!key.ok) return problem('bad_request', key.detail);
        const { algorithm } = key.value;
        if (!config.acceptedAlgorithms.includes(algorithm)) {
          return problem(
            'bad_request',
            `public_key: ${algorithm} is not accepted: ${config.acceptedAlgorithms.join(', ')}`,
          );
        }
        const now = new Date(deps.now());
        const clientId = params.client_id;
        return database.transaction(async (tx): Promise<Answer> => {
          if (!(await findTenant(tx, clientId))) return noTenant(clientId);
          const publicKey = publicPem(key.value);
          const row = await insertTenantKey(tx, { keyId, clientId, algorithm, publicKey, now });
          if (!row) return problem('conflict', `There is a key ${keyId} already`);
          await insertAudit(tx, {
            actor,
            action: 'tenant_key.add',
            subject: `tenant_key:${keyId}`,
            clientId,
            after: { algorithm, public_key: publicKey },
            at: now,
          });
          const answer: Answer = { status: 201, body: { key_id: keyId } };
          await keepAnswer(tx, answer);
          return answer;
        });
      },
    }),

    route({
      method: 'GET',
      path: '/operator/tenants/{client_id}/keys',
      access: 'operator',
      operationId: 'listTenantKeys',
      summary: 'List the public keys of a tenant, oldest first',
      params: clientParams,
      query: z.strictObject(pageQuery),
      responses: { 200: { description: 'A page', schema: pageSchema(keySchema) } },
      async handle({ params, query }) {
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        if (query.cursor !== undefined && !after) return problem('bad_request', 'cursor: is not one of this list');
        if (!(await findTenant(database, params.client_id))) return noTenant(params.client_id);
        // A tenant has a handful of keys: all are read, one page is shown.
        const position = (row: TenantKeyRow) => ({ at: row.created_at.toISOString(), id: row.key_id });
        const rows = (await listTenantKeys(database, params.client_id)).filter((row) => {
          const { at, id } = position(row);
          return !after || at > after.at || (at === after.at && id > after.id);
        });
        return { status: 200, body: page(rows, query.limit, position, show) };
      },
    }),

    route({
      method: 'DELETE',
      path: '/operator/tenants/{client_id}/keys/{key_id}',
      access: 'operator',
      role: 'admin',
      operationId: 'deleteTenantKey',
      summary: 'Remove a key: what it signs is refused from now on',
      params: z.strictObject({ client_id: uuidSchema, key_id: uuidSchema }),
      responses: { 204: { description: 'Removed', schema: null } },
      async handle({ params, actor }) {
        const { client_id: clientId, key_id: keyId } = params;
        return database.transaction(async (tx): Promise<Answer> => {
          const before = await findTenantKey(tx, clientId, keyId);
          if (!before || !(await deleteTenantKey(tx, clientId, keyId))) {
            return problem('not_found', `There is no key ${keyId} of tenant ${clientId}`);
          }
          await insertAudit(tx, {
            actor,
            action: 'tenant_key.delete',
            subject: `tenant_key:${keyId}`,
            clientId,
            before: { algorithm: before.algorithm, public_key: before.public_key },
            at: new Date(deps.now()),
          });
          return { status: 204 };
        });
      },
    }),
  ];
}
