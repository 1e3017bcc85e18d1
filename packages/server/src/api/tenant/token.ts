// POST /auth/token: OAuth 2.0 client credentials (contract api.md). The request is signed by a key of the same client id;
// the answer is an opaque token, of which the database keeps the hash only.
//
// An `idempotency-key` has no effect here: keeping the answer would keep the token, and a second token does no harm.

import { z } from 'zod';
import { hashToken, newToken } from '../../keys/client-secrets.ts';
import { findTenant, type TenantRow } from '../../store/tenants.ts';
import { insertToken } from '../../store/tokens.ts';
import { createClientLogin } from '../client-login.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { codePoints } from '../input.ts';
import { createLoginBackOff } from '../login-back-off.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { problemResponses } from './problem-responses.ts';

const tokenLifetimeSeconds = 3600;
const defaultLoginTries = 5;

function formText(maxLength: number) {
  return z
    .string()
    .min(1, 'must not be empty')
    .refine((value) => codePoints(value) <= maxLength, `must have at most ${maxLength} characters`)
    .meta({ maxLength });
}

const formSchema = z.strictObject({
  client_id: uuidSchema,
  client_secret: formText(1000),
  grant_type: z.literal('client_credentials'),
  scope: formText(1000)
    .refine((value) => value.trim() !== '', 'must name at least one scope')
    .meta({ description: 'Space separated' }),
});

const answerSchema = z.strictObject({
  access_token: z.string().max(1000),
  expires_in: z.int(),
  token_type: z.literal('bearer'),
  scope: z.string().max(1000),
});

export function tokenRoute({ database, now, config }: ApiDependencies): Route {
  const backOff = createLoginBackOff({ freeTries: config.loginTries ?? defaultLoginTries, now });
  const clients = createClientLogin({ backOff, now });
  return route({
    method: 'POST',
    path: '/auth/token',
    access: 'signed',
    idempotency: 'ignored',
    operationId: 'issue_token',
    summary: 'Get an access token for the requested scopes',
    body: {
      contentTypes: ['application/x-www-form-urlencoded'],
      format: 'form',
      required: true,
      schema: formSchema,
    },
    responses: {
      200: { description: 'The token', schema: answerSchema },
      ...problemResponses(400, 401, 403, 406, 429, 500, 503, 504),
    },
    async handle({ body, tenant }) {
      if (body.client_id !== tenant?.clientId) {
        return problem('unauthorised', 'client_id: differs from the header upvest-client-id');
      }
      const row = await findTenant(database, body.client_id);
      if (!row) return wrongSecret();
      const login = await clients.login(row.client_id, body.client_secret, secretHashes(row, now()));
      if (!login.ok && login.reason === 'wrong') return wrongSecret();
      if (!login.ok) {
        const headers = { 'retry-after': String(login.waitSeconds) };
        return problem('too_many_requests', waitDetails[login.reason], headers);
      }
      const scopes = [...new Set(body.scope.split(' ').filter(Boolean))];
      const missing = scopes.filter((scope) => !row.scopes.includes(scope));
      if (missing.length > 0) return problem('forbidden', `scope: the client does not have ${missing.join(', ')}`);

      const token = newToken();
      const nowMs = now();
      await insertToken(database, {
        hash: hashToken(token),
        clientId: row.client_id,
        scopes,
        expiresAt: new Date(nowMs + tokenLifetimeSeconds * 1000),
        now: new Date(nowMs),
      });
      return {
        status: 200,
        headers: { 'cache-control': 'no-store' },
        body: { access_token: token, expires_in: tokenLifetimeSeconds, token_type: 'bearer', scope: scopes.join(' ') },
      };
    },
  });
}

function secretHashes(row: TenantRow, nowMs: number): readonly string[] {
  const isOverlapping = row.previous_secret_until !== null && row.previous_secret_until.getTime() > nowMs;
  return isOverlapping && row.previous_secret_hash !== null
    ? [row.secret_hash, row.previous_secret_hash]
    : [row.secret_hash];
}

function wrongSecret(): Answer {
  return problem('unauthorised', 'client_secret: is not the secret of this client');
}

const waitDetails = {
  back_off: 'Too many wrong secrets of this client, wait',
  busy: 'Too many secrets wait to be checked, wait',
} as const;
