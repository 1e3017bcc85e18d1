// Random and mutated input against the real service over real HTTP: signature headers, structured fields, JWTs, JSON,
// NDJSON, query strings, cursors and raw bytes. Nothing crashes, nothing is answered 500, memory does not grow with what
// was thrown. BELLHOP_FUZZ_SECONDS is the time for all of it (20 by default, 600 in a nightly run: `npm run fuzz`). The
// seed is that of test/property-seed.ts; a failure prints it with the path.

import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPeer, type PeerCredentials, send, signRequest } from '../conformance/peer.ts';
import { at, operatorToken, startWorld, type World } from './world.ts';

const seconds = Number(process.env['BELLHOP_FUZZ_SECONDS'] ?? '20');
const seed = fc.readConfigureGlobal().seed;
const suites = 7;
const shareMs = (seconds * 1_000) / suites;
const timeoutMs = shareMs * 3 + 60_000;
// Twice what ten minutes grow it by; most of that comes in the first seconds.
const maxGrowthBytes = 48 * 1024 * 1024;

let world: World;
let tenant: PeerCredentials;
let token: string;
let webhookId: string;
/** Of a tenant link that was opened. */
let viewCookie: string;
let cases = 0;
let crashes = 0;
let before: ReturnType<typeof bytesInUse>;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** What is left after a collection; bodies and packages are Buffers, which are not on the heap. */
function bytesInUse(): { heap: number; external: number } {
  collect();
  // Buffers are freed in the background: the second collection waits for that.
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, external };
}

beforeAll(async () => {
  world = await startWorld();
  tenant = await world.tenant();
  const peer = createPeer(world.url, tenant);
  token = String(at((await peer.authorize('webhooks:read webhooks:admin')).json, 'access_token'));
  const webhook = await peer.call('POST', '/webhooks', { title: 'A', url: 'https://tenant.example.com/' });
  webhookId = String(at(webhook.json, 'id'));
  const link = await world.operator('POST', `/operator/tenants/${tenant.clientId}/links`);
  const target = new URL(String(at(link.json, 'url'))).pathname;
  const opened = await send(world.url, { method: 'GET', target, headers: {} });
  viewCookie = opened.headers['set-cookie']?.split(';')[0] ?? '';
  before = bytesInUse();
});
afterAll(async () => {
  const after = bytesInUse();
  const [heap, external] = [after.heap - before.heap, after.external - before.external];
  await world.close();
  const mib = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;
  process.stdout.write(
    `fuzz seed: ${seed}, cases: ${cases}, crashes: ${crashes}, heap grown by ${mib(heap)}, external by ${mib(external)}\n`,
  );
  expect(heap + external).toBeLessThan(maxGrowthBytes);
});

async function fuzz<T>(input: fc.Arbitrary<T>, attempt: (value: T) => Promise<number>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(input, async (value) => {
      cases += 1;
      const status = await attempt(value);
      if (status < 200 || status >= 500) crashes += 1;
      expect(status).toBeGreaterThanOrEqual(200);
      expect(status).toBeLessThan(500);
    }),
    { numRuns: 10_000_000, interruptAfterTimeLimit: shareMs, markInterruptAsFailure: false },
  );
  expect((await send(world.url, { method: 'GET', target: '/readyz', headers: {} })).status).toBe(200);
}

const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 200,
});
const pieces = fc.constantFrom(
  ...[
    '"',
    '\\',
    '(',
    ')',
    ';',
    '=',
    ':',
    ',',
    ' ',
    'sig1',
    'sig1=',
    ':AAAA:',
    '"@path"',
    '"@query"',
    '?1',
    '?0',
    '1e9',
  ],
  ...['-', '999999999999999', '1.5', '%20', ';created=', ';keyid="', ';expires=', ';nonce=', ';alg=', '*', '@1', '()'],
);
const structured = fc
  .array(fc.oneof(pieces, headerText), { maxLength: 30 })
  .map((parts) => parts.join('').slice(0, 2_000));

/** A text with some of it cut, doubled or replaced. */
function mutated(text: string, [from, length, insert, twice]: readonly [number, number, string, boolean]): string {
  const start = Math.floor(from * text.length);
  const end = Math.min(text.length, start + length);
  return text.slice(0, start) + insert + (twice ? text.slice(start, end).repeat(2) : '') + text.slice(end);
}
const mutation = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.nat(12),
  fc.oneof(fc.constant(''), structured),
  fc.boolean(),
);

const base64url = (content: string | Uint8Array): string => Buffer.from(content).toString('base64url');

const operatorHeaders = { authorization: `Bearer ${operatorToken}` };
const viewHeaders = (cookie: string) => ({ cookie, 'sec-fetch-site': 'same-origin' });

describe(`in ${seconds} s of random input, nothing crashes and nothing is answered 500:`, () => {
  it(
    'signature headers that are no structured fields, or other ones',
    async () => {
      const selector = fc.constantFrom('15', '6', '', '0', 'x', '15, 15');
      await fuzz(
        fc.tuple(structured, structured, selector, structured),
        async ([input, signature, version, digest]) => {
          const headers = {
            'upvest-client-id': tenant.clientId,
            'upvest-signature-version': version,
            'signature-input': input,
            signature,
            'content-digest': digest,
            digest,
            authorization: digest,
          };
          const { status } = await send(world.url, { method: 'POST', target: '/webhooks', headers, body: '{}' });
          expect([400, 401]).toContain(status);
          return status;
        },
      );
    },
    timeoutMs,
  );

  it(
    'true signatures, mutated',
    async () => {
      const names = fc.constantFrom(
        'signature-input',
        'signature',
        'content-digest',
        'authorization',
        'upvest-client-id',
      );
      await fuzz(fc.tuple(names, mutation), async ([name, change]) => {
        const headers = {
          authorization: `Bearer ${token}`,
          'upvest-client-id': tenant.clientId,
          'content-type': 'application/json',
        };
        const message = { method: 'POST', target: '/webhooks?a=b', headers, body: '{"title":""}' };
        const signed = signRequest(message, { key: tenant.key });
        return (await send(world.url, message, { ...signed, [name]: mutated(String(signed[name]), change) })).status;
      });
    },
    timeoutMs,
  );

  it(
    'JWTs as tokens of tenants and operators, and as the cookie of a tenant link',
    async () => {
      const part = fc.oneof(
        fc.json().map(base64url),
        fc.uint8Array({ maxLength: 100 }).map(base64url),
        fc.record({ alg: fc.constantFrom('none', 'nOnE', 'HS256', 'EdDSA', ''), kid: headerText }).map((header) => {
          return base64url(JSON.stringify({ typ: 'JWT', ...header, jwk: { kty: 'oct', k: '' } }));
        }),
        // The true tokens are inside, where nobody may look for them.
        fc.constantFrom(token, operatorToken).map((jti) => {
          return base64url(JSON.stringify({ sub: tenant.clientId, scope: 'webhooks:admin', exp: 2 ** 40, jti }));
        }),
        fc.constant(''),
      );
      const jwt = fc.oneof(
        fc.tuple(part, part, part).map((parts) => parts.join('.')),
        fc.array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
      );
      const tokens = fc.oneof(
        jwt,
        fc.tuple(jwt, mutation).map(([text, change]) => mutated(text, change)),
        // All headers together end at 32 KiB.
        fc
          .tuple(jwt, fc.constantFrom('A', '.', 'e30.', '='), fc.integer({ min: 1, max: 24_000 }))
          .map(([text, filling, length]) => text + filling.repeat(length / filling.length)),
      );
      const schemes = fc.constantFrom('Bearer ', 'Bearer ', 'Bearer ', 'bearer ', 'JWT ', '');
      const callers = fc.constantFrom('tenant', 'operator', 'link');
      const details = new Set<unknown>();
      await fuzz(fc.tuple(callers, schemes, tokens), async ([caller, scheme, text]) => {
        const authorization = scheme + text;
        const messages = {
          tenant: { target: '/webhooks', headers: { authorization, 'upvest-client-id': tenant.clientId } },
          operator: { target: '/operator/tenants', headers: { authorization } },
          link: { target: '/view/api/webhooks', headers: viewHeaders(`bellhop_view=${text}`) },
        };
        const message = { method: 'GET', ...messages[caller] };
        const headers = caller === 'tenant' ? signRequest(message, { key: tenant.key }) : message.headers;
        const { status, json } = await send(world.url, message, headers);
        expect(status).toBe(401);
        details.add(at(json, 'detail'));
        return status;
      });
      // The token was looked at, and the signature was never what was wrong.
      expect(details).toEqual(
        new Set([
          'authorization: must be Bearer and a token',
          'authorization: the token is not a valid one of this client',
          'authorization: is not an operator token',
          'The link has ended: ask for a new one',
        ]),
      );
    },
    timeoutMs,
  );

  const example = JSON.stringify({
    client_id: '00000000-0000-4000-8000-000000000000',
    events: [
      {
        id: '00000000-0000-4000-8000-000000000001',
        created_at: '2026-05-01T12:00:00.123456789Z',
        type: 'USER.CREATED',
        object: { a: [1, 'é', null] },
      },
    ],
  });
  const jsonText = fc.oneof(
    mutation.map((change) => mutated(example, change)),
    fc.json({ maxDepth: 6, stringUnit: 'binary' }),
    fc.nat(5_000).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`),
    fc.nat(5_000).map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
    fc.tuple(fc.integer(), fc.integer()).map(([mantissa, exponent]) => `{"events":${mantissa}e${exponent}}`),
    fc.string({ unit: 'binary', maxLength: 300 }),
  );

  it(
    'JSON bodies of the operator API',
    async () => {
      const routes = fc.constantFrom(
        'POST /operator/events',
        'POST /operator/tenants',
        `PATCH /operator/tenants/${tenant.clientId}`,
        `POST /operator/tenants/${tenant.clientId}/keys`,
        `PUT /operator/tenants/${tenant.clientId}/delivery-certificate`,
        'POST /operator/tokens',
        'POST /operator/webhooks/00000000-0000-4000-8000-000000000000/replay',
        'POST /operator/webhooks/00000000-0000-4000-8000-000000000000/skip',
      );
      const types = fc.constantFrom(
        'application/json',
        'application/json; charset=utf-16',
        'text/plain',
        '',
        'multipart/form-data',
      );
      await fuzz(fc.tuple(routes, jsonText, types), async ([route, body, type]) => {
        const [method = '', target = ''] = route.split(' ');
        return (await send(world.url, { method, target, headers: { ...operatorHeaders, 'content-type': type }, body }))
          .status;
      });
    },
    timeoutMs,
  );

  it(
    'NDJSON',
    async () => {
      const line = JSON.stringify({
        client_id: tenant.clientId,
        type: 'USER.CREATED',
        created_at: '2026-05-01T12:00:00Z',
        object: {},
      });
      const lines = fc.array(
        fc.oneof(
          mutation.map((change) => mutated(line, change)),
          jsonText,
          fc.constantFrom('', '\r', ' ', '\u2028', '\ufeff', line),
        ),
        { maxLength: 20 },
      );
      await fuzz(fc.tuple(lines, fc.constantFrom('\n', '\r\n', '\n\n', '\r')), async ([all, separator]) => {
        const headers = { ...operatorHeaders, 'content-type': 'application/x-ndjson' };
        return (
          await send(world.url, { method: 'POST', target: '/operator/events', headers, body: all.join(separator) })
        ).status;
      });
    },
    timeoutMs,
  );

  it(
    'query strings and paths',
    async () => {
      const paths = fc.constantFrom(
        ...[
          '/operator/attempts',
          '/operator/audit',
          '/operator/events',
          '/operator/webhooks',
          '/operator/tenants',
          '/operator/rollups',
        ],
        ...[
          '/operator/events/',
          '/operator/tenants/',
          '/operator/event-types/',
          '/dashboard/',
          '/docs/',
          '/dashboard/assets/',
          '/',
        ],
        ...[
          '/view/api/session',
          '/view/api/webhooks',
          '/view/api/webhooks/activity',
          '/view/api/attempts',
          '/view/api/events',
          `/view/api/webhooks/${webhookId}`,
          `/view/api/webhooks/${webhookId}/history`,
          `/view/api/webhooks/${webhookId}/parked`,
          '/view/api/webhooks/',
          '/view/api/attempts/',
          '/view/api/events/',
        ],
      );
      const names = fc.constantFrom(
        'limit',
        'cursor',
        'since',
        'until',
        'ok',
        'client_id',
        'type',
        'webhook_id',
        'state',
        'q',
        '__proto__',
        ...['id', 'object_id', 'package_id', 'webhook_ids', 'range', 'enabled', 'blocked', 'behind', 'search'],
      );
      // Of the form of a time: there may be no such day, or none for the database.
      const time = fc.oneof(
        fc
          .date({ noInvalidDate: true, min: new Date('0000-01-01'), max: new Date('9999-12-31') })
          .map((date) => date.toISOString()),
        fc.constantFrom('0000-01-01T00:00:00.000Z', '2026-02-30T00:00:00.000Z'),
        fc.constantFrom('-271821-04-20T00:00:00.000Z', '+275760-09-13T00:00:00.000Z'),
        fc.stringMatching(/^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z$/),
      );
      const cursor = fc
        .oneof(
          fc.tuple(time, fc.uuid()),
          fc.tuple(fc.constant('at'), time),
          fc.tuple(fc.constantFrom('id', 'at'), fc.oneof(fc.uuid(), fc.string({ unit: 'binary', maxLength: 20 }))),
          fc.array(fc.tuple(fc.oneof(fc.nat(2), fc.maxSafeInteger()), fc.maxSafeInteger()), { maxLength: 3 }),
          fc.jsonValue(),
        )
        .map((position) => base64url(JSON.stringify(position)));
      const value = fc.oneof(
        fc.constantFrom(
          '',
          '0',
          '-1',
          '1e9',
          '%00',
          '%FF',
          '%',
          '2026-01-01T00:00:00Z',
          '275760-09-13',
          '+',
          'null',
          'bnVsbA',
        ),
        fc.string({ unit: 'binary', maxLength: 40 }).map((text) => encodeURIComponent(text)),
        fc.base64String({ maxLength: 200 }),
        time,
        fc.uuid(),
      );
      const pair = fc.tuple(names, value);
      // Most alone: one wrong name or value is enough for a 400.
      const single = fc.oneof(pair, fc.tuple(fc.constant('cursor'), cursor)).map((only) => [only]);
      const queries = fc.oneof(
        { arbitrary: single, weight: 3 },
        { arbitrary: fc.array(pair, { maxLength: 5 }), weight: 1 },
      );
      await fuzz(fc.tuple(paths, value, queries), async ([path, rest, query]) => {
        const target = `${path}${path.endsWith('/') ? rest : ''}?${query.map(([name, text]) => `${name}=${text}`).join('&')}`;
        const isView = path.startsWith('/view/');
        const headers = isView ? viewHeaders(viewCookie) : operatorHeaders;
        const { status } = await send(world.url, { method: 'GET', target, headers });
        if (isView) expect(status).not.toBe(401);
        return status;
      });
    },
    timeoutMs,
  );

  it(
    'bytes that are hardly HTTP',
    async () => {
      const start = fc.constantFrom(
        'GET / HTTP/1.1\r\n',
        'POST /webhooks HTTP/1.1\r\nhost: a\r\n',
        'PRI * HTTP/2.0\r\n\r\n',
        '',
        'CONNECT a:1 HTTP/1.1\r\n',
      );
      const lines = fc.array(
        fc.oneof(
          fc.constantFrom(
            'content-length: 5',
            'transfer-encoding: chunked',
            'content-length: -1',
            'host: [::1',
            'expect: 100-continue',
            'upgrade: h2c',
          ),
          fc.string({ unit: 'binary', maxLength: 60 }),
        ),
        { maxLength: 8 },
      );
      await fuzz(fc.tuple(start, lines, fc.uint8Array({ maxLength: 100 })), async ([first, all, body]) => {
        const head = `${first}${all.map((each) => `${each}\r\n`).join('')}connection: close\r\n\r\n`;
        const text = await exchange(Buffer.concat([Buffer.from(head), body]));
        // No answer is one, too: there may have been no request.
        const final = text.replace(/^(HTTP\/1\.1 1\d\d [^\r]*\r\n\r\n)+/, '');
        return final === '' ? 400 : Number(/^HTTP\/1\.1 (\d{3})/.exec(final)?.[1] ?? '0');
      });
    },
    timeoutMs,
  );
});

function exchange(bytes: Uint8Array): Promise<string> {
  const { port } = new URL(world.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.end(bytes));
    let received = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      received += chunk;
    });
    // A reset is an answer: what came before it counts.
    socket.on('error', () => socket.destroy()).on('close', () => resolve(received));
  });
}
