// Random and mutated input against the real service over real HTTP: signature headers, structured fields, JSON, NDJSON,
// query strings and raw bytes. Nothing crashes, nothing is answered 500, memory does not grow with what was thrown.
// BELLHOP_FUZZ_SECONDS is the time for all of it (20 by default, 600 in a nightly run: `npm run fuzz`). The seed is that of
// test/property-seed.ts; a failure prints it with the path.

import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPeer, type PeerCredentials, send, signRequest } from '../conformance/peer.ts';
import { at, operatorToken, startWorld, type World } from './world.ts';

const seconds = Number(process.env['BELLHOP_FUZZ_SECONDS'] ?? '20');
const seed = fc.readConfigureGlobal().seed;
const suites = 6;
const shareMs = (seconds * 1_000) / suites;
const timeoutMs = shareMs * 3 + 60_000;
const maxGrowthBytes = 96 * 1024 * 1024;

let world: World;
let tenant: PeerCredentials;
let token: string;
let cases = 0;
let crashes = 0;
let heapBefore: number;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

beforeAll(async () => {
  world = await startWorld();
  tenant = await world.tenant();
  token = String(
    at((await createPeer(world.url, tenant).authorize('webhooks:read webhooks:admin')).json, 'access_token'),
  );
  collect();
  heapBefore = process.memoryUsage().heapUsed;
});
afterAll(async () => {
  collect();
  const grown = process.memoryUsage().heapUsed - heapBefore;
  await world.close();
  process.stdout.write(
    `fuzz seed: ${seed}, cases: ${cases}, crashes: ${crashes}, heap grown by ${Math.round(grown / 1024 / 1024)} MiB\n`,
  );
  expect(grown).toBeLessThan(maxGrowthBytes);
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

const operatorHeaders = { authorization: `Bearer ${operatorToken}` };

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
      );
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
      );
      const queries = fc.array(fc.tuple(names, value), { maxLength: 5 });
      await fuzz(fc.tuple(paths, value, queries), async ([path, rest, query]) => {
        const target = `${path}${path.endsWith('/') ? rest : ''}?${query.map(([name, text]) => `${name}=${text}`).join('&')}`;
        return (await send(world.url, { method: 'GET', target, headers: operatorHeaders })).status;
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
