// GET /auth/verify_keys: the public keys that sign deliveries, as a JWK set.

import { z } from 'zod';
import type { ApiDependencies } from '../dependencies.ts';
import { type Route, route } from '../route.ts';
import { problemResponses } from './problem-responses.ts';

const keySetSchema = z.strictObject({
  keys: z.array(
    z.strictObject({
      kid: z.uuid(),
      kty: z.string(),
      crv: z.string(),
      x: z.string(),
      y: z.string().optional(),
    }),
  ),
});

export function verifyKeysRoute({ keys }: ApiDependencies): Route {
  return route({
    method: 'GET',
    path: '/auth/verify_keys',
    access: 'tenant',
    scopes: ['webhooks:read', 'webhooks:admin'],
    operationId: 'get_jwks',
    summary: 'Get the keys that verify deliveries',
    responses: {
      200: {
        description: 'The active key, the next one and those retired less than a day ago, but for withdrawn ones',
        schema: keySetSchema,
      },
      ...problemResponses(401, 403, 406, 429, 500, 503, 504),
    },
    async handle() {
      return { status: 200, body: { keys: await keys.published() } };
    },
  });
}
