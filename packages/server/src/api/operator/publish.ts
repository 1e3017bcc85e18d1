// Operator API, publishing: `POST /operator/events` as one JSON document (one tenant, all or nothing) or as NDJSON (many
// tenants, streamed). 202 comes after the commit. What an event may look like is said in `log/publish-event.ts`.

import { validateObject } from '@bellhop/events/validate';
import { z } from 'zod';
import { maxJsonBytes, maxJsonEvents, type PublishPort, publishJson } from '../../log/publish.ts';
import { eventTypePattern, maxEventBytes, type ObjectCheck, type PublishRefusal } from '../../log/publish-event.ts';
import { publishNdjson, type StreamPublished } from '../../log/publish-ndjson.ts';
import { findTenant } from '../../store/tenants.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { normaliseKey } from '../idempotency.ts';
import { type ProblemSlug, problem, problemOfError, problemSchema } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';

const ndjsonTypes = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'];

/** A tenant's partition is asked for at every call: remembered this long, also across a tenant's deletion. */
const partitionCacheMs = 1_000;
const maxCachedPartitions = 10_000;

const eventFields = {
  id: z.uuid().optional().describe('Absent: a UUIDv7, and the call is idempotent with an idempotency-key only.'),
  created_at: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('RFC 3339, up to nine fraction digits. Absent: now.'),
  type: z.string().regex(eventTypePattern).describe('CATEGORY.ACTION; it need not be in the catalogue.'),
  object: z.looseObject({}).describe(`Kept as sent. The event may have ${maxEventBytes} bytes.`),
};

const publishSchema = z.strictObject({
  client_id: z.uuid(),
  events: z.array(z.strictObject(eventFields)).max(maxJsonEvents),
});

const flag = z.enum(['true', 'false', '1', '0', '']).transform((text) => text !== 'false' && text !== '0');

const querySchema = z.strictObject({
  return: z.enum(['ids']).optional().describe('ids: lists the id of every event, in the order of the call.'),
  validate: flag.optional().describe('true: objects of types in the catalogue are checked against their schemas.'),
});

const publishedSchema = z.strictObject({
  accepted: z.int().describe('Events stored by this call.'),
  duplicates: z.int().describe('Events whose id the tenant had published before.'),
  ids: z.array(z.uuid()).optional(),
});

const streamProblemSchema = z.strictObject({
  ...problemSchema.shape,
  accepted: z.int().optional().describe('NDJSON: events stored before the call ended.'),
  duplicates: z.int().optional(),
  ids: z.array(z.uuid()).optional(),
  failed_line: z.int().optional().describe('NDJSON: the first line that is not stored, counted from 1.'),
});

const checkObject: ObjectCheck = (type, object) => {
  const result = validateObject(type, object);
  if (result.ok) return undefined;
  return result.errors
    .slice(0, 5)
    .map(({ path, message }) => `${path} ${message}`.trim())
    .join('; ');
};

const slugs: Readonly<Record<PublishRefusal['reason'], ProblemSlug>> = {
  malformed: 'bad_request',
  invalid: 'bad_request',
  unknown_client: 'not_found',
  too_large: 'content_too_large',
};

export function publishRoutes(deps: ApiDependencies): Route[] {
  const port: PublishPort = {
    log: deps.log,
    partitionOf: cachedPartitions(deps),
    now: () => new Date(deps.now()),
  };

  return [
    route({
      method: 'POST',
      path: '/operator/events',
      access: 'operator',
      throttle: 'ignored',
      operationId: 'publishEvents',
      summary: 'Publish events: one tenant as JSON, all or nothing, or many tenants as NDJSON, one event a line',
      query: querySchema,
      body: {
        contentTypes: ['application/json', ...ndjsonTypes],
        streamTypes: ndjsonTypes,
        schema: publishSchema,
        maxBytes: maxJsonBytes,
        format: 'raw',
        required: true,
      },
      responses: {
        202: { description: 'Committed', schema: publishedSchema },
        400: {
          description: 'Not a publishable event; nothing stored (JSON), or nothing from failed_line on',
          schema: streamProblemSchema,
        },
        404: { description: 'No such tenant', schema: streamProblemSchema },
        413: { description: 'An event, a line or the call is too large', schema: streamProblemSchema },
        503: { description: 'Not stored, or not known to be; try again', schema: streamProblemSchema },
      },
      async handle({ rawBody, stream, headers, query, actor }) {
        const check = query.validate === true ? checkObject : undefined;
        const key = headers.get('idempotency-key');
        const idSeed = key === null ? undefined : `${actor} ${normaliseKey(key)}`;
        const returnIds = query.return === 'ids';
        const mediaType = (headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
        if (ndjsonTypes.includes(mediaType)) {
          const lines = stream ?? new Blob([new Uint8Array(rawBody)]).stream();
          return streamAnswer(await publishNdjson(port, lines, { check, idSeed, returnIds }), deps);
        }
        if (mediaType !== 'application/json') {
          return problem('bad_request', `content-type: must be application/json or ${ndjsonTypes[0]}`);
        }
        const result = await publishJson(port, rawBody, { check, idSeed });
        if (!result.ok) return problem(slugs[result.refusal.reason], result.refusal.message);
        const { accepted, duplicates, ids } = result.published;
        return { status: 202, body: { accepted, duplicates, ...(returnIds ? { ids } : {}) } };
      },
    }),
  ];
}

function streamAnswer(published: StreamPublished, deps: ApiDependencies): Answer {
  const { failure, ...counts } = published;
  if (!failure) return { status: 202, body: counts };
  const { line, refusal, error } = failure;
  if (!refusal) deps.logger.error({ err: error, line }, 'publishing a stream failed');
  const answer = refusal ? problem(slugs[refusal.reason], refusal.message) : problemOfError(error);
  if (!answer.problem) throw new TypeError('A failure is answered with a problem');
  return {
    ...answer,
    // What is left of the body is not read.
    headers: { ...answer.headers, connection: 'close' },
    problem: { ...answer.problem, members: { ...counts, failed_line: line } },
  };
}

function cachedPartitions(deps: ApiDependencies): PublishPort['partitionOf'] {
  const cache = new Map<string, { readonly partition: number; readonly until: number }>();
  return async (clientId) => {
    const now = performance.now();
    const known = cache.get(clientId);
    if (known && known.until > now) return known.partition;
    const tenant = await findTenant(deps.database, clientId);
    cache.delete(clientId);
    if (!tenant) return undefined;
    if (cache.size >= maxCachedPartitions) cache.clear();
    // Not `clientId`: it is a slice of the call's text, which would stay in memory with it.
    cache.set(tenant.client_id, { partition: tenant.partition, until: now + partitionCacheMs });
    return tenant.partition;
  };
}
