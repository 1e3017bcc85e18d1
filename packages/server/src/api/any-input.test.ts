// Throws wrong input at every tenant route, properly signed and authorised, so that it reaches the handlers: never a 500,
// never anything but a documented status, every 400 names a field.

import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CallOptions,
  field,
  type HttpAnswer,
  startApi,
  type TestApi,
  type TestTenant,
  tokenForm,
} from './api.fixture.ts';
import type { Route } from './route.ts';
import { tenantRoutes } from './tenant/index.ts';

let api: TestApi;
let tenant: TestTenant;
let token: string;
let webhookId: string;
let table: readonly Route[];

beforeAll(async () => {
  api = await startApi();
  tenant = await api.tenant();
  token = await api.token(tenant);
  table = tenantRoutes(api.deps);
  const made = await api.call({
    method: 'POST',
    target: '/webhooks',
    tenant,
    token,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title: 'A', url: 'https://tenant.example.com/' }),
  });
  webhookId = String(field(made.json, 'id'));
});
afterAll(() => api.close());

const url = 'https://tenant.example.com/webhooks';
const nasty = fc.oneof(
  fc.jsonValue({ depthSize: 'small' }),
  fc.constantFrom<unknown>(
    '\0',
    '\ud800',
    '__proto__',
    1e308,
    -0,
    2 ** 53,
    '',
    ' ',
    'ALL',
    '30s',
    '1m',
    `${url}#a`,
    'https://[::1]/',
    'https://localhost/',
  ),
  fc.string({ unit: 'binary', maxLength: 120 }),
);
const names = fc.oneof(
  fc.constantFrom(
    'title',
    'url',
    'type',
    'exclude_type',
    'config',
    'enabled',
    'id',
    '__proto__',
    'constructor',
    'toString',
  ),
  fc.string({ maxLength: 8 }),
);
const config = fc.dictionary(fc.oneof(fc.constantFrom('delay', 'max_package_size'), names), nasty, { maxKeys: 3 });
const fields = fc
  .record({
    some: fc.dictionary(names, fc.oneof(nasty, fc.array(nasty, { maxLength: 3 }), config), { maxKeys: 5 }),
    good: fc.boolean(),
  })
  .map(({ some, good }) => JSON.stringify(good ? { title: 'A', url, ...some } : some));
const bodies = fc.oneof(
  { weight: 6, arbitrary: fields.map((text): Uint8Array => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.json().map((text): Uint8Array => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.constant<Uint8Array>(new Uint8Array()) },
);
const forms = fc
  .dictionary(
    fc.oneof(fc.constantFrom('client_id', 'client_secret', 'grant_type', 'scope'), names),
    fc.string({ unit: 'binary', maxLength: 50 }),
    { maxKeys: 4 },
  )
  .map((entries) => entries);
const targetText = fc.stringMatching(/^[!-~]{0,30}$/).map((text) => text.replaceAll(/[#\\]/g, '%'));
const queries = fc.oneof(
  fc.constant(''),
  targetText.map((text) => `?${text}`),
  fc
    .array(
      fc.tuple(
        fc.constantFrom('sort', 'order', 'offset', 'limit'),
        fc.oneof(targetText, fc.integer().map(String), fc.constantFrom('title', 'DESC', '', '%00', '%FF')),
      ),
      { maxLength: 4 },
    )
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${value.replaceAll('&', '')}`).join('&')}`),
);
const contentTypes = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-8',
  'text/plain',
  'application/x-www-form-urlencoded',
  ';',
  undefined,
);
const headers = fc.record({
  accept: fc.constantFrom('application/json', '*/*', 'text/html', ';;,q=', ''),
  'upvest-api-version': fc.constantFrom('1', '2', undefined),
  'idempotency-key': fc.oneof(fc.constant(undefined), fc.constant('x'), fc.constant(randomUUID()), fc.uuid()),
});

function check(route: Route, answer: HttpAnswer): void {
  const documented = [...Object.keys(route.responses).map(Number), 400, 404];
  expect(documented, `${route.method} ${route.path} ${answer.text}`).toContain(answer.status);
  expect(answer.status).not.toBe(500);
  expect(answer.headers['upvest-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/);
  if (answer.status < 400) return;
  expect(answer.headers['content-type']).toBe('application/problem+json');
  if (answer.status === 400) expect(field(answer.json, 'detail')).toMatch(/^.*?: ./su);
}

describe('any input', () => {
  it('on the webhook routes gets a documented answer', async () => {
    const routes = table.filter((route) => route.path.startsWith('/webhooks') || route.path === '/auth/verify_keys');
    const ids = fc.oneof(
      fc.constant('known'),
      fc.uuid(),
      targetText.map((text) => text.replaceAll(/[/?]/g, 'x')),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...routes.keys()),
        ids,
        queries,
        bodies,
        contentTypes,
        headers,
        async (index, id, query, body, contentType, more) => {
          const route = routes[index];
          // The known webhook must outlive the run.
          if (!route || (route.method === 'DELETE' && id === 'known')) return;
          const target = route.path.replace('{webhook_id}', id === 'known' ? webhookId : id || 'x') + query;
          const hasBody = route.method === 'POST' || route.method === 'PATCH';
          const call: CallOptions = {
            method: route.method,
            target,
            tenant,
            token,
            headers: { ...more, ...(hasBody && body.length > 0 ? { 'content-type': contentType } : {}) },
            ...(hasBody ? { body } : {}),
          };
          check(route, await api.call(call));
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('on the token call gets a documented answer', async () => {
    const [route] = table.filter(({ path }) => path === '/auth/token');
    if (!route) throw new TypeError('There is no token route');
    await fc.assert(
      fc.asyncProperty(forms, fc.boolean(), contentTypes, headers, async (entries, isNearlyGood, contentType, more) => {
        // A wrong secret costs a slow hash on purpose; the wrong ones of the other tests are enough.
        const { client_secret: _, ...rest } = entries;
        const good = tokenForm(tenant, rest);
        const body = isNearlyGood ? good.body : new URLSearchParams(Object.entries(entries)).toString();
        const answer = await api.call({
          method: 'POST',
          target: '/auth/token',
          tenant,
          body,
          headers: {
            ...more,
            ...(body === '' ? {} : { 'content-type': isNearlyGood ? good.headers['content-type'] : contentType }),
          },
        });
        check(route, answer);
      }),
      { numRuns: 300 },
    );
  });

  it('without a good signature gets a 400 or 401, whatever the headers say', async () => {
    const value = fc.stringMatching(/^[ -~]{0,60}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.record(
          {
            'signature-input': value,
            signature: value,
            'upvest-signature-version': fc.constantFrom('15', '6', 'x', undefined),
            authorization: value,
            'upvest-client-id': fc.oneof(value, fc.constant(tenant.clientId)),
          },
          { requiredKeys: [] },
        ),
        fc.constantFrom('/webhooks', '/auth/token', '/x'),
        fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS'),
        async (given, target, method) => {
          const answer = await api.call({ method, target, headers: given });
          expect([400, 401]).toContain(answer.status);
          expect(field(answer.json, 'request_id')).toBe(answer.headers['upvest-request-id']);
        },
      ),
      { numRuns: 500 },
    );
  });
});
