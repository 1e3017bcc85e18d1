// Calls of the operator API for tests: over real HTTP, each answer checked against the schema that its route declares.

import { expect } from 'vitest';
import { type HttpAnswer, operatorToken, type TestApi } from '../api.fixture.ts';
import { problemSchema } from '../problem.ts';
import { routeTable } from '../route-table.ts';
import { operatorRoutes } from './index.ts';

export interface OperatorCall {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string | Uint8Array;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type CallOperator = (method: string, target: string, options?: OperatorCall) => Promise<HttpAnswer>;

export function operatorOf(api: TestApi): CallOperator {
  const table = routeTable(operatorRoutes(api.deps));
  return async (method, target, { body, text, contentType = 'application/json', headers = {} } = {}) => {
    const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
    const answer = await api.call({
      method,
      target,
      token: operatorToken,
      headers: { ...headers, ...(payload === undefined ? {} : { 'content-type': contentType }) },
      ...(payload === undefined ? {} : { body: payload }),
    });
    const route = table.match(target.split('?')[0] ?? '')?.byMethod.get(method);
    const declared = route?.responses[answer.status];
    if (answer.status >= 400) {
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect((declared?.schema ?? problemSchema).safeParse(answer.json).error).toBeUndefined();
    } else {
      expect(declared, `${method} ${target} declares ${answer.status}: ${answer.text}`).toBeDefined();
      if (declared?.schema) expect(declared.schema.safeParse(answer.json).error).toBeUndefined();
      else expect(answer.text).toBe('');
    }
    return answer;
  };
}
