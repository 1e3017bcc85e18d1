// Requests made from the service's own OpenAPI document: for every operation of the tenant API, right ones by its schemas
// and wrong ones by one change to a right one (type, length, value, unknown field, broken JSON, content type, query, header,
// path, method, size). Sent over real HTTP with good signatures. Never a 500, never a hang (the peer gives up after 40 s),
// only documented answers in the documented form, and every 400 names what is wrong with which field.

import { randomUUID } from 'node:crypto';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPeer, type PeerAnswer, type PeerClient, type PeerCredentials, send, signRequest } from './peer.ts';
import { startWireService, type WireService } from './service.ts';

type Json = Readonly<Record<string, unknown>>;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly query: readonly { readonly name: string; readonly schema: Json }[];
  readonly body: { readonly type: string; readonly schema: Json; readonly required: boolean } | undefined;
  readonly statuses: readonly number[];
}

let service: WireService;
let credentials: PeerCredentials;
let peer: PeerClient;
let document: Json;
let operations: readonly Operation[];
let webhookId: string;
let validateProblem: ValidateFunction;
const bodyValidators = new Map<string, ValidateFunction>();

beforeAll(async () => {
  service = await startWireService('none');
  credentials = await service.tenant('Ed25519');
  peer = createPeer(service.url, credentials);
  await peer.authorize('webhooks:read webhooks:admin');
  document = Object((await peer.call('GET', '/openapi.json')).json);
  operations = tenantOperations(document);
  const made = await peer.call('POST', '/webhooks', { title: 'A', url: 'https://tenant.example.com/hooks' });
  webhookId = String(Object(made.json).id);
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  validateProblem = ajv.compile(at(document, 'components', 'schemas', 'Problem'));
  for (const { method, path, body } of operations) {
    if (body) bodyValidators.set(`${method} ${path}`, ajv.compile(body.schema));
  }
});
afterAll(() => service.close());

function at(value: unknown, ...path: readonly string[]): Json {
  return path.reduce<Json>((inner, name) => Object(inner[name]), Object(value));
}

function tenantOperations(from: Json): Operation[] {
  return Object.entries(at(from, 'paths')).flatMap(([path, item]) =>
    Object.entries(Object(item))
      .filter(([, operation]) => Object(operation).tags?.includes('tenant'))
      .map(([method, operation]) => {
        const { parameters = [], requestBody, responses } = Object(operation);
        const [media] = Object.entries(at(requestBody, 'content'));
        return {
          method: method.toUpperCase(),
          path,
          query: parameters.filter((parameter: Json) => parameter['in'] === 'query'),
          body: media && { type: media[0], schema: at(media[1], 'schema'), required: requestBody.required === true },
          statuses: Object.keys(responses).map(Number),
        };
      }),
  );
}

/** Values by a schema of the kinds that the document uses; what is not here fails the test, so that it grows with it. */
function bySchema(schema: Json, name = ''): fc.Arbitrary<unknown> {
  if (Array.isArray(schema['anyOf'])) return fc.oneof(...schema['anyOf'].map((each) => bySchema(Object(each), name)));
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum']);
  switch (schema['type']) {
    case 'object':
      return objectBySchema(schema);
    case 'array':
      return fc.array(bySchema(at(schema, 'items'), name), { minLength: 1, maxLength: 4 });
    case 'integer':
      return fc.integer({
        min: Number(schema['minimum'] ?? 0),
        max: Math.min(Number(schema['maximum'] ?? 1e6), 2 ** 40),
      });
    case 'boolean':
      return fc.boolean();
    case 'string':
      return stringBySchema(schema, name);
    default:
      throw new TypeError(`No values for ${JSON.stringify(schema)}`);
  }
}

function objectBySchema(schema: Json): fc.Arbitrary<unknown> {
  const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, inner] of Object.entries(at(schema, 'properties'))) model[name] = bySchema(Object(inner), name);
  return fc.record(model, { requiredKeys: required.map(String), noNullPrototype: true });
}

function stringBySchema(schema: Json, name: string): fc.Arbitrary<string> {
  if (name === 'client_id') return fc.constant(credentials.clientId);
  if (name === 'client_secret') return fc.constant(credentials.clientSecret);
  if (name === 'scope') return fc.constantFrom('webhooks:read', 'webhooks:admin webhooks:read');
  if (typeof schema['pattern'] === 'string') return fc.stringMatching(new RegExp(schema['pattern']));
  if (schema['format'] === 'uuid') return fc.uuid();
  if (schema['format'] === 'uri') {
    return fc.stringMatching(/^[a-z]{1,10}$/).map((label) => `https://${label}.example.invalid/hooks?x=1`);
  }
  return fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(Number(schema['maxLength'] ?? 40), 40) });
}

const wrongValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    ' ',
    '\0',
    '\ud800',
    'x'.repeat(1_001),
    '31s',
    '0s',
    '1m',
    'USERS',
    -1,
    0,
    99,
    0.5,
  ),
  fc.constantFrom<unknown>(
    1_048_577,
    1e308,
    -0,
    true,
    [],
    {},
    [[]],
    ['ALL', null],
    'http://a.example.com',
    'https://10.0.0.1',
  ),
  fc.constantFrom<unknown>(
    'https://u:p@a.example.com',
    'https://a.example.com/#x',
    'https://localhost',
    'https://a',
    'x:',
  ),
  fc.jsonValue({ depthSize: 'small' }),
);

/** One change to an object: a member wrong, missing or unknown, at the top or inside `config`. */
function spoiled(value: unknown): fc.Arbitrary<unknown> {
  const names = [...Object.keys(Object(value)), 'config', 'type', 'url', 'title', 'enabled', 'exclude_type', 'scope'];
  return fc.oneof(
    fc.tuple(fc.constantFrom(...names), wrongValues).map(([name, wrong]) => ({ ...Object(value), [name]: wrong })),
    fc.tuple(fc.constantFrom('delay', 'max_package_size', 'x'), wrongValues).map(([name, wrong]) => ({
      ...Object(value),
      config: { [name]: wrong },
    })),
    fc.constantFrom(...names).map((name) => {
      const { [name]: _, ...rest } = Object(value);
      return rest;
    }),
    fc
      .constantFrom('id', 'created_at', 'x', '__proto__', 'toString')
      .map((name) =>
        JSON.parse(
          JSON.stringify(value).replace(
            /^\{/,
            `{${JSON.stringify(name)}:1${Object.keys(Object(value)).length ? ',' : ''}`,
          ),
        ),
      ),
    wrongValues,
  );
}

function encode(type: string, value: unknown): string {
  if (type !== 'application/x-www-form-urlencoded') return JSON.stringify(value) ?? '';
  const pairs = Object.entries(Object(value)).map(([name, each]) => [name, String(each)]);
  return new URLSearchParams(pairs).toString();
}

interface Attempt {
  readonly operation: Operation;
  /** By the schemas of the document. */
  readonly isRight: boolean;
  readonly query: string;
  readonly text: string | undefined;
  readonly contentType: string | undefined;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
}

function target({ operation, id, query }: Attempt): string {
  return operation.path.replace(/\{[^}]+\}/, () => id) + query;
}

function rightQuery({ query }: Operation): fc.Arbitrary<string> {
  const some = query.map(({ name, schema }) =>
    fc.option(bySchema(schema, name)).map((value) => (value === null ? [] : [`${name}=${String(value)}`])),
  );
  return fc.tuple(...some).map((pairs) => (pairs.flat().length === 0 ? '' : `?${pairs.flat().join('&')}`));
}

function wrongQuery(operation: Operation): fc.Arbitrary<string> {
  const names = [...operation.query.map(({ name }) => name), 'x', '%00', '%FF'];
  const values = fc.oneof(
    fc.constantFrom('', '%00', '%FF', '-1', '1001', '1e3', 'asc', 'id', '9'.repeat(17)),
    fc.stringMatching(/^[!-"$-%'-~]{0,9}$/),
  );
  return fc
    .array(fc.tuple(fc.constantFrom(...names), values), { minLength: 1, maxLength: 3 })
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${value}`).join('&')}`);
}

function rightAttempt(operation: Operation): fc.Arbitrary<Attempt> {
  const { body } = operation;
  const value = body ? bySchema(body.schema) : fc.constant(undefined);
  return fc.tuple(value, rightQuery(operation)).map(([each, query]) => ({
    operation,
    isRight: true,
    query,
    text: body ? encode(body.type, each) : undefined,
    contentType: body?.type,
    id: webhookId,
    headers: {},
  }));
}

function wrongAttempt(operation: Operation): fc.Arbitrary<Attempt> {
  const wrong = (change: fc.Arbitrary<Partial<Attempt>>, right: Attempt): fc.Arbitrary<Attempt> =>
    change.map((each) => ({ ...right, isRight: false, ...each }));
  return rightAttempt(operation).chain((right) => {
    const kinds: fc.Arbitrary<Attempt>[] = [
      wrong(
        wrongQuery(operation).map((query) => ({ query })),
        right,
      ),
      wrong(
        fc.constantFrom('x', '%00', '%E0%A4%A', randomUUID(), '..', `${webhookId}x`).map((id) => ({ id })),
        right,
      ),
      wrong(
        fc
          .constantFrom<Readonly<Record<string, string>>>(
            { accept: 'text/html' },
            { accept: ';;,q=' },
            { 'upvest-api-version': '2' },
            { 'upvest-api-version': '' },
            { 'idempotency-key': 'x' },
            { 'idempotency-key': 'x'.repeat(300) },
          )
          .map((headers) => ({ headers })),
        right,
      ),
    ];
    const { body } = operation;
    if (body) {
      const value = body.type === 'application/json' ? JSON.parse(right.text ?? 'null') : formOf(right.text);
      kinds.push(
        wrong(
          spoiled(value).map((each) => ({ text: encode(body.type, each) })),
          right,
        ),
        wrong(
          fc
            .constantFrom(
              '{',
              '[1',
              '{"a":1,"a":2}',
              'null',
              '"',
              `${'['.repeat(200)}`,
              'NaN',
              '\ufeff{}',
              '%',
              'a&b=%FF',
            )
            .map((text) => ({ text })),
          right,
        ),
        wrong(
          fc
            .constantFrom('text/plain', 'application/xml', ';', 'application/jsonx')
            .map((contentType) => ({ contentType })),
          right,
        ),
        wrong(fc.constant({ text: undefined, contentType: undefined }), right),
      );
    }
    return fc.oneof(...kinds);
  });
}

function formOf(text = ''): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

async function run(attempt: Attempt): Promise<PeerAnswer> {
  const { operation, text, contentType, headers } = attempt;
  const hasToken = operation.path !== '/auth/token';
  const message = {
    method: operation.method,
    target: target(attempt),
    headers: {
      accept: 'application/json',
      ...(hasToken ? { authorization: `Bearer ${peer.token}` } : {}),
      ...(text && contentType !== undefined ? { 'content-type': contentType } : {}),
      'upvest-client-id': credentials.clientId,
      ...headers,
    },
    body: text,
  };
  return send(service.url, message, signRequest(message, { key: credentials.key }));
}

/** `config.size: …`; a name that is not a plain word is in quotes: `config.":": …`. */
const namesField = /^(?:[^:"]|"(?:[^"\\]|\\.)*"){1,200}: \S/su;

function judge({ operation, isRight, text, contentType }: Attempt, answer: PeerAnswer): void {
  const name = `${operation.method} ${operation.path} ${text ?? ''} → ${answer.status} ${answer.text}`;
  expect([...operation.statuses, 400, 404], name).toContain(answer.status);
  expect(answer.status, name).toBeLessThan(500);
  // The token call slows down who guesses secrets.
  if (operation.path !== '/auth/token') expect(answer.status, name).not.toBe(429);
  // A right request may still ask for more than there is room for (409).
  if (isRight) expect([200, 201, 202, 204, 409], name).toContain(answer.status);
  const validate = bodyValidators.get(`${operation.method} ${operation.path}`);
  if (!isRight && answer.status < 300 && validate && text && contentType === 'application/json') {
    // What the service took is right by the document too.
    expect(validate(JSON.parse(text)), name).toBe(true);
  }
  expect(answer.headers['upvest-request-id'], name).toMatch(/^[0-9a-f-]{36}$/);
  if (answer.status < 400) return;
  expect(answer.headers['content-type'], name).toBe('application/problem+json');
  expect(validateProblem(answer.json), name).toBe(true);
  expect(Object(answer.json), name).toMatchObject({
    status: answer.status,
    request_id: answer.headers['upvest-request-id'],
  });
  expect(answer.text, name).not.toMatch(/\bat .*\.(ts|js):\d+|select |insert /);
  expect(Object(answer.json).type, name).toMatch(
    /^https:\/\/docs\.upvest\.co\/errors\/(bad_request|missing_client_id|unauthorised|forbidden|not_found|method_not_allowed|not_acceptable|conflict|too_many_requests)$/,
  );
  if (answer.status === 400) expect(Object(answer.json).detail, name).toMatch(namesField);
}

/** Removed while they are tested, or made without end. */
async function tidy({ operation }: Attempt, answer: PeerAnswer): Promise<void> {
  const id = String(Object(answer.json).id);
  if (operation.method === 'POST' && answer.status === 201) {
    const removed = await peer.call('DELETE', `${operation.path}/${id}`);
    expect(removed.status, removed.text).toBe(204);
  }
  if (operation.method === 'DELETE' && answer.status === 204) {
    const made = await peer.call('POST', '/webhooks', { title: 'A', url: 'https://tenant.example.com/hooks' });
    webhookId = String(Object(made.json).id);
  }
}

/** Runs of one operation; a poll of an endpoint holds for seconds, the token call hashes slowly. */
function runsOf({ path, body }: Operation): number {
  if (path === '/auth/token') return 60;
  return body || path === '/webhooks' ? 350 : 90;
}

describe('requests made from the OpenAPI document', () => {
  it('that are right are answered with success', async () => {
    for (const operation of operations) {
      if (operation.path.includes('{endpoint_id}')) continue;
      const numRuns = Math.ceil(runsOf(operation) / 3);
      await fc.assert(
        fc.asyncProperty(fc.constant(operation).chain(rightAttempt), async (attempt) => {
          // The webhook of the moment: one that was deleted has a successor.
          const current = { ...attempt, id: webhookId };
          const answer = await run(current);
          judge(current, answer);
          await tidy(current, answer);
        }),
        { numRuns },
      );
    }
  }, 240_000);

  it('that are wrong in one thing get a documented answer that names it, never a 500', async () => {
    for (const operation of operations) {
      await fc.assert(
        fc.asyncProperty(fc.constant(operation).chain(wrongAttempt), async (attempt) => {
          if (operation.path.includes('{endpoint_id}') && attempt.id === webhookId) return;
          const answer = await run(attempt);
          judge(attempt, answer);
          await tidy(attempt, answer);
        }),
        { numRuns: runsOf(operation) },
      );
    }
  }, 240_000);

  it('with another method, an unknown path or 2 MiB get 405, 404 and 400', async () => {
    for (const operation of operations) {
      const id = webhookId;
      const path = operation.path.replace(/\{[^}]+\}/, id);
      const offered = operations.filter((each) => each.path === operation.path).map(({ method }) => method);
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter(
        (each) => !offered.includes(each),
      )) {
        const answer = await peer.call(method, path);
        expect(answer.status, `${method} ${path} ${answer.text}`).toBe(405);
        expect(answer.headers['allow']).toBe(offered.join(', '));
      }
      expect((await peer.call('GET', `${path}/x/y`)).status).toBe(404);
      if (!operation.body) continue;
      const large = await run({
        operation,
        isRight: false,
        query: '',
        text: JSON.stringify({ title: 'x'.repeat(2 * 1024 * 1024) }),
        contentType: operation.body.type,
        id,
        headers: {},
      });
      expect(large.status).toBe(400);
      expect(Object(large.json).detail).toMatch(/^body: /);
    }
  });

  it('leave nothing behind that was refused', async () => {
    const { data } = Object((await peer.call('GET', '/webhooks?limit=1000')).json);
    expect(Object(data).map(({ title }: { title: string }) => title)).toHaveLength(1);
  });
});
