// Calls of the operator API with the operator token. A refusal is a line with an exit code, like every failed call.

import { exitOfStatus, unreachableHint } from './api-failure.ts';
import { CliError, exitCodes } from './exit.ts';
import { type Fields, isRecord, recordsOf, textOf } from './json.ts';
import type { Target } from './profiles/target.ts';
import { reasonOf } from './system-error.ts';

export interface OperatorCall {
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** JSON that is sent as it is, instead of `body`. */
  readonly text?: string;
}

export interface Operator {
  call(method: string, path: string, options?: OperatorCall): Promise<Fields>;
  /** The answer as it came. */
  text(method: string, path: string, options?: OperatorCall): Promise<string>;
  /** Every item of a paged list, as many as wanted. */
  list(path: string, query: NonNullable<OperatorCall['query']>, limit: number): Promise<readonly Fields[]>;
}

const pageLimit = 200;

export function createOperator(
  target: Target,
  token: string,
  timeoutMs = 30_000,
  signal: AbortSignal = new AbortController().signal,
): Operator {
  async function textOfCall(method: string, path: string, options: OperatorCall = {}): Promise<string> {
    const url = new URL(`${target.operatorUrl}${path}`);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body = options.text ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), signal]),
      });
      text = await response.text();
    } catch (error) {
      signal.throwIfAborted();
      throw new CliError(
        exitCodes.unreachable,
        `${method} ${path} got no answer: ${reasonOf(error)} (${target.operatorUrl}).`,
        unreachableHint(error, target),
        { cause: error },
      );
    }
    if (response.ok) return text;
    const answer = parsed(text);
    const said = textOf(answer['detail']) ?? textOf(answer['title']) ?? response.statusText;
    throw new CliError(
      exitOfStatus(response.status),
      `${method} ${path} answered ${response.status}: ${said}.`,
      response.status === 401 || response.status === 403
        ? `Check the operator token of profile ${target.profile}: BELLHOP_OPERATOR_TOKEN.`
        : undefined,
    );
  }

  const call: Operator['call'] = async (method, path, options) => parsed(await textOfCall(method, path, options));

  return {
    call,
    text: textOfCall,
    async list(path, query, limit) {
      const found: Fields[] = [];
      let cursor: string | undefined;
      do {
        const page = await call('GET', path, {
          query: { ...query, cursor, limit: Math.min(pageLimit, limit - found.length) },
        });
        found.push(...recordsOf(page['data']));
        cursor = textOf(page['next_cursor']);
      } while (cursor !== undefined && found.length < limit);
      return found;
    },
  };
}

function parsed(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}
