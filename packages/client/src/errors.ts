// What a call can end in besides an answer. One base class with a stable `code`; facts are fields, so that nobody has to
// read a message. `mayHaveHappened` tells what matters after a failed write: whether some try of the call was possibly
// carried out although no answer came back. Messages are safe to log: they never hold the secret, a token or a body.

export type ErrorCode = 'api_error' | 'network_error' | 'timeout' | 'unexpected_answer';

interface ErrorFacts {
  /** Method and path of the call, for example `POST /webhooks`. */
  readonly operation: string;
  readonly mayHaveHappened: boolean;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

export abstract class UpvestError extends Error {
  abstract readonly code: ErrorCode;
  readonly operation: string;
  readonly requestId: string | undefined;
  /** True when a try of this call may have been carried out although its answer was lost. */
  readonly mayHaveHappened: boolean;

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.operation = facts.operation;
    this.requestId = facts.requestId;
    this.mayHaveHappened = facts.mayHaveHappened;
  }
}

/** What `application/problem+json` said, with the spelling of the type settled. */
export interface Problem {
  readonly status: number;
  /** Last segment of `type`, in the spelling of the documentation: `unauthorised`, `internal`, ... */
  readonly slug: string;
  /** As sent; absent when the answer was no problem document. */
  readonly type: string | undefined;
  readonly title: string | undefined;
  readonly detail: string | undefined;
}

/** The API refused the call. */
export class ApiError extends UpvestError {
  readonly code: 'api_error' = 'api_error';
  readonly status: number;
  readonly slug: string;
  readonly type: string | undefined;
  readonly title: string | undefined;
  readonly detail: string | undefined;
  /** What the `retry-after` header asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Problem, facts: ErrorFacts & { readonly retryAfterMs?: number | undefined }) {
    const what = [problem.title ?? problem.slug, problem.detail].filter((part) => part !== undefined).join(': ');
    const id = facts.requestId === undefined ? '' : ` (request ${facts.requestId})`;
    super(`${facts.operation} answered ${problem.status} ${what}${id}`, facts);
    this.status = problem.status;
    this.slug = problem.slug;
    this.type = problem.type;
    this.title = problem.title;
    this.detail = problem.detail;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** No answer: the name, the connection or TLS failed, or the connection was lost. */
export class NetworkError extends UpvestError {
  readonly code: 'network_error' = 'network_error';
  /** Code of the system or of TLS, for example `ECONNREFUSED`. */
  readonly reason: string;

  constructor(reason: string, facts: ErrorFacts) {
    super(`${facts.operation} got no answer: ${reason}`, facts);
    this.reason = reason;
  }
}

/** No complete answer within `timeoutMs`. */
export class TimeoutError extends UpvestError {
  readonly code: 'timeout' = 'timeout';
  readonly timeoutMs: number;

  constructor(timeoutMs: number, facts: ErrorFacts) {
    super(`${facts.operation} got no complete answer within ${timeoutMs} ms`, facts);
    this.timeoutMs = timeoutMs;
  }
}

/** An answer that this API never gives: a redirect, broken JSON, a missing field. Usually a wrong base URL or a proxy. */
export class UnexpectedAnswerError extends UpvestError {
  readonly code: 'unexpected_answer' = 'unexpected_answer';
  readonly status: number;

  constructor(status: number, what: string, facts: ErrorFacts) {
    super(`${facts.operation} answered ${status} with something unexpected: ${what}`, facts);
    this.status = status;
  }
}
