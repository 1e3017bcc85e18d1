// The access token: fetched when first needed, kept until shortly before it expires, one request for all callers that
// need it at the same time. The expiry counts from before the request was sent, so that a slow answer cannot make a dead
// token look alive. A token that the API refused is forgotten only if it is still the current one.
import { UnexpectedAnswerError } from './errors.ts';
import { isRecord } from './json.ts';

export interface Token {
  readonly accessToken: string;
  /** As granted, which can be less than asked for. */
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
}

export interface TokenSource {
  /** The current token, a new one if there is none or it is about to expire. */
  get(signal?: AbortSignal): Promise<Token>;
  /** Says that the API refused this token. */
  refused(token: Token): void;
  /** The token held now, if any, for redaction. */
  current(): readonly Token[];
}

/** Fetches a new token; `requestId` is for the error when the answer is no token. */
export type FetchToken = () => Promise<{ readonly body: unknown; readonly requestId: string | undefined }>;

const maxMarginMs = 60_000;

export function createTokenSource(fetchToken: FetchToken, now: () => number): TokenSource {
  let current: { readonly token: Token; readonly refreshAtMs: number } | undefined;
  let pending: Promise<Token> | undefined;

  async function renew(): Promise<Token> {
    const askedAtMs = now();
    const { body, requestId } = await fetchToken();
    const { token, lifetimeMs } = tokenOf(body, askedAtMs, requestId);
    current = { token, refreshAtMs: askedAtMs + lifetimeMs - Math.min(maxMarginMs, lifetimeMs / 10) };
    return token;
  }

  return {
    async get(signal) {
      if (current !== undefined && now() < current.refreshAtMs) return current.token;
      pending ??= renew().finally(() => {
        pending = undefined;
      });
      return signal === undefined ? pending : unlessAborted(pending, signal);
    },
    refused(token) {
      if (current?.token === token) current = undefined;
    },
    current: () => (current === undefined ? [] : [current.token]),
  };
}

function tokenOf(
  body: unknown,
  askedAtMs: number,
  requestId: string | undefined,
): { token: Token; lifetimeMs: number } {
  const fail = (what: string): never => {
    throw new UnexpectedAnswerError(200, what, { operation: 'POST /auth/token', requestId, mayHaveHappened: false });
  };
  if (!isRecord(body)) return fail('no JSON object');
  const { access_token: accessToken, expires_in: expiresIn, scope, token_type: type } = body;
  // The characters that an authorization header may carry; anything else would be refused by the API at every call.
  if (typeof accessToken !== 'string' || !/^[A-Za-z0-9\-._~+/]+=*$/.test(accessToken))
    return fail('no usable access_token');
  if (typeof expiresIn !== 'number' || !Number.isFinite(expiresIn) || expiresIn < 0)
    return fail('no usable expires_in');
  if (type !== undefined && (typeof type !== 'string' || type.toLowerCase() !== 'bearer'))
    return fail('no bearer token');
  const scopes = typeof scope === 'string' ? scope.split(' ').filter((part) => part !== '') : [];
  const lifetimeMs = expiresIn * 1_000;
  return { token: { accessToken, scopes, expiresAt: new Date(askedAtMs + lifetimeMs) }, lifetimeMs };
}

/** Many callers share one token request: the one that is aborted leaves, the others go on waiting. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let leave = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
