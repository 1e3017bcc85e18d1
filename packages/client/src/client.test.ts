import { describe, expect, it } from 'vitest';
import { startApi } from './api.fixture.ts';
import { ApiError, createClient, UnexpectedAnswerError } from './index.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe('the webhook operations over a real socket', () => {
  it('creates, reads, updates, enables, disables, tests, lists and deletes a webhook', async () => {
    await using api = await startApi();
    const { webhooks } = createClient(api.options);

    const created = await webhooks.create({
      title: 'Orders',
      url: 'https://tenant.tld/hooks',
      type: ['ORDER'],
      config: { delay: '5s' },
    });
    expect(created).toMatchObject({ title: 'Orders', enabled: false, type: ['ORDER'] });
    expect(await webhooks.get(created.id)).toEqual(created);
    expect(await webhooks.update(created.id, { title: 'Trades' })).toMatchObject({ title: 'Trades', type: ['ORDER'] });
    expect(await webhooks.enable(created.id)).toMatchObject({ enabled: true });
    expect(await webhooks.disable(created.id)).toMatchObject({ enabled: false });
    expect(await webhooks.test(created.id)).toEqual({ status: 202, requestId: 'the-test-request' });
    expect(await webhooks.list({ limit: 1 })).toMatchObject({
      meta: { limit: 1, total_count: 1 },
      data: [{ title: 'Trades' }],
    });
    await webhooks.delete(created.id);
    expect(api.webhooks).toEqual([]);
  });

  it('asks for one token and uses it for all calls', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    await client.webhooks.list();
    await client.verifyKeys();
    expect(api.operations()).toEqual(['POST /auth/token', 'GET /webhooks', 'GET /auth/verify_keys']);
    expect(new URLSearchParams(api.seen[0]?.body).get('scope')).toBe('webhooks:admin');
    expect(api.seen[0]?.headers).not.toHaveProperty('authorization');
  });

  it('sends what it signed: accept, version, length and digest, and no redirect-prone extras', async () => {
    await using api = await startApi();
    await createClient(api.options).webhooks.create({ title: 'é', url: 'https://tenant.tld/' });
    const sent = api.seen.at(-1);
    expect(sent?.headers).toMatchObject({
      accept: 'application/json',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(sent?.body ?? '')),
      'upvest-signature-version': '15',
      'upvest-api-version': '1',
    });
    expect(sent?.headers['signature-input']).toContain('"idempotency-key"');
  });

  it('reads the test trigger with a 200 and the answer of the handler', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const { id } = await client.webhooks.create({ title: 'Any', url: 'https://tenant.tld/' });
    const delivery = {
      url: 'https://tenant.tld/',
      response: { status: 418, headers: { a: 'b' }, body: 'no' },
      more: 1,
    };
    api.script(`POST /webhooks/${id}/test`, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(delivery));
    });
    expect(await client.webhooks.test(id)).toMatchObject({ status: 200, delivery });
  });

  it('takes a 202 of the test trigger whose body is not JSON', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const { id } = await client.webhooks.create({ title: 'Any', url: 'https://tenant.tld/' });
    api.script(`POST /webhooks/${id}/test`, (_request, response) => {
      response.writeHead(202, { 'content-type': 'text/plain' }).end('Accepted');
    });
    expect(await client.webhooks.test(id)).toEqual({ status: 202, requestId: undefined });
  });

  it('iterates over all pages and yields every webhook once', async () => {
    await using api = await startApi();
    const { webhooks } = createClient(api.options);
    for (const title of ['a', 'b', 'c', 'd', 'e']) await webhooks.create({ title, url: 'https://tenant.tld/' });
    const titles: string[] = [];
    for await (const webhook of webhooks.iterate({ limit: 2 })) titles.push(webhook.title);
    expect(titles).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(api.operations().filter((operation) => operation === 'GET /webhooks')).toHaveLength(3);
  });

  it('passes fields and categories through that it does not know', async () => {
    await using api = await startApi();
    const { webhooks } = createClient(api.options);
    const { id } = await webhooks.create({ title: 'Any', url: 'https://tenant.tld/', type: ['NEWER_THAN_THIS'] });
    Object.assign(api.webhooks[0] ?? {}, { invented_later: { deep: true } });
    expect(await webhooks.get(id)).toMatchObject({ type: ['NEWER_THAN_THIS'], invented_later: { deep: true } });
  });

  it('refuses an answer without the fields it promises', async () => {
    await using api = await startApi();
    const { webhooks } = createClient(api.options);
    api.script('GET /webhooks/abc', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"abc"}');
    });
    await expect(webhooks.get('abc')).rejects.toThrow(UnexpectedAnswerError);
  });

  it('sends an idempotency key with every POST of an operation, the given one if there is one', async () => {
    await using api = await startApi();
    const client = createClient(api.options);
    const own = '7f1bb6c6-04ab-4b0f-9bb3-1f3d30e6a3a1';
    await client.webhooks.create({ title: 'a', url: 'https://tenant.tld/' });
    await client.webhooks.create({ title: 'b', url: 'https://tenant.tld/' }, { idempotencyKey: own });
    await client.webhooks.list();
    const [token, first, second, list] = api.seen.map((request) => request.headers['idempotency-key']);
    expect(token).toBeUndefined();
    expect(first).toMatch(uuid);
    expect(second).toBe(own);
    expect(list).toBeUndefined();
  });

  it('works behind a path prefix', async () => {
    await using api = await startApi();
    const client = createClient({ ...api.options, baseUrl: `${api.baseUrl}/proxied/` });
    await expect(client.webhooks.list()).rejects.toBeInstanceOf(ApiError);
    expect(api.operations()).toEqual(['POST /proxied/auth/token']);
  });
});

describe('wrong options and arguments', () => {
  it('are a TypeError or KeyError at once, before any request', async () => {
    await using api = await startApi();
    const { options } = api;
    expect(() => createClient({ ...options, baseUrl: 'sandbx' })).toThrow(TypeError);
    expect(() => createClient({ ...options, baseUrl: 'https://user:pass@host' })).toThrow(TypeError);
    expect(() => createClient({ ...options, baseUrl: 'ftp://host' })).toThrow(TypeError);
    expect(() => createClient({ ...options, clientId: 'a\r\nb: c' })).toThrow(TypeError);
    expect(() => createClient({ ...options, clientSecret: '' })).toThrow(TypeError);
    expect(() => createClient({ ...options, timeoutMs: 0 })).toThrow(TypeError);
    expect(() => createClient({ ...options, retry: { attempts: 0 } })).toThrow(TypeError);
    expect(() => createClient({ ...options, key: { keyId: 'k', privateKey: 'no pem' } })).toThrow(/key/i);
    const client = createClient(options);
    await expect(client.webhooks.get('../auth/token')).rejects.toThrow(TypeError);
    await expect(client.webhooks.get('')).rejects.toThrow(TypeError);
    await expect(client.request('GET', '/a/../b')).rejects.toThrow(TypeError);
    await expect(client.request('GET', '//elsewhere.example/')).rejects.toThrow(TypeError);
    await expect(client.request('GET', '/a?b=c')).rejects.toThrow(TypeError);
    await expect(client.request('POST', '/a', { idempotencyKey: 'not a uuid' })).rejects.toThrow(TypeError);
    expect(api.seen).toEqual([]);
  });

  it('name the environments of the API', async () => {
    await using api = await startApi();
    expect(createClient({ ...api.options, baseUrl: 'sandbox' }).baseUrl).toBe('https://sandbox.upvest.co');
    expect(createClient({ ...api.options, baseUrl: 'live' }).baseUrl).toBe('https://api.upvest.co');
  });
});
