// The OpenAPI 3.1 document, made of the route table and the zod schemas that check the requests: it cannot say anything
// else than what the service does.

import { z } from 'zod';
import { problemSchema } from './problem.ts';
import type { Access, Route } from './route.ts';

type Json = Readonly<Record<string, unknown>>;

const oauth = 'oauth-client-credentials';

export function openApiDocument(routes: readonly Route[], publicUrl: string): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    if (route.isPage) continue;
    const item = paths[route.path] ?? {};
    item[route.method.toLowerCase()] = operation(route);
    paths[route.path] = item;
  }
  const scopes = [
    ...new Set(routes.filter((route) => route.access === 'tenant').flatMap((route) => route.scopes ?? [])),
  ];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Bellhop',
      version: '1',
      description:
        'The webhook operations of the Upvest Investment API, and the operator API. Calls of tenants carry an HTTP ' +
        'message signature (version 15 or 6) of every request. An idempotency-key is honoured where an operation lists ' +
        'it. POST /auth/token and POST /operator/session ignore it: a kept answer would keep the secret in it, and a ' +
        'second one does no harm.',
    },
    servers: [{ url: publicUrl }],
    tags: [{ name: 'tenant' }, { name: 'operator' }, { name: 'public' }],
    paths,
    components: {
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      securitySchemes: {
        [oauth]: {
          type: 'oauth2',
          flows: {
            clientCredentials: {
              tokenUrl: `${publicUrl}/auth/token`,
              scopes: Object.fromEntries(scopes.map((scope) => [scope, scope])),
            },
          },
        },
        signature: {
          type: 'apiKey',
          in: 'header',
          name: 'signature',
          description: 'HTTP message signature of the request; goes with signature-input.',
        },
        'signature-input': {
          type: 'apiKey',
          in: 'header',
          name: 'signature-input',
          description: 'Covered components and parameters (keyid, created, expires, nonce) of the signature.',
        },
        'operator-token': { type: 'http', scheme: 'bearer', description: 'The token the service was started with.' },
      },
    },
  };
}

function operation(route: Route): Json {
  const parameters = [
    ...pathParameters(route),
    ...(route.query ? objectParameters('query', route.query) : []),
    ...headerParameters(route),
  ];
  return {
    operationId: route.operationId,
    summary: route.summary,
    tags: [route.access === 'signed' ? 'tenant' : route.access],
    security: security(route),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body ? { requestBody: requestBody(route.body) } : {}),
    responses: Object.fromEntries(
      Object.entries(route.responses).map(([status, { description, schema }]) => [
        status,
        { description, headers: requestIdHeader, ...(schema ? { content: content(Number(status), schema) } : {}) },
      ]),
    ),
  };
}

function security({ access, scopes = [] }: Route): readonly Json[] {
  const byAccess: Readonly<Record<Access, readonly Json[]>> = {
    public: [],
    signed: [{ signature: [], 'signature-input': [] }],
    tenant: [{ [oauth]: scopes, signature: [], 'signature-input': [] }],
    operator: [{ 'operator-token': [] }],
    // Pages only: not in the document.
    link: [],
  };
  return byAccess[access];
}

const requestIdHeader = { 'upvest-request-id': { required: true, schema: { type: 'string', format: 'uuid' } } };

function content(status: number, schema: z.ZodType): Json {
  if (schema === problemSchema) {
    return { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  }
  return { [status < 400 ? 'application/json' : 'application/problem+json']: { schema: jsonSchema(schema, 'output') } };
}

function requestBody(body: NonNullable<Route['body']>): Json {
  const schema = jsonSchema(body.schema, 'input');
  return {
    required: body.required,
    content: Object.fromEntries(body.contentTypes.map((type) => [type, { schema }])),
  };
}

/** Every name in the path, also one that the route has no schema for. */
function pathParameters(route: Route): readonly Json[] {
  const described = route.params ? objectParameters('path', route.params) : [];
  const names = [...route.path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
  return names.map(
    (name) =>
      described.find((parameter) => parameter['name'] === name) ?? {
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      },
  );
}

function objectParameters(place: 'path' | 'query', schema: z.ZodType): readonly Json[] {
  const { properties, required } = jsonSchema(schema, 'input');
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  if (typeof properties !== 'object' || properties === null) return [];
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || needed.includes(name),
    schema: property,
  }));
}

function headerParameters(route: Route): readonly Json[] {
  const header = (name: string, required: boolean, schema: Json): Json => ({ name, in: 'header', required, schema });
  const isTenant = route.access === 'tenant' || route.access === 'signed';
  const tenantHeaders = isTenant
    ? [
        header('upvest-client-id', route.access === 'tenant', { type: 'string', format: 'uuid' }),
        header('upvest-api-version', false, { type: 'string', enum: ['1'], default: '1' }),
        header('upvest-signature-version', false, { type: 'string', enum: ['15'] }),
      ]
    : [];
  const takesKey = route.method === 'POST' && route.access !== 'public' && route.idempotency !== 'ignored';
  return [
    ...tenantHeaders,
    ...(takesKey
      ? [{ ...header('idempotency-key', false, { type: 'string', format: 'uuid' }), description: keyEffect(route) }]
      : []),
  ];
}

function keyEffect({ body }: Route): string {
  const kept = 'A repeat of the call within 24 hours gives its first answer again and does nothing.';
  if (!body?.streamTypes) return kept;
  const derived = 'no answer is kept; events without an id get ids made of the key, so that a repeat stores none twice';
  return `${kept} Not with ${body.streamTypes.join(', ')}: ${derived} and counts them as duplicates.`;
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' });
  return rest;
}
