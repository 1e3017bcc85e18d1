// The events acceptor's routes (contract acceptor.md): health, which is asked before a token exists and so needs the
// signature only; making, polling and removing an endpoint; and the endpoint's own URL, which takes a delivery from
// whoever knows it. A delivery that finds no room is a 503, so that its sender keeps it and tries again.
//
// `?after=<position>` is an extension: each delivery then carries its `position`, and stays until a later poll names a
// position at or behind it. Without `after` reading forgets, as at Upvest.

import { z } from 'zod';
import { acceptorLimits } from '../../acceptor/acceptor.ts';
import { receiptStatus } from '../../acceptor/endpoint-sink.ts';
import { isEndpointToken, receivePath } from '../../acceptor/own-url.ts';
import type { Queryable } from '../../store/database.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem, problemSchema } from '../problem.ts';
import { readBody } from '../read-body.ts';
import { type Answer, type Route, route, type Tenant } from '../route.ts';
import { createChanges, tooManyChanges } from './changes.ts';
import { problemResponses } from './problem-responses.ts';

const base = '/events-acceptor-service';
const admin = ['webhooks:admin'];
const params = z.object({ endpoint_id: uuidSchema });

const afterQuery = z.object({
  after: z
    .string()
    .refine((value) => /^\d{1,15}$/.test(value), 'must be an integer, 0 or more')
    .meta({ type: 'integer', minimum: 0, description: 'Reads what is behind this position, and forgets nothing else' })
    .transform(Number)
    .optional(),
});

const deliverySchema = z.strictObject({
  created_at: z.iso.datetime(),
  headers: z.record(z.string(), z.array(z.string())),
  payload: z.string().describe('The raw body of the delivery'),
  position: z.int().optional().describe('With `after` only'),
});

export function acceptorRoutes(deps: ApiDependencies): readonly Route[] {
  const { acceptor, database } = deps;
  const exists = async ({ endpoint_id }: z.infer<typeof params>, tenant: Tenant | undefined) =>
    (await acceptor.find(caller(tenant), endpoint_id)) !== undefined;

  const changes = createChanges();

  return [
    route({
      method: 'GET',
      path: `${base}/health`,
      access: 'signed',
      operationId: 'get_events_acceptor_health',
      summary: 'Whether the events acceptor is available',
      responses: {
        200: { description: 'It is', schema: z.strictObject({ status: z.literal('ok') }) },
        ...problemResponses(400, 401, 406, 429, 500, 503, 504),
      },
      handle: async () => ({ status: 200, body: { status: 'ok' } }),
    }),
    route({
      method: 'POST',
      path: `${base}/endpoints`,
      access: 'tenant',
      scopes: admin,
      operationId: 'create_events_acceptor_endpoint',
      summary: 'Make a URL of this service that keeps deliveries until they are polled',
      body: {
        contentTypes: ['application/json'],
        format: 'json',
        required: false,
        schema: z.union([z.literal(''), z.strictObject({})], { error: 'must be "" or {}' }).optional(),
      },
      responses: {
        201: { description: 'The endpoint', schema: z.strictObject({ id: z.uuid(), url: z.url() }) },
        ...problemResponses(400, 401, 403, 406, 409, 429, 500, 503, 504),
      },
      async handle({ tenant, keepAnswer }) {
        const create = async (tx: Queryable): Promise<Answer> => {
          const endpoint = await acceptor.create(tx, caller(tenant));
          if (endpoint === 'no_tenant') return problem('unauthorised', 'The tenant was deleted');
          if (endpoint === 'too_many') {
            return problem('conflict', `There are ${acceptorLimits.endpointsPerTenant} endpoints already, delete one`);
          }
          const created: Answer = { status: 201, body: endpoint };
          await keepAnswer(tx, created);
          return created;
        };
        return (await changes.tryRun(caller(tenant), () => database.transaction(create))) ?? tooManyChanges();
      },
    }),
    route({
      method: 'GET',
      path: `${base}/endpoints/{endpoint_id}`,
      access: 'tenant',
      scopes: admin,
      operationId: 'poll_events_acceptor_endpoint',
      summary: 'Deliveries since the last call, oldest first; waits up to 10 s for one',
      params,
      exists,
      query: afterQuery,
      responses: {
        200: { description: 'The deliveries, maybe none', schema: z.array(deliverySchema) },
        ...problemResponses(400, 401, 403, 404, 406, 429, 500, 503, 504),
      },
      async handle({ tenant, params, query: { after }, signal }) {
        const endpoint = await acceptor.find(caller(tenant), params.endpoint_id);
        if (!endpoint) return unknownEndpoint();
        if (after !== undefined && after > endpoint.head) {
          return problem('bad_request', `after: is beyond the last position, ${endpoint.head}`);
        }
        const polled = await acceptor.poll(caller(tenant), params.endpoint_id, { after, signal });
        if (!polled.ok && polled.reason === 'gone') return unknownEndpoint();
        if (!polled.ok)
          return problem('too_many_requests', 'Too many polls wait at this endpoint', { 'retry-after': '1' });
        const body = polled.deliveries.map(({ receivedAt, headers, payload, position }) => ({
          created_at: receivedAt.toISOString(),
          headers,
          payload,
          ...(after === undefined ? {} : { position }),
        }));
        return { status: 200, headers: { 'cache-control': 'no-store' }, body };
      },
    }),
    route({
      method: 'DELETE',
      path: `${base}/endpoints/{endpoint_id}`,
      access: 'tenant',
      scopes: admin,
      operationId: 'delete_events_acceptor_endpoint',
      summary: 'Remove an endpoint with what waits at it',
      params,
      exists,
      responses: {
        204: { description: 'Removed', schema: null },
        ...problemResponses(401, 403, 404, 429, 500, 503, 504),
      },
      async handle({ tenant, params }) {
        return (await acceptor.remove(caller(tenant), params.endpoint_id)) ? { status: 204 } : unknownEndpoint();
      },
    }),
    route({
      method: 'POST',
      path: `${receivePath}/{token}`,
      access: 'public',
      idempotency: 'ignored',
      operationId: 'receive_at_events_acceptor_endpoint',
      summary: 'Take a delivery',
      params: z.object({ token: z.string().refine(isEndpointToken, 'is not an endpoint') }),
      body: {
        contentTypes: ['application/json'],
        format: 'raw',
        required: false,
        // Unread until it is known that the endpoint exists and has room.
        streamTypes: ['*/*'],
        schema: z.unknown(),
      },
      responses: {
        200: { description: 'Kept until it is polled', schema: null },
        400: { description: 'The body is not UTF-8, or took too long', schema: problemSchema },
        404: { description: 'There is no such endpoint', schema: problemSchema },
        413: { description: 'The body is too large', schema: problemSchema },
        503: {
          description: 'The endpoint is full, or too many deliveries arrive at once: try again',
          schema: problemSchema,
        },
      },
      async handle({ params: { token }, stream, headers }) {
        const place = await acceptor.enter(token);
        if (typeof place === 'string') return refusal(place);
        try {
          const { maxDeliveryBytes } = acceptorLimits;
          const read = await readBody({ body: stream ?? null }, maxDeliveryBytes, place.bodyTimeMs);
          if (!read.ok && read.reason === 'broken') return problem('bad_request', 'body: could not be read', closing);
          if (!read.ok && read.reason === 'late') return problem('bad_request', 'body: took too long', closing);
          if (!read.ok) {
            const detail = `body: must have at most ${maxDeliveryBytes} bytes`;
            return problem('content_too_large', detail, closing);
          }
          const receipt = await acceptor.receive(token, { headers, body: read.bytes });
          return receipt === 'stored' ? { status: receiptStatus.stored } : refusal(receipt);
        } finally {
          place.leave();
        }
      },
    }),
  ];
}

/** The rest of a body that was not read makes the connection useless. */
const closing = { connection: 'close' };

function refusal(receipt: 'full' | 'busy' | 'unknown' | 'not_text'): Answer {
  if (receipt === 'busy') {
    return problem('service_unavailable', 'Too many deliveries arrive at once', { ...closing, 'retry-after': '1' });
  }
  if (receipt === 'full') {
    return problem('service_unavailable', 'The endpoint is full, poll it', { ...closing, 'retry-after': '1' });
  }
  if (receipt === 'unknown') return problem('not_found', 'There is no such endpoint', closing);
  return problem('bad_request', 'body: is not valid UTF-8');
}

function caller(tenant: Tenant | undefined): string {
  if (!tenant) throw new TypeError('A tenant route was called without a tenant');
  return tenant.clientId;
}

function unknownEndpoint(): Answer {
  return problem('not_found', 'endpoint_id: there is no such endpoint');
}
