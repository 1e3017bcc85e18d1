import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Api } from './api.fixture.ts';
import { json, problem, startApi } from './api.fixture.ts';
import { ApiError, createClient, NetworkError, TimeoutError, UnexpectedAnswerError, UpvestError } from './index.ts';

/** What a promise rejects with; fails when it does not reject with an error of the client. */
async function failure(work: Promise<unknown>): Promise<UpvestError> {
  const outcome = await work.then(
    () => 'no failure',
    (error: unknown) => error,
  );
  if (outcome instanceof UpvestError) return outcome;
  throw new Error('expected an UpvestError', { cause: outcome });
}

function count(api: Api, operation: string): number {
  return api.operations().filter((seen) => seen === operation).length;
}

describe('refusals', () => {
  it('carry status, type, title, detail and request id', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const error = await failure(client.webhooks.get('unknown'));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      code: 'api_error',
      status: 404,
      slug: 'not_found',
      type: 'https://docs.upvest.co/errors/not_found',
      title: 'not_found',
      requestId: 'a-request',
      operation: 'GET /webhooks/unknown',
      mayHaveHappened: false,
    });
  });

  it('are read in the older form too, with a bare word as type', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script('GET /webhooks', (_request, response) =>
      json(response, 403, { type: 'forbidden', status: 403, invented: 1 }, 'application/problem+json'),
    );
    expect(await failure(client.webhooks.list())).toMatchObject({ status: 403, slug: 'forbidden', type: 'forbidden' });
  });

  it('from something in between that speaks HTML are still typed by their status', async () => {
    await using api = await startApi();
    const client = createClient({ ...api.options, retry: { attempts: 1 } });
    api.script('GET /webhooks', (_request, response) =>
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>'),
    );
    expect(await failure(client.webhooks.list())).toMatchObject({ status: 502, slug: 'status_502', type: undefined });
  });

  it('never show the secret or the token, even when the other side echoes them', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const { accessToken } = await client.token();
    api.script('GET /webhooks', (_request, response) =>
      problem(response, 400, 'bad_request', `you sent ${api.clientSecret} and ${accessToken}`),
    );
    const error = await failure(client.webhooks.list());
    expect(`${error.message} ${JSON.stringify(error)}`).not.toMatch(/a secret|ory_at/);
    expect(error).toMatchObject({ detail: 'you sent [redacted] and [redacted]' });
  });

  it('of a redirect are errors, and the redirect is not followed', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script('GET /webhooks', (_request, response) => response.writeHead(307, { location: '/elsewhere' }).end());
    const error = await failure(client.webhooks.list());
    expect(error).toBeInstanceOf(UnexpectedAnswerError);
    expect(error).toMatchObject({ code: 'unexpected_answer', status: 307 });
    expect(count(api, 'GET /elsewhere')).toBe(0);
  });

  it('of a wrong client secret come from the token call, once', async () => {
    await using api = await startApi();
    const client = createClient({ ...api.options, clientSecret: 'wrong' });
    expect(await failure(client.webhooks.list())).toMatchObject({ status: 401, operation: 'POST /auth/token' });
    expect(api.operations()).toEqual(['POST /auth/token']);
  });

  it('of a token answer that is no token are unexpected answers', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script('POST /auth/token', (_request, response) => json(response, 200, { access_token: 'a b', expires_in: 1 }));
    expect(await failure(client.token())).toMatchObject({ code: 'unexpected_answer' });
  });
});

describe('the token', () => {
  it('is asked for once by many concurrent callers', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    await Promise.all(Array.from({ length: 10 }, () => client.webhooks.list()));
    expect(count(api, 'POST /auth/token')).toBe(1);
    expect(count(api, 'GET /webhooks')).toBe(10);
  });

  it('is renewed shortly before it expires, not after', async () => {
    await using api = await startApi();
    let nowMs = Date.now();
    const client = createClient({ ...api.options, now: () => nowMs });
    api.now = () => nowMs;
    const first = await client.token();
    nowMs += 3_539_000;
    expect(await client.token()).toBe(first);
    nowMs += 2_000;
    expect(nowMs).toBeLessThan(first.expiresAt.getTime());
    expect(await client.token()).not.toBe(first);
  });

  it('that the API no longer takes is replaced once and the call repeated, a POST too', async () => {
    await using api = await startApi();
    const client = createClient({ ...api.options, retry: { attempts: 1 } });
    await client.token();
    api.expireTokens();
    await client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' });
    expect(api.operations()).toEqual(['POST /auth/token', 'POST /webhooks', 'POST /auth/token', 'POST /webhooks']);
    const keys = api.seen.map((request) => request.headers['idempotency-key']);
    expect(keys[1]).toBe(keys[3]);
  });

  it('is replaced once for many calls that were refused together', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    await client.token();
    api.expireTokens();
    await Promise.all(Array.from({ length: 5 }, () => client.webhooks.list()));
    expect(count(api, 'POST /auth/token')).toBe(2);
  });

  it('is not asked for again and again when every token is refused', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const refuse = (_request: unknown, response: Parameters<typeof problem>[0]) =>
      problem(response, 401, 'unauthorised');
    api.script('GET /webhooks', refuse, refuse, refuse, refuse);
    expect(await failure(client.webhooks.list())).toMatchObject({ status: 401 });
    expect(count(api, 'GET /webhooks')).toBe(2);
  });

  it('is kept when the signature was refused', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const refuse = (_request: unknown, response: Parameters<typeof problem>[0]) =>
      problem(response, 401, 'unauthorised', 'Signature is incorrect');
    api.script('GET /webhooks', refuse, refuse);
    expect(await failure(client.webhooks.list())).toMatchObject({ status: 401, detail: 'Signature is incorrect' });
    expect(api.operations()).toEqual(['POST /auth/token', 'GET /webhooks']);
  });

  it('request failing for one caller does not spoil the next one', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script('POST /auth/token', (_request, response) => problem(response, 403, 'forbidden'));
    expect(await failure(client.token())).toMatchObject({ status: 403 });
    expect(await client.token()).toMatchObject({ scopes: ['webhooks:admin'] });
  });
});

describe('repeating', () => {
  it('honours retry-after on 429 and repeats any call, signed anew with the same idempotency key', async () => {
    await using api = await startApi();
    const waits: number[] = [];
    const client = createClient({ ...api.options, wait: async (delayMs) => void waits.push(delayMs) });
    api.script('POST /webhooks', (_request, response) =>
      problem(response, 429, 'too_many_requests', '', { 'retry-after': '7' }),
    );
    await client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' });
    expect(waits).toEqual([7_000]);
    const [first, second] = api.seen.slice(1).map((request) => request.headers);
    expect(first?.['idempotency-key']).toBe(second?.['idempotency-key']);
    expect(first?.['signature-input']).not.toBe(second?.['signature-input']);
  });

  it('gives up at once when retry-after is longer than one may wait', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script('GET /webhooks', (_request, response) =>
      problem(response, 429, 'too_many_requests', '', { 'retry-after': '3600' }),
    );
    expect(await failure(client.webhooks.list())).toMatchObject({ status: 429, retryAfterMs: 3_600_000 });
    expect(count(api, 'GET /webhooks')).toBe(1);
  });

  it('repeats a read after a lost connection and after 5xx, up to the number of attempts', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script(
      'GET /webhooks',
      (request) => request.socket.destroy(),
      (_request, response) => problem(response, 503, 'service_unavailable'),
    );
    expect(await client.webhooks.list()).toMatchObject({ data: [] });
    expect(count(api, 'GET /webhooks')).toBe(3);
  });

  it('does not repeat what is refused for good', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    for (const status of [400, 403, 404, 409, 422]) {
      api.script('GET /webhooks', (_request, response) => problem(response, status, 'some'));
      expect(await failure(client.webhooks.list())).toMatchObject({ status });
    }
    expect(count(api, 'GET /webhooks')).toBe(5);
  });

  it('says on a lost write that it may have happened', async () => {
    await using api = await startApi();
    const client = createClient({ ...api.options, retry: { attempts: 1 } });
    api.script('POST /webhooks', (request) => request.socket.destroy());
    const error = await failure(client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' }));
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: 'network_error', mayHaveHappened: true });
  });

  it('remembers a lost try when a later one is refused', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    api.script(
      'POST /webhooks',
      (request) => request.socket.destroy(),
      (_request, response) => problem(response, 409, 'conflict'),
    );
    expect(await failure(client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' }))).toMatchObject({
      status: 409,
      requestId: 'a-request',
      mayHaveHappened: true,
    });
  });

  it('counts a delete as done when the repeat of a lost one finds nothing', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const { id } = await client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' });
    api.script(`DELETE /webhooks/${id}`, (request) => {
      api.webhooks.pop();
      request.socket.destroy();
    });
    await client.webhooks.delete(id);
    expect(await failure(client.webhooks.delete(id))).toMatchObject({ status: 404 });
  });

  it('does not repeat a lost create against Upvest itself, which ignores idempotency keys there', async () => {
    await using api = await startApi();
    const reroute = (url: string, init: RequestInit) =>
      fetch(url.replace('https://sandbox.upvest.co', api.baseUrl), init);
    const client = createClient({ ...api.options, baseUrl: 'sandbox', fetch: reroute });
    api.script('POST /webhooks', (request) => request.socket.destroy());
    expect(await failure(client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' }))).toMatchObject({
      mayHaveHappened: true,
    });
    expect(count(api, 'POST /webhooks')).toBe(1);
  });

  it('tells a refused connection apart: nothing happened', async () => {
    await using api = await startApi();
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const client = createClient({ ...api.options, baseUrl: `http://127.0.0.1:${port}` });
    expect(await failure(client.webhooks.list())).toMatchObject({ reason: 'ECONNREFUSED', mayHaveHappened: false });
  });
});

describe('time-outs and abortion', () => {
  it('ends a try whose answer does not come', async () => {
    await using api = await startApi();
    const hasty = createClient({ ...api.options, retry: { attempts: 1 }, timeoutMs: 50 });
    api.script('POST /auth/token', () => undefined);
    const error = await failure(hasty.webhooks.list());
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ code: 'timeout', timeoutMs: 50 });
  });

  it('ends a try whose body stops in the middle', async () => {
    await using api = await startApi();
    const client = createClient({ ...api.options, retry: { attempts: 1 }, timeoutMs: 50 });
    api.script('POST /auth/token', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{');
    });
    expect(await failure(client.token())).toMatchObject({ code: 'timeout' });
  });

  it('rejects with the reason of the caller who aborted, also while it waits for a token', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const controller = new AbortController();
    let asked = (): void => undefined;
    const tokenAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let answer = (): void => undefined;
    api.script('POST /auth/token', (_request, response) => {
      answer = () => json(response, 200, { access_token: 'late', expires_in: 60, scope: '', token_type: 'bearer' });
      asked();
    });
    const leaving = client.webhooks.list({}, { signal: controller.signal });
    const staying = client.token();
    await tokenAsked;
    controller.abort(new Error('enough'));
    await expect(leaving).rejects.toThrow('enough');
    answer();
    expect(await staying).toMatchObject({ accessToken: 'late' });
  });

  it('ends a wait between tries with the reason of the caller', async () => {
    await using api = await startApi();
    const { wait: _, ...options } = api.options;
    const client = createClient(options);
    const controller = new AbortController();
    api.script('GET /webhooks', (_request, response) => {
      response.once('close', () => controller.abort(new Error('enough')));
      problem(response, 429, 'too_many_requests', '', { 'retry-after': '50' });
    });
    await expect(client.webhooks.list({}, { signal: controller.signal })).rejects.toThrow('enough');
    expect(count(api, 'GET /webhooks')).toBe(1);
  });
});
