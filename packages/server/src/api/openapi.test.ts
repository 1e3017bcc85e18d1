import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi } from './api.fixture.ts';
import { routes } from './routes.ts';

let api: TestApi;
let document: unknown;

beforeAll(async () => {
  api = await startApi();
  document = (await api.call({ target: '/openapi.json' })).json;
});
afterAll(() => api.close());

function at(...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => field(value, name), document);
}

function validator(schema: unknown) {
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  return ajv.compile(Object(schema));
}

describe('the OpenAPI document', () => {
  it('is 3.1 and has exactly the routes of the table', () => {
    expect(at('openapi')).toBe('3.1.0');
    const described = Object.entries(Object(at('paths'))).flatMap(([path, item]) =>
      Object.keys(Object(item)).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(
      routes(api.deps)
        .filter((route) => !route.isPage)
        .map((route) => `${route.method} ${route.path}`)
        .sort(),
    );
  });

  it('has an id of its own for every operation, and security schemes that exist', () => {
    const operations = Object.values(Object(at('paths'))).flatMap((item) => Object.values(Object(item)));
    const ids = operations.map((operation) => field(operation, 'operationId'));
    expect(new Set(ids).size).toBe(ids.length);
    const schemes = Object.keys(Object(at('components', 'securitySchemes')));
    const used = operations.flatMap((operation) =>
      [field(operation, 'security')].flat().flatMap((requirement) => Object.keys(Object(requirement))),
    );
    expect([...new Set(used)].sort()).toEqual(schemes.sort());
  });

  // All but one listed their success only.
  it('lists the problems that an operator operation can give', () => {
    const statuses = (path: string, method: string) => Object.keys(Object(at('paths', path, method, 'responses')));
    expect(statuses('/operator/tenants', 'get')).toEqual(['200', '400', '401', '429', '500', '503']);
    expect(statuses('/operator/tenants', 'post')).toEqual(
      ['201', '400', '401', '403', '409', '413', '429', '500', '503'], // 409: an idempotency key
    );
    expect(statuses('/operator/tenants/{client_id}', 'delete')).toEqual(
      ['204', '401', '403', '404', '429', '500', '503'], // no body, no query
    );
    expect(statuses('/operator/session', 'post')).toEqual(['201', '400', '401', '403', '413', '429', '500', '503']);
    for (const { path, method, access } of routes(api.deps)) {
      if (access !== 'operator') continue;
      const responses = at('paths', path, method.toLowerCase(), 'responses');
      expect(Object.keys(Object(responses)), `${method} ${path}`).toEqual(
        expect.arrayContaining(['401', '500', '503']),
      );
      for (const [status, response] of Object.entries(Object(responses))) {
        if (Number(status) < 400) continue;
        const schema = field(field(field(response, 'content'), 'application/problem+json'), 'schema');
        expect(schema, `${method} ${path} ${status}`).toBeDefined();
      }
    }
  });

  // Nothing said where a key does something else, or nothing.
  it('says what an idempotency key does, and where it does nothing', () => {
    const keyOf = (path: string): unknown => {
      const parameters = [at('paths', path, 'post', 'parameters')].flat();
      return field(
        parameters.find((parameter) => field(parameter, 'name') === 'idempotency-key'),
        'description',
      );
    };
    expect(keyOf('/webhooks')).toMatch(/first answer again and does nothing\.$/);
    expect(keyOf('/operator/events')).toMatch(/Not with application\/x-ndjson.*ids made of the key/);
    expect(keyOf('/auth/token')).toBeUndefined();
    expect(keyOf('/operator/session')).toBeUndefined();
    expect(at('info', 'description')).toContain('POST /auth/token and POST /operator/session ignore it');
  });

  it('has schemas that are JSON Schema and describe what the service takes', () => {
    const schema = at('paths', '/webhooks', 'post', 'requestBody', 'content', 'application/json', 'schema');
    const validate = validator(schema);
    expect(validate({ title: 'A', url: 'https://tenant.example.com/', type: ['USER'], config: { delay: '5s' } })).toBe(
      true,
    );
    for (const wrong of [
      {},
      { title: 'A' },
      { title: 'a'.repeat(101), url: 'https://tenant.example.com/' },
      { title: 'A', url: 'https://tenant.example.com/', enabled: true },
      { title: 'A', url: 'https://tenant.example.com/', type: ['USERS'] },
      { title: 'A', url: 'https://tenant.example.com/', config: { delay: '31s' } },
      { title: 'A', url: 'https://tenant.example.com/', config: { max_package_size: 99 } },
    ]) {
      expect(validate(wrong), JSON.stringify(wrong)).toBe(false);
    }
    expect(at('paths', '/webhooks', 'get', 'parameters')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          name: 'limit',
          in: 'query',
          required: false,
          schema: expect.objectContaining({ type: 'integer', minimum: 0, maximum: 1000, default: 100 }),
        }),
      ]),
    );
  });

  it('has schemas that all compile', () => {
    const problem = at('components', 'schemas', 'Problem');
    expect(validator(problem)({ type: 'https://docs.upvest.co/errors/internal', status: 500 })).toBe(true);
    // By its text: most of them, such as that of the request id, stand there many times.
    const seen = new Map<string, unknown>();
    JSON.stringify(document, (key, value: unknown) => {
      if (key === 'schema' && field(value, '$ref') === undefined) seen.set(JSON.stringify(value), value);
      return value;
    });
    expect(seen.size).toBeGreaterThan(50);
    for (const schema of seen.values()) expect(() => validator(schema)).not.toThrow();
  });
});
