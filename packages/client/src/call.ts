// One call of the API, from the caller's point of view: token, tries, waits, problem documents, JSON.
//
//   try ── 2xx ─► answer
//    ├─ 401 with a token that was not new ─► one new token, one more try (does not count as a try)
//    ├─ retry.ts says so ─► wait, next try (signed anew, same idempotency key)
//    └─ else ─► ApiError / NetworkError / TimeoutError / UnexpectedAnswerError
import { ApiError, NetworkError, TimeoutError, UnexpectedAnswerError, UpvestError } from './errors.ts';
import { problemOf } from './problem.ts';
import type { Repeatable, RetryPolicy } from './retry.ts';
import { nextDelayMs, retryAfterMs } from './retry.ts';
import type { Token, TokenSource } from './token.ts';
import type { Incoming, Outgoing, Send } from './transport.ts';

export type Wait = (delayMs: number, signal: AbortSignal | undefined) => Promise<void>;

export interface CallOptions {
  readonly send: Send;
  readonly policy: RetryPolicy;
  readonly random: () => number;
  readonly wait: Wait;
  readonly now: () => number;
  /** Takes secrets out of text that the other side sent. */
  readonly redact: (text: string) => string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly requestId: string | undefined;
  /** Parsed JSON, the text of any other content, undefined without a body. */
  readonly body: unknown;
}

export async function call(
  request: Outgoing,
  rule: Repeatable,
  tokens: TokenSource | undefined,
  options: CallOptions,
): Promise<Answer> {
  let happened = false;
  let renewed = false;
  for (let tries = 1; ; tries += 1) {
    const token = await tokens?.get(request.signal).catch((error: unknown) => {
      throw happened && error instanceof UpvestError ? asHappened(error) : error;
    });
    let failure: UpvestError;
    try {
      const answer = await options.send(token === undefined ? request : authorised(request, token));
      if (answer.status >= 200 && answer.status < 300) return success(request, answer);
      failure = apiError(request, answer, options);
    } catch (error) {
      if (!(error instanceof UpvestError)) throw error;
      failure = error;
    }
    if (token !== undefined && !renewed && isTokenRefused(failure)) {
      tokens?.refused(token);
      renewed = true;
      tries -= 1;
      continue;
    }
    happened ||= failure.mayHaveHappened;
    const delayMs = nextDelayMs(failure, tries, rule, options.policy, options.random);
    if (delayMs === undefined) throw happened === failure.mayHaveHappened ? failure : asHappened(failure);
    await options.wait(delayMs, request.signal);
  }
}

function authorised(request: Outgoing, token: Token): Outgoing {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token.accessToken}` } };
}

/** A refused signature is not the token's fault: a new token would only hide that behind a second refusal. */
function isTokenRefused(failure: UpvestError): boolean {
  return (
    failure instanceof ApiError && failure.status === 401 && !/^signature is incorrect/i.test(failure.detail ?? '')
  );
}

function success(request: Outgoing, answer: Incoming): Answer {
  const { status, headers, requestId, text } = answer;
  if (text === '') return { status, headers, requestId, body: undefined };
  if (!isJson(headers)) return { status, headers, requestId, body: text };
  try {
    return { status, headers, requestId, body: JSON.parse(text) };
  } catch (cause) {
    // A 2xx: whatever the call does has been done.
    const facts = { operation: request.operation, requestId, mayHaveHappened: true, cause };
    throw new UnexpectedAnswerError(status, 'broken JSON', facts);
  }
}

function apiError(request: Outgoing, answer: Incoming, options: CallOptions): ApiError {
  const problem = problemOf(answer.status, parsed(answer));
  const { title, detail } = problem;
  return new ApiError(
    {
      ...problem,
      title: title === undefined ? undefined : options.redact(title),
      detail: detail === undefined ? undefined : options.redact(detail),
    },
    {
      operation: request.operation,
      requestId: answer.requestId,
      mayHaveHappened: answer.status >= 500,
      retryAfterMs: retryAfterMs(answer.headers.get('retry-after'), options.now()),
    },
  );
}

/** The body of a refusal, if it is JSON at all: a proxy in between answers with HTML, and the status is enough then. */
function parsed(answer: Incoming): unknown {
  if (!isJson(answer.headers)) return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    return undefined;
  }
}

function isJson(headers: Headers): boolean {
  return /^application\/([a-z0-9.+-]+\+)?json\b/i.test(headers.get('content-type') ?? '');
}

/** The same failure, knowing that an earlier try may have been carried out. */
function asHappened(failure: UpvestError): UpvestError {
  const facts = {
    operation: failure.operation,
    requestId: failure.requestId,
    mayHaveHappened: true,
    cause: failure.cause,
  };
  if (failure instanceof ApiError) return new ApiError(failure, { ...facts, retryAfterMs: failure.retryAfterMs });
  if (failure instanceof NetworkError) return new NetworkError(failure.reason, facts);
  if (failure instanceof TimeoutError) return new TimeoutError(failure.timeoutMs, facts);
  return failure;
}
