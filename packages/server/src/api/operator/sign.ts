// Operator API, `POST /operator/sign`: the headers of a delivery of the given body to the given URL, so that a tool can
// play the provider towards a handler: with the active key, the next one, or one that nobody published. Only where
// `dev` is set: a production service signs what it sends and nothing else.
//
// `host` and `connection` are left to whoever sends: they belong to the connection.

import { generateSigningKey, messageTarget, SignError, type SigningKey, sign } from '@bellhop/signatures';
import { z } from 'zod';
import type { ApiDependencies } from '../dependencies.ts';
import { problem } from '../problem.ts';
import { type Route, route } from '../route.ts';

const maxBodyBytes = 4 * 1024 * 1024;

const signSchema = z.strictObject({
  url: z.string().refine((text) => /^https?:\/\//i.test(text) && URL.canParse(text), 'must be an http or https URL'),
  body: z.string(),
  version: z.union([z.literal(6), z.literal(15)], { error: 'must be 6 or 15' }).optional(),
  key: z.enum(['active', 'next', 'unpublished']).optional(),
  created: z.int().min(0).optional().describe('Unix seconds; absent: now.'),
  expires: z.int().min(0).nullable().optional().describe('Unix seconds; absent: created + 60; null leaves it out.'),
  nonce: z.string().min(1).max(256).optional(),
});

export function signRoutes(deps: ApiDependencies): Route[] {
  const { keys, config, now } = deps;
  if (!config.dev) return [];

  let unpublished: Promise<SigningKey> | undefined;
  const keyOf = async (which: 'active' | 'next' | 'unpublished'): Promise<SigningKey> => {
    if (which === 'active') return keys.active();
    if (which === 'next') return keys.next();
    unpublished ??= keys.active().then((active) => generateSigningKey(crypto.randomUUID(), active.algorithm));
    return unpublished;
  };

  return [
    route({
      method: 'POST',
      path: '/operator/sign',
      access: 'operator',
      throttle: 'ignored',
      operationId: 'signDelivery',
      summary: 'The headers of a delivery (bellhop dev only)',
      body: {
        contentTypes: ['application/json'],
        schema: signSchema,
        maxBytes: maxBodyBytes,
        format: 'json',
        required: true,
      },
      responses: { 200: { description: 'Header names and values', schema: z.record(z.string(), z.string()) } },
      async handle({ body }) {
        const headers = { accept: '*/*', 'content-type': 'application/json' };
        const message = { method: 'POST', ...messageTarget(body.url), headers, body: Buffer.from(body.body) };
        try {
          const signed = await sign(message, {
            key: await keyOf(body.key ?? 'active'),
            version: body.version ?? 6,
            now,
            ...(body.created === undefined ? {} : { created: body.created }),
            ...(body.expires === undefined ? {} : { expires: body.expires }),
            ...(body.nonce === undefined ? {} : { nonce: body.nonce }),
          });
          return { status: 200, body: { ...headers, ...signed } };
        } catch (error) {
          if (error instanceof SignError) return problem('bad_request', error.message);
          throw error;
        }
      },
    }),
  ];
}
