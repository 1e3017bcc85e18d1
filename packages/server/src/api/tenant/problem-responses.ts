// The error answers that an operation lists in the contract, as entries of its route.

import { problemSchema } from '../problem.ts';
import type { Route } from '../route.ts';

const descriptions: Readonly<Record<number, string>> = {
  400: 'A field, the query or the body is malformed',
  401: 'The signature, the token or the credentials are wrong',
  403: 'The token lacks the scope',
  404: 'There is no such thing for this caller',
  406: 'The answer would be application/json, which accept rules out',
  409: 'Not possible in this state, or an idempotency-key used for another request',
  429: 'Too many calls',
  500: 'The service failed',
  503: 'The service is not available, try again',
  504: 'Something behind the service took too long',
};

export function problemResponses(...statuses: readonly number[]): Route['responses'] {
  return Object.fromEntries(
    statuses.map((status) => [status, { description: descriptions[status] ?? 'Problem', schema: problemSchema }]),
  );
}
