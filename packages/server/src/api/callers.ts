// Who is calling: the checks of client id, signature, throttle and token for tenants, in the contract's order, and of the
// operator's token. Each gives the caller or the problem to answer.

import { hashToken } from '../keys/client-secrets.ts';
import { findTenantLink } from '../store/tenant-links.ts';
import { findToken } from '../store/tokens.ts';
import type { ApiDependencies } from './dependencies.ts';
import { isUuid } from './ids.ts';
import { decodeUtf8, readPairs } from './input.ts';
import { isOwnPage, type ProvedOperator, proveOperator, tokenCheck } from './operator-access.ts';
import { problem } from './problem.ts';
import type { RequestTarget } from './request-target.ts';
import type { Answer, Tenant } from './route.ts';
import { readViewCookie } from './session-cookie.ts';
import { signatureGuard } from './signature-guard.ts';
import { createThrottle } from './throttle.ts';

export interface TenantRequest {
  readonly method: string;
  readonly target: RequestTarget;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export type Proved = { readonly ok: true; readonly tenant: Tenant } | { readonly ok: false; readonly answer: Answer };

export interface Callers {
  /** The first check; on the token call the form may tell the id (Upvest's own Java and Go clients send no header). */
  clientId(
    headers: Headers,
    tokenForm: Uint8Array | undefined,
  ): { ok: true; id: string } | { ok: false; answer: Answer };
  /** Signature, then throttle (`signature-guard.ts`). */
  signed(clientId: string, request: TenantRequest): Promise<Proved>;
  /** Signature, throttle, token. */
  tenant(clientId: string, request: TenantRequest): Promise<Proved>;
  operator(request: { readonly method: string; readonly headers: Headers }): Promise<ProvedOperator>;
  /** Undefined when a call of this operator may go on. */
  throttled(actor: string): Answer | undefined;
  /** The same for calls with tenant links, by the limits of tenants. */
  linkThrottled(actor: string): Answer | undefined;
  /** The cookie of a tenant link. */
  link(request: { readonly method: string; readonly headers: Headers }): Promise<Proved>;
}

const bearerPattern = /^Bearer ([a-zA-Z0-9\-._~+/]+=*)$/;

/** Calls of one client that wait to be verified: as many as its allowance takes at once, and these where there is none. */
const mostAtOnce = 1_000;
const fewestWaiting = 64;

export function createCallers(deps: ApiDependencies): Callers {
  const { database, config, now, usage } = deps;
  const throttle = config.throttle && createThrottle({ ...config.throttle, now });
  const guard = signatureGuard({
    database,
    now,
    acceptedAlgorithms: config.acceptedAlgorithms,
    throttle,
    maxWaitingEach: Math.max(fewestWaiting, config.throttle?.burst ?? mostAtOnce),
    onKeyUsed: usage.keyUsed,
  });
  const operatorThrottle = config.operatorThrottle && createThrottle({ ...config.operatorThrottle, now });
  const refuse = (answer: Answer) => ({ ok: false, answer }) as const;
  const tooMany = (waitSeconds: number, whose: string): Answer =>
    problem('too_many_requests', `Too many calls ${whose}, slow down`, { 'retry-after': String(waitSeconds) });

  async function signed(clientId: string, request: TenantRequest): Promise<Proved> {
    const result = await guard({ clientId, ...request });
    if (!result.ok && 'waitSeconds' in result) return refuse(tooMany(result.waitSeconds, 'of this client'));
    if (!result.ok) return refuse(problem('unauthorised', `Signature is incorrect: ${result.reason}`));
    return { ok: true, tenant: { clientId, partition: result.partition, scopes: [] } };
  }

  return {
    clientId(headers, tokenForm) {
      const given = headers.get('upvest-client-id') ?? (tokenForm && clientIdOfForm(tokenForm));
      if (given === undefined || given === '') {
        return refuse(problem('missing_client_id', 'upvest-client-id: is required'));
      }
      if (!isUuid(given)) return refuse(problem('bad_request', 'upvest-client-id: must be a UUID'));
      return { ok: true, id: given.toLowerCase() };
    },

    signed,

    async tenant(clientId, request) {
      const proved = await signed(clientId, request);
      if (!proved.ok) return proved;
      const authorization = request.headers.get('authorization');
      if (authorization === null) return refuse(problem('unauthorised', 'authorization: is required'));
      const token = bearerPattern.exec(authorization)?.[1];
      if (token === undefined) return refuse(problem('unauthorised', 'authorization: must be Bearer and a token'));
      const holder = await findToken(database, hashToken(token), new Date(now()));
      if (holder?.client_id !== clientId) {
        return refuse(problem('unauthorised', 'authorization: the token is not a valid one of this client'));
      }
      return { ok: true, tenant: { clientId, partition: holder.partition, scopes: holder.scopes } };
    },

    async link(request) {
      const secret = readViewCookie(request.headers, config.publicUrl);
      if (secret === undefined || !isOwnPage(request)) return refuse(problem('unauthorised', 'Open the link again'));
      const link = await findTenantLink(database, hashToken(secret), tokenCheck(deps));
      if (!link) return refuse(problem('unauthorised', 'The link has ended: ask for a new one'));
      return { ok: true, tenant: { clientId: link.client_id, partition: link.partition, scopes: [] } };
    },

    throttled(actor) {
      const waitSeconds = operatorThrottle?.take(actor);
      return waitSeconds === undefined ? undefined : tooMany(waitSeconds, 'with this token');
    },

    linkThrottled(actor) {
      // A count of its own: whoever has the link cannot use up what the tenant's signed calls may take.
      const waitSeconds = throttle?.take(actor);
      return waitSeconds === undefined ? undefined : tooMany(waitSeconds, 'with links of this client');
    },

    operator: (request) => proveOperator(deps, request),
  };
}

function clientIdOfForm(form: Uint8Array): string | undefined {
  const text = decodeUtf8(form);
  const fields = text === undefined ? undefined : readPairs(text, 'form');
  const id = fields?.ok ? fields.value['client_id'] : undefined;
  return typeof id === 'string' && isUuid(id) ? id : undefined;
}
