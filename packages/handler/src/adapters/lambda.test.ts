// The events that API Gateway and function URLs hand over, made here from a signed delivery: there is no gateway to boot.
import { messageTarget } from '@bellhop/signatures';
import { describe, expect, it } from 'vitest';
import { createHandler } from '../index.ts';
import { createSender, eventOf } from '../sender.fixture.ts';
import type { LambdaEventV1, LambdaEventV2 } from './lambda.ts';
import { toLambda } from './lambda.ts';

const sender = await createSender();

interface Given {
  readonly path: string;
  readonly query: string | undefined;
  readonly headers: Record<string, string>;
  readonly text: string;
}

function v1({ path, query, headers, text }: Given, isBase64Encoded: boolean): LambdaEventV1 {
  const parameters: Record<string, string[]> = {};
  for (const [name, value] of new URLSearchParams(query)) parameters[name] = [...(parameters[name] ?? []), value];
  return {
    httpMethod: 'POST',
    path: path.replace('/prod', ''),
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    multiValueQueryStringParameters: query === undefined ? null : parameters,
    requestContext: { path },
    body: isBase64Encoded ? Buffer.from(text).toString('base64') : text,
    isBase64Encoded,
  };
}

function v2({ path, query, headers, text }: Given, isBase64Encoded: boolean): LambdaEventV2 {
  return {
    version: '2.0',
    rawPath: path,
    rawQueryString: query ?? '',
    headers,
    requestContext: { http: { method: 'POST' } },
    body: isBase64Encoded ? Buffer.from(text).toString('base64') : text,
    isBase64Encoded,
  };
}

async function signed(url: string, events: readonly object[]): Promise<Given> {
  const { headers, body } = await sender.prepare(url, events);
  const { path, query } = messageTarget(url);
  return { path, query, headers, text: Buffer.from(body).toString() };
}

describe.each([
  { name: 'payload 1.0', event: v1 },
  { name: 'payload 2.0', event: v2 },
])('a Lambda with $name', ({ event }) => {
  const answer = toLambda(createHandler({ keys: sender.keys }));

  it.each([true, false])('takes a package of 1.5 MB, base64: %s', async (isBase64Encoded) => {
    const order = eventOf('ORDER.FILLED');
    const large = { ...order, object: { ...order.object, note: 'ü'.repeat(750_000) } };
    const given = await signed('https://api.tld/prod/webhooks?tenant=1&mode=live', [large]);
    expect(await answer(event(given, isBase64Encoded))).toEqual({
      statusCode: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"stored":1,"duplicates":0}',
      isBase64Encoded: false,
    });
  });

  it('takes a delivery without a query', async () => {
    const given = await signed('https://api.tld/prod/webhooks', [eventOf('ORDER.FILLED')]);
    expect((await answer(event(given, true))).statusCode).toBe(200);
  });

  it('answers 401 to a wrong signature, 413 to a body over the limit, 401 to none at all', async () => {
    const given = await signed('https://api.tld/prod/webhooks', [eventOf('ORDER.FILLED')]);
    expect((await answer(event({ ...given, path: '/prod/other' }, true))).statusCode).toBe(401);
    const large = { ...given, text: 'x'.repeat(3 * 1024 * 1024) };
    expect((await answer(event(large, true))).statusCode).toBe(413);
    const { signature: _, ...unsigned } = given.headers;
    const result = await answer(event({ ...given, headers: unsigned, text: '' }, false));
    expect([result.statusCode, JSON.parse(result.body)]).toMatchObject([401, { reason: 'missing_signature' }]);
  });

  it('says what to write when a middleware parsed the body', async () => {
    const given = await signed('https://api.tld/prod/webhooks', [eventOf('ORDER.FILLED')]);
    const parsed = Object.assign(event(given, false), { body: JSON.parse(given.text) });
    const result = await answer(parsed);
    expect([result.statusCode, JSON.parse(result.body)]).toMatchObject([
      500,
      { reason: 'body_consumed', detail: expect.stringMatching(/Lambda.*toLambda\(webhooks\)/) },
    ]);
  });
});
