// The events acceptor over real HTTP and through the real sender, on PGlite and, with two processes, on PostgreSQL.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import { field, type HttpAnswer, jsonBody, startApi, type TestApi, type TestTenant } from '../api/api.fixture.ts';
import { sweepOnce } from '../api/sweep.ts';
import { createSender } from '../delivery/sender.ts';
import { openPostgres } from '../store/postgres.ts';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { acceptorLimits } from './acceptor.ts';
import { createAdmission } from './admission.ts';
import { acceptorEndpoint } from './endpoint-sink.ts';

const base = '/events-acceptor-service';
let api: TestApi;
let tenant: TestTenant;
let token: string;
let nowMs = Date.parse('2026-05-01T12:00:00Z');
const stopping = new AbortController();

beforeAll(async () => {
  api = await startApi({
    now: () => nowMs,
    acceptor: { holdMs: 0, maxQueued: 5, maxQueuedBytes: 20_000, bodyTimeMs: 10_000, stopping: stopping.signal },
  });
});
beforeEach(async () => {
  tenant = await api.tenant();
  token = await api.token(tenant, 'webhooks:admin');
});
afterAll(() => api.close());

interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly path: string;
}

async function create(on = api): Promise<Endpoint> {
  const answer = await on.call({ method: 'POST', target: `${base}/endpoints`, tenant, token, ...jsonBody('') });
  expect(answer.status, answer.text).toBe(201);
  const url = String(field(answer.json, 'url'));
  return { id: String(field(answer.json, 'id')), url, path: new URL(url).pathname };
}

function deliver(endpoint: Endpoint, body: string | Uint8Array, headers: Record<string, string> = {}, on = api) {
  const type = { 'content-type': 'application/json' };
  return on.call({ method: 'POST', target: endpoint.path, body, headers: { ...type, ...headers } });
}

function poll(endpoint: Endpoint, query = '', on = api): Promise<HttpAnswer> {
  return on.call({ target: `${base}/endpoints/${endpoint.id}${query}`, tenant, token });
}

function payloads(answer: HttpAnswer): unknown[] {
  expect(answer.status, answer.text).toBe(200);
  return Array.isArray(answer.json) ? answer.json.map((item) => field(item, 'payload')) : [];
}

describe('deliveries that arrive slowly', () => {
  it('take the places of their endpoint and their tenant only, and not for long', async () => {
    // What broke: one counter for all of 32, so 32 slow bodies of one tenant had everybody's deliveries refused.
    const { port } = new URL(api.baseUrl);
    const slow = async (endpoint: Endpoint) => {
      const socket = connect({ port: Number(port), host: '127.0.0.1' });
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      socket.on('error', () => socket.destroy());
      const ended = once(socket, 'close').then(() => text);
      const head = 'host: a\r\ncontent-type: application/json\r\ncontent-length: 100';
      socket.write(`POST ${endpoint.path} HTTP/1.1\r\n${head}\r\n\r\n{`);
      return ended;
    };
    const [one, two, three] = [await create(), await create(), await create()];
    let over = 0;
    const slowly = Array.from({ length: 40 }, async (_, index) => {
      const text = await slow(index % 2 === 0 ? one : two);
      over += 1;
      return text;
    });
    await expect.poll(() => over, { timeout: 9_000 }).toBe(24);
    // Their own tenant waits, at each of its endpoints.
    for (const endpoint of [one, three]) {
      const refused = await deliver(endpoint, '{}');
      expect(refused.status).toBe(503);
      expect(refused.text).toContain('Too many deliveries arrive at once');
    }

    const slowTenant = { tenant, token };
    tenant = await api.tenant();
    token = await api.token(tenant, 'webhooks:admin');
    const other = await create();
    expect((await deliver(other, '{}')).status).toBe(200);

    const answers = await Promise.all(slowly);
    expect(answers.filter((text) => text.startsWith('HTTP/1.1 503'))).toHaveLength(24);
    expect(answers.filter((text) => /^HTTP\/1\.1 400[\s\S]*body: took too long/.test(text))).toHaveLength(16);
    ({ tenant, token } = slowTenant);
    expect((await deliver(one, '{}')).status).toBe(200);
    expect(payloads(await poll(one))).toEqual(expect.arrayContaining(['{}']));
  });

  it('leave places at the other endpoints of their tenant while they are few', () => {
    const admission = createAdmission(acceptorLimits);
    const at = (id: string, clientId = 'a') => admission.enter({ clientId, id });
    const held = Array.from({ length: 8 }, () => at('1'));
    expect(at('1')).toBeUndefined();
    expect(at('2')).toBeDefined();
    expect(at('1', 'b')).toBeUndefined();
    held[0]?.();
    expect(at('1')).toBeDefined();
  });
});

describe('health', () => {
  it('answers 200 to a signed call before a token exists, also with an empty one', async () => {
    const health = { target: `${base}/health`, tenant };
    expect((await api.call(health)).status).toBe(200);
    const proxy = { authorization: 'Bearer', 'content-type': 'application/json', accept: '*/*' };
    expect((await api.call({ ...health, headers: proxy })).status).toBe(200);
  });

  it('is refused without a signature', async () => {
    expect((await api.call({ target: `${base}/health`, tenant, sign: false })).status).toBe(401);
    expect((await api.call({ target: `${base}/health` })).status).toBe(400);
  });
});

describe('an endpoint', () => {
  it('has an id and a URL of this service that nobody can guess', async () => {
    const [one, two] = [await create(), await create()];
    expect(one.url).toMatch(/^http:\/\/127\.0\.0\.1\/events-acceptor-service\/receive\/[A-Za-z0-9_-]{43}$/);
    expect(one.url).not.toBe(two.url);
    expect(one.url).not.toContain(one.id);
    const rows = await api.database.query<{ text: string }>('select e::text as text from acceptor_endpoints e');
    expect(rows.filter(({ text }) => text.includes(one.path.slice(-43)))).toEqual([]);
  });

  it('is made by a JSON empty string, an empty object or no body, and by nothing else', async () => {
    const post = (body: object) => api.call({ method: 'POST', target: `${base}/endpoints`, tenant, token, ...body });
    expect((await post(jsonBody({}))).status).toBe(201);
    expect((await post({})).status).toBe(201);
    for (const body of ['x', { url: 'x' }, [], null, 1]) {
      const answer = await post(jsonBody(body));
      expect(answer.status).toBe(400);
      expect(field(answer.json, 'detail')).toMatch(/^(body|url): /);
    }
  });

  it('is made once for one idempotency key', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    const post = () => api.call({ method: 'POST', target: `${base}/endpoints`, tenant, token, body: '""', headers });
    expect((await post()).json).toEqual((await post()).json);
  });

  it('is unknown to other tenants, for polling and deleting', async () => {
    const endpoint = await create();
    const stranger = await api.tenant();
    const foreign = { tenant: stranger, token: await api.token(stranger) };
    for (const method of ['GET', 'DELETE']) {
      expect((await api.call({ method, target: `${base}/endpoints/${endpoint.id}`, ...foreign })).status).toBe(404);
      expect((await api.call({ method, target: `${base}/endpoints/x`, ...foreign })).status).toBe(404);
    }
    expect((await poll(endpoint)).status).toBe(200);
  });

  it('is gone after DELETE: 204, then 404 for polls and deliveries', async () => {
    const endpoint = await create();
    await deliver(endpoint, '{}');
    const remove = () => api.call({ method: 'DELETE', target: `${base}/endpoints/${endpoint.id}`, tenant, token });
    expect(await remove()).toMatchObject({ status: 204, text: '' });
    expect((await remove()).status).toBe(404);
    expect((await poll(endpoint)).status).toBe(404);
    expect((await deliver(endpoint, '{}')).status).toBe(404);
  });

  it('is refused with 409 beyond the limit of a tenant, also when they are made together', async () => {
    const post = () => api.call({ method: 'POST', target: `${base}/endpoints`, tenant, token, ...jsonBody('') });
    const answers = await Promise.all(Array.from({ length: acceptorLimits.endpointsPerTenant + 3 }, post));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses.filter((status) => status === 201)).toHaveLength(acceptorLimits.endpointsPerTenant);
    expect(statuses.slice(-3)).toEqual([409, 409, 409]);
  });

  it('that nobody polled for a day is removed by the sweep, one that is polled stays', async () => {
    const [used, abandoned] = [await create(), await create()];
    nowMs += acceptorLimits.abandonedAfterMs - 60_000;
    token = await api.token(tenant, 'webhooks:admin');
    await poll(used);
    nowMs += 120_000;
    await sweepOnce({ database: api.database, now: () => nowMs });
    expect((await poll(used)).status).toBe(200);
    expect((await poll(abandoned)).status).toBe(404);
  });
});

describe('a delivery', () => {
  it('is handed out with its time, its headers spelled as Upvest spells them, and its raw body', async () => {
    const endpoint = await create();
    const body = '{"payload":[ "Ünïcode \\u0000" ],\n"x":1.0}';
    const delivered = await deliver(endpoint, body, { 'signature-input': 'sig1=("digest")', 'x-odd': 'a, b' });
    expect(delivered).toMatchObject({ status: 200, text: '' });
    expect((await poll(endpoint)).json).toEqual([
      {
        created_at: new Date(nowMs).toISOString(),
        headers: expect.objectContaining({
          'Content-Type': ['application/json'],
          'Content-Length': [String(Buffer.byteLength(body))],
          'Signature-Input': ['sig1=("digest")'],
          'X-Odd': ['a, b'],
        }),
        payload: body,
      },
    ]);
  });

  it('needs no content type and no body, but UTF-8', async () => {
    const endpoint = await create();
    expect((await api.call({ method: 'POST', target: endpoint.path })).status).toBe(200);
    expect((await deliver(endpoint, 'a=1', { 'content-type': 'text/plain' })).status).toBe(200);
    expect(payloads(await poll(endpoint))).toEqual(['', 'a=1']);
    expect((await deliver(endpoint, Buffer.from([0xff]))).status).toBe(400);
    expect(payloads(await poll(endpoint))).toEqual([]);
  });

  it('is refused with 503 and retry-after when the queue is full, and taken again after a poll', async () => {
    const endpoint = await create();
    const statuses = [];
    for (let index = 0; index < 7; index++) statuses.push((await deliver(endpoint, `${index}`)).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 503, 503]);
    const refused = await deliver(endpoint, '7');
    expect(refused.headers['retry-after']).toBe('1');
    expect(payloads(await poll(endpoint))).toEqual(['0', '1', '2', '3', '4']);
    expect((await deliver(endpoint, '8')).status).toBe(200);
  });

  it('counts in bytes too, but one alone is always taken, up to 2 MiB', async () => {
    const endpoint = await create();
    expect((await deliver(endpoint, 'x'.repeat(15_000))).status).toBe(200);
    expect((await deliver(endpoint, 'y'.repeat(15_000))).status).toBe(503);
    await poll(endpoint);
    const large = 'z'.repeat(acceptorLimits.maxDeliveryBytes);
    expect((await deliver(endpoint, large)).status).toBe(200);
    expect(payloads(await poll(endpoint))).toEqual([large]);
    expect((await deliver(endpoint, `${large}z`)).status).toBe(413);
  });

  it('never exceeds the bound when many arrive together, and none of the accepted is lost', async () => {
    const endpoint = await create();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => deliver(endpoint, `${index}`)));
    const accepted = answers.flatMap(({ status }, index) => (status === 200 ? [`${index}`] : []));
    expect(accepted).toHaveLength(5);
    expect(payloads(await poll(endpoint)).sort()).toEqual(accepted.sort());
  });

  it('to a path that is no endpoint is a 404', async () => {
    for (const last of ['x', 'x'.repeat(43), `${'x'.repeat(42)}%00`]) {
      expect((await api.call({ method: 'POST', target: `${base}/receive/${last}` })).status).toBe(404);
    }
    expect((await api.call({ target: (await create()).path })).status).toBe(405);
  });
});

describe('polling', () => {
  it('forgets what it hands out, oldest first', async () => {
    const endpoint = await create();
    for (const body of ['1', '2', '3']) await deliver(endpoint, body);
    expect(payloads(await poll(endpoint))).toEqual(['1', '2', '3']);
    expect(payloads(await poll(endpoint))).toEqual([]);
    await deliver(endpoint, '4');
    expect(payloads(await poll(endpoint))).toEqual(['4']);
  });

  it('with after gives positions and forgets only what a later poll is behind', async () => {
    const endpoint = await create();
    for (const body of ['1', '2', '3']) await deliver(endpoint, body);
    const first = await poll(endpoint, '?after=0');
    expect(payloads(first)).toEqual(['1', '2', '3']);
    expect(Object(first.json).map((item: unknown) => field(item, 'position'))).toEqual([1, 2, 3]);
    expect(payloads(await poll(endpoint, '?after=0'))).toEqual(['1', '2', '3']);
    expect(payloads(await poll(endpoint, '?after=2'))).toEqual(['3']);
    expect(payloads(await poll(endpoint, '?after=0'))).toEqual(['3']);
    // What was forgotten made room.
    for (const body of ['4', '5', '6', '7']) expect((await deliver(endpoint, body)).status).toBe(200);
    expect((await deliver(endpoint, '8')).status).toBe(503);
    expect(payloads(await poll(endpoint, '?after=7'))).toEqual([]);
    expect(payloads(await poll(endpoint))).toEqual([]);
  });

  it.each(['x', '-1', '', '1.5', '99999999999999999', '1&after=2'])('refuses after=%s', async (after) => {
    const answer = await poll(await create(), `?after=${after}`);
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toMatch(/^after: /);
  });

  it('refuses a position that was never handed out, so that a mistake forgets nothing', async () => {
    const endpoint = await create();
    await deliver(endpoint, '1');
    const answer = await poll(endpoint, '?after=2');
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toBe('after: is beyond the last position, 1');
    expect(payloads(await poll(endpoint))).toEqual(['1']);
  });

  it('by several pollers at once gives each delivery to one of them', async () => {
    const endpoint = await create();
    for (const body of ['1', '2', '3', '4', '5']) await deliver(endpoint, body);
    const answers = await Promise.all([1, 2, 3, 4].map(() => poll(endpoint)));
    expect(answers.flatMap(payloads).sort()).toEqual(['1', '2', '3', '4', '5']);
  });
});

describe('a poll that waits', () => {
  let waiting: TestApi;
  const ending = new AbortController();

  beforeAll(async () => {
    waiting = await startApi({ acceptor: { holdMs: 30_000, stopping: ending.signal } });
  });
  beforeEach(async () => {
    tenant = await waiting.tenant();
    token = await waiting.token(tenant, 'webhooks:admin');
  });
  afterAll(() => waiting.close());

  it('is answered as soon as something arrives', async () => {
    const endpoint = await create(waiting);
    const polled = poll(endpoint, '', waiting);
    await deliver(endpoint, '1', {}, waiting);
    expect(payloads(await polled)).toEqual(['1']);
  });

  it('is told when its endpoint is deleted', async () => {
    const endpoint = await create(waiting);
    const polled = poll(endpoint, '', waiting);
    await waiting.call({ method: 'DELETE', target: `${base}/endpoints/${endpoint.id}`, tenant, token });
    expect((await polled).status).toBe(404);
  });

  it('is one of so many at an endpoint, the next is told to come later', async () => {
    const endpoint = await create(waiting);
    const one = new AbortController();
    const { acceptor } = waiting.deps;
    const held = Array.from({ length: acceptorLimits.maxPollers }, () =>
      acceptor.poll(tenant.clientId, endpoint.id, { after: undefined, signal: one.signal }),
    );
    const refused = await poll(endpoint, '', waiting);
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    one.abort();
    expect((await Promise.all(held)).every(({ ok }) => ok)).toBe(true);
  });

  it('ends when its caller has gone, and takes nothing with it', async () => {
    const endpoint = await create(waiting);
    const gone = AbortSignal.abort();
    await deliver(endpoint, '1', {}, waiting);
    const { acceptor } = waiting.deps;
    await acceptor.poll(tenant.clientId, endpoint.id, { after: undefined, signal: gone });
    expect(payloads(await poll(endpoint, '', waiting))).toEqual(['1']);
  });

  it('ends with an empty list when the service stops', async () => {
    const endpoint = await create(waiting);
    const polled = poll(endpoint, '', waiting);
    ending.abort();
    expect(payloads(await polled)).toEqual([]);
  });
});

describe('as the target of the same service', () => {
  const post = (url: string, insecure: 'none' | 'loopback' = 'none') => {
    const sender = createSender({
      policy: createTargetPolicy({ insecure }),
      keys: api.deps.keys,
      local: acceptorEndpoint(api.deps.acceptor),
    });
    return sender.post({ url, body: Buffer.from('{"payload":[]}') }).finally(() => sender.close());
  };

  it('its URL is legal although no other http or loopback URL is', async () => {
    const { url } = await create();
    const register = (target: string) =>
      api.call({ method: 'POST', target: '/webhooks', tenant, token, ...jsonBody({ title: 'A', url: target }) });
    expect((await register(url)).status).toBe(201);
    for (const other of [
      `${url}x`,
      `${url}/`,
      `${url}?a=1`,
      `${url}#a`,
      url.replace('http://', 'http://user@'),
      url.replace('127.0.0.1', '127.0.0.2'),
      url.replace('127.0.0.1', '127.0.0.1:80'),
      url.replace('127.0.0.1', 'localhost'),
      url.replace('/receive/', '/receive/../receive/'),
      url.replace('/receive/', '//receive/'),
      url.replace('http:', 'HTTP:'),
      url.replace(/.$/, '%41'),
      url.replace('/events-acceptor-service/receive/', '/operator/'),
    ]) {
      const answer = await register(other);
      expect(answer.status, other).toBe(400);
      expect(field(answer.json, 'detail')).toMatch(/^url: /);
      expect(await post(other), other).toMatchObject({ ok: false, reason: 'url_not_allowed' });
    }
  });

  it('takes signed deliveries of the sender inside the process: nothing listens at its address', async () => {
    const endpoint = await create();
    const outcome = await post(endpoint.url);
    expect(outcome).toMatchObject({ ok: true, status: 200 });
    const [delivery] = Object((await poll(endpoint)).json);
    expect(delivery.payload).toBe('{"payload":[]}');
    expect(delivery.headers).toMatchObject({
      Accept: ['*/*'],
      'Content-Type': ['application/json'],
      'Content-Length': ['14'],
      Digest: [outcome.requestHeaders['digest']],
      Signature: [outcome.requestHeaders['signature']],
      'Signature-Input': [expect.stringContaining('"@path"')],
    });
  });

  it('fails like an endpoint that answers so: full is 503, deleted is 404, the database away is a failure', async () => {
    const endpoint = await create();
    for (let index = 0; index < 5; index++) expect(await post(endpoint.url)).toMatchObject({ ok: true });
    expect(await post(endpoint.url)).toMatchObject({ ok: false, reason: 'status_5xx', status: 503 });
    await api.call({ method: 'DELETE', target: `${base}/endpoints/${endpoint.id}`, tenant, token });
    expect(await post(endpoint.url)).toMatchObject({ ok: false, reason: 'status_4xx', status: 404 });
    const other = await create();
    await api.deps.keys.active();
    api.database.outage = true;
    try {
      expect(await post(other.url)).toMatchObject({ ok: false });
    } finally {
      api.database.outage = false;
    }
  });
});

describe.skipIf(!postgresUrl())(`two processes on one database ${needsPostgres}`, () => {
  it('hand out at one what arrived at the other, in order and once, and wake its poll', async () => {
    const fresh = await freshDatabase();
    const processes: TestApi[] = [];
    try {
      for (let index = 0; index < 2; index++) {
        processes.push(
          await startApi({ database: await openPostgres({ url: fresh.url }), acceptor: { holdMs: 2_000 } }),
        );
      }
      const [one, two] = processes;
      if (!one || !two) throw new TypeError('Two were started');
      tenant = await one.tenant();
      token = await one.token(tenant, 'webhooks:admin');
      const endpoint = await create(one);
      const polled = poll(endpoint, '', two);
      expect((await deliver(endpoint, 'first', {}, one)).status).toBe(200);
      expect(payloads(await polled)).toEqual(['first']);

      const bodies = Array.from({ length: 60 }, (_, index) => `${index}`);
      const seen: unknown[] = [];
      const reading = (async () => {
        while (seen.length < bodies.length) seen.push(...payloads(await poll(endpoint, '', two)));
      })();
      for (const [index, body] of bodies.entries()) {
        await deliver(endpoint, body, {}, index % 2 === 0 ? one : two);
      }
      await reading;
      expect(seen).toEqual(bodies);

      // So many at once may be told to come again, as a sender does.
      const taken = async (body: string, index: number): Promise<void> => {
        while ((await deliver(endpoint, body, {}, index % 2 === 0 ? one : two)).status === 503);
      };
      await Promise.all(bodies.map(taken));
      const shared: unknown[] = [];
      const reader = async (on: TestApi) => {
        while (shared.length < bodies.length) shared.push(...payloads(await poll(endpoint, '', on)));
      };
      await Promise.all([reader(one), reader(two)]);
      expect(shared.sort()).toEqual([...bodies].sort());
    } finally {
      for (const each of processes) await each.close();
      await fresh.drop();
    }
  });
});
