// The handler for AWS Lambda behind API Gateway (REST, payload 1.0; HTTP, payload 2.0) or a function URL (2.0). Honours
// `isBase64Encoded`. A function is frozen after its answer, so listeners do not run in it by themselves: take a durable inbox
// and call `webhooks.drain()` from a function on a schedule (docs/how-to/frameworks.md).
//
// Payload 1.0 gives the query decoded; it is encoded again, which is what the sender wrote for plain letters and digits. The
// path is the one with the stage in it, as the sender called it.
import type { RawRequest, RawResponse } from '../raw-http.ts';
import type { Receiver } from './node-exchange.ts';

export interface LambdaEventV2 {
  readonly version: '2.0';
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly requestContext: { readonly http: { readonly method: string } };
  readonly body?: string | undefined;
  readonly isBase64Encoded: boolean;
}

export interface LambdaEventV1 {
  readonly httpMethod: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>> | null;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly multiValueQueryStringParameters?: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly requestContext?: { readonly path?: string };
  readonly body: string | null;
  readonly isBase64Encoded: boolean;
}

export interface LambdaResult {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly isBase64Encoded: false;
}

const remedy =
  'A Lambda middleware parsed event.body before the handler got it. Write export const handler = toLambda(webhooks) ' +
  'without httpJsonBodyParser()';

export function toLambda(handler: Receiver): (event: LambdaEventV1 | LambdaEventV2) => Promise<LambdaResult> {
  return async (event) => resultOf(await handler.receive('httpMethod' in event ? fromV1(event) : fromV2(event)));
}

function fromV2(event: LambdaEventV2): RawRequest {
  const { rawPath, rawQueryString, headers, requestContext } = event;
  const url = rawQueryString === '' ? rawPath : `${rawPath}?${rawQueryString}`;
  return { method: requestContext.http.method, url, headers, body: bodyOf(event) };
}

function fromV1(event: LambdaEventV1): RawRequest {
  const path = event.requestContext?.path ?? event.path;
  const query = Object.entries(event.multiValueQueryStringParameters ?? {})
    .flatMap(([name, values = []]) => values.map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`))
    .join('&');
  return {
    method: event.httpMethod,
    url: query === '' ? path : `${path}?${query}`,
    headers: event.multiValueHeaders ?? event.headers ?? {},
    body: bodyOf(event),
  };
}

function bodyOf({ body, isBase64Encoded }: { readonly body?: unknown; readonly isBase64Encoded: boolean }) {
  if (body === undefined || body === null) return new Uint8Array(0);
  return typeof body === 'string' ? Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8') : { consumed: remedy };
}

function resultOf({ status, headers, body }: RawResponse): LambdaResult {
  return { statusCode: status, headers: { ...headers }, body, isBase64Encoded: false };
}
