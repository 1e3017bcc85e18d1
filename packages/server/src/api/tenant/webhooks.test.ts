import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestStart } from '../../delivery/test-trigger.ts';
import { field, type HttpAnswer, jsonBody, startApi, type TestApi, type TestTenant } from '../api.fixture.ts';
import { contractFaults, hasContract } from '../contract.fixture.ts';

let api: TestApi;
let tenant: TestTenant;
let token: string;
let testStart: TestStart = 'started';

beforeAll(async () => {
  api = await startApi({ testTrigger: async () => testStart });
  tenant = await api.tenant();
  token = await api.token(tenant);
});
afterAll(() => api.close());

const url = 'https://tenant.example.com/webhooks';

function call(method: string, target: string, body?: unknown, as = { tenant, token }): Promise<HttpAnswer> {
  return api.call({ method, target, ...as, ...(body === undefined ? {} : jsonBody(body)) });
}

async function create(fields: Readonly<Record<string, unknown>> = {}, as = { tenant, token }): Promise<string> {
  const answer = await call('POST', '/webhooks', { title: 'A', url, ...fields }, as);
  expect(answer.status, answer.text).toBe(201);
  return String(field(answer.json, 'id'));
}

async function other(): Promise<{ tenant: TestTenant; token: string }> {
  const someone = await api.tenant();
  return { tenant: someone, token: await api.token(someone) };
}

function row(id: string) {
  return api.database
    .query<{
      cursor: number | null;
      started_at: Date | null;
      version: number;
      next_attempt_at: Date | null;
      partition: number;
    }>('select cursor, started_at, version, next_attempt_at, partition from webhooks where id = $1', [id])
    .then(([found]) => {
      if (!found) throw new TypeError('no such row');
      return found;
    });
}

describe('creating a webhook', () => {
  it('answers 409 once a tenant has as many as it may, also to calls at the same time, and others go on', async () => {
    // Broke: nothing counted them, so one tenant could fill the database and every list of the dashboard.
    const someone = await other();
    await api.database.query(
      `insert into webhooks (id, client_id, partition, title, url, type, delay, max_package_size)
       select gen_random_uuid(), client_id, partition, 't', 'https://a.test/', '{ALL}', '5s', 1000
       from tenants, generate_series(1, 998) where client_id = $1`,
      [someone.tenant.clientId],
    );
    const post = () => call('POST', '/webhooks', { title: 'A', url }, someone);
    const answers = await Promise.all([post(), post(), post(), post()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 409, 409]);
    const refused = answers.find(({ status }) => status === 409);
    expect(field(refused?.json, 'type')).toBe('https://docs.upvest.co/errors/conflict');
    expect(field(refused?.json, 'detail')).toBe('There are 1000 webhooks already, delete one');
    const [made] = answers.filter(({ status }) => status === 201);
    expect((await call('DELETE', `/webhooks/${String(field(made?.json, 'id'))}`, undefined, someone)).status).toBe(204);
    expect((await post()).status).toBe(201);
    await create();
  });

  it('answers the resource with its defaults, disabled', async () => {
    const answer = await call('POST', '/webhooks', { title: 'User webhook', url });
    expect(answer.status).toBe(201);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['upvest-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: field(answer.json, 'created_at'),
      title: 'User webhook',
      url,
      enabled: false,
      type: ['ALL'],
      config: { delay: '1s', max_package_size: 10240 },
    });
  });

  it('keeps every field that was sent', async () => {
    const fields = { title: 'ü'.repeat(100), url: `${url}:8443?a=b`.replace(':8443', ''), type: ['USER', 'ORDER'] };
    const config = { delay: '30s', max_package_size: 1_048_576 };
    const answer = await call('POST', '/webhooks', { ...fields, config });
    expect(answer.json).toMatchObject({ ...fields, config });
    const read = await call('GET', `/webhooks/${String(field(answer.json, 'id'))}`);
    expect(read.json).toEqual(answer.json);
  });

  it('counts the characters of a title, not its UTF-16 units', async () => {
    expect((await call('POST', '/webhooks', { title: '😀'.repeat(100), url })).status).toBe(201);
    expect((await call('POST', '/webhooks', { title: '😀'.repeat(101), url })).status).toBe(400);
  });

  it('fills the missing half of config', async () => {
    const answer = await call('POST', '/webhooks', { title: 'A', url, config: { max_package_size: 100 } });
    expect(field(answer.json, 'config')).toEqual({ delay: '1s', max_package_size: 100 });
  });

  it('takes ALL among categories as ALL and removes duplicates', async () => {
    const all = await call('POST', '/webhooks', { title: 'A', url, type: ['USER', 'ALL'] });
    expect(field(all.json, 'type')).toEqual(['ALL']);
    const twice = await call('POST', '/webhooks', { title: 'A', url, type: ['USER', 'ORDER', 'USER'] });
    expect(field(twice.json, 'type')).toEqual(['USER', 'ORDER']);
  });

  it('looks at no element of a list that is too long, and tells the first of many faults', async () => {
    // 64 KiB of `1,` gave 32,000 issues with their sentences: half a second of the process for each call.
    const ones = Array.from({ length: 32_000 }, () => 1);
    for (const name of ['type', 'exclude_type']) {
      const long = await call('POST', '/webhooks', { title: 'A', url, [name]: ones });
      expect(field(long.json, 'detail')).toBe(`${name}: must have at most 100 elements`);
    }
    const wrong = await call('POST', '/webhooks', { title: 'A', url, type: ones.slice(0, 100) });
    expect(field(wrong.json, 'detail')).toMatch(/^(type\.[0-4]: must be one of [A-Z, _]+; ){5}and more$/);
    const fields = Object.fromEntries(ones.slice(0, 5_000).map((_, index) => [`f${index}`, 1]));
    const unknown = await call('POST', '/webhooks', { title: 'A', url, ...fields });
    expect(field(unknown.json, 'detail')).toMatch(/^(f\d: unknown field; ){5}and more$/);
    const twice = Array.from({ length: 100 }, () => 'USER');
    expect(field((await call('POST', '/webhooks', { title: 'A', url, type: twice })).json, 'type')).toEqual(['USER']);
  });

  it('shows exclude_type only when it is set, and takes it with a list of categories too', async () => {
    const set = await call('POST', '/webhooks', { title: 'A', url, exclude_type: ['USER', 'USER'] });
    expect(field(set.json, 'exclude_type')).toEqual(['USER']);
    const idle = await call('POST', '/webhooks', { title: 'A', url, type: ['ORDER'], exclude_type: ['USER'] });
    expect(idle.json).toMatchObject({ type: ['ORDER'], exclude_type: ['USER'] });
    const empty = await call('POST', '/webhooks', { title: 'A', url, exclude_type: [] });
    expect(empty.json).not.toHaveProperty('exclude_type');
  });

  it('takes a category that came after 1.9.0', async () => {
    expect((await call('POST', '/webhooks', { title: 'A', url, type: ['SAVINGS_PLAN'] })).status).toBe(201);
  });

  it.each<[string, unknown, string]>([
    ['no title', { url }, 'title: is required'],
    ['no url', { title: 'A' }, 'url: is required'],
    ['a title of another type', { title: 1, url }, 'title: must be a string'],
    ['a title of null', { title: null, url }, 'title: must be a string'],
    ['a title that is too long', { title: 'a'.repeat(101), url }, 'title: must have at most 100 characters'],
    ['a title with NUL', { title: 'a\0', url }, 'title: must not contain NUL or lone surrogates'],
    ['a title with a lone surrogate', { title: 'a\ud800', url }, 'title: must not contain NUL or lone surrogates'],
    ['enabled', { title: 'A', url, enabled: true }, 'enabled: unknown field'],
    ['an id', { title: 'A', url, id: 'x' }, 'id: unknown field'],
    ['an http url', { title: 'A', url: 'http://tenant.example.com/' }, 'url: '],
    ['an IP address', { title: 'A', url: 'https://93.184.216.34/' }, 'url: '],
    ['user info', { title: 'A', url: 'https://a:b@tenant.example.com/' }, 'url: '],
    ['a fragment', { title: 'A', url: `${url}#a` }, 'url: '],
    [
      'a url that is too long',
      { title: 'A', url: `${url}?${'a'.repeat(1000)}` },
      'url: must have at most 1000 characters',
    ],
    ['no url at all', { title: 'A', url: 'tenant' }, 'url: '],
    ['an unknown category', { title: 'A', url, type: ['USERS'] }, 'type.0: must be one of ALL, USER'],
    ['an empty type', { title: 'A', url, type: [] }, 'type: must name at least one category'],
    ['a type that is no list', { title: 'A', url, type: 'USER' }, 'type: must be an array'],
    [
      'ALL in exclude_type',
      { title: 'A', url, exclude_type: ['ALL'] },
      'exclude_type.0: must be one of USER, USER_CHECK',
    ],
    ['an unknown field in config', { title: 'A', url, config: { size: 1 } }, 'config.size: unknown field'],
    ['an unknown field with a colon', { title: 'A', url, config: { 'a: b': 1 } }, 'config."a: b": unknown field'],
    ['an unknown field without a name', { title: 'A', url, '': 1 }, '"": unknown field'],
    ['a delay of minutes', { title: 'A', url, config: { delay: '1m' } }, 'config.delay: must be 1s to 30s'],
    ['a delay of zero', { title: 'A', url, config: { delay: '0s' } }, 'config.delay: must be 1s to 30s'],
    ['a delay that is too long', { title: 'A', url, config: { delay: '31s' } }, 'config.delay: must be 1s to 30s'],
    [
      'a package that is too small',
      { title: 'A', url, config: { max_package_size: 99 } },
      'config.max_package_size: must be 100 to 1048576',
    ],
    [
      'a package that is too large',
      { title: 'A', url, config: { max_package_size: 1_048_577 } },
      'config.max_package_size: must be 100 to 1048576',
    ],
    [
      'a fractional package size',
      { title: 'A', url, config: { max_package_size: 100.5 } },
      'config.max_package_size: must be an integer',
    ],
    ['a list', [], 'body: must be an object'],
    ['a text', 'webhook', 'body: must be an object'],
  ])('refuses %s and names the field', async (_, body, detail) => {
    const before = await call('GET', '/webhooks?limit=0');
    const answer = await call('POST', '/webhooks', body);
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toMatch(new RegExp(`^${detail.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`));
    expect((await call('GET', '/webhooks?limit=0')).json).toEqual(before.json);
  });

  it.each<[string, string, string, string]>([
    ['broken JSON', '{"title":', 'application/json', 'body: is not valid JSON'],
    [
      'a key that occurs twice',
      `{"title":"A","title":"B","url":"${url}"}`,
      'application/json',
      'body: is not valid JSON: the key "title"',
    ],
    ['deep nesting', '['.repeat(10_000), 'application/json', 'body: is not valid JSON: nested deeper'],
    ['a byte order mark', `\ufeff{"title":"A","url":"${url}"}`, 'application/json', 'body: is not valid JSON'],
    ['another content type', `{"title":"A","url":"${url}"}`, 'text/plain', 'content-type: must be application/json'],
    [
      'a __proto__ field',
      `{"title":"A","url":"${url}","__proto__":{}}`,
      'application/json',
      '__proto__: unknown field',
    ],
  ])('refuses %s', async (_, body, type, detail) => {
    const answer = await api.call({
      method: 'POST',
      target: '/webhooks',
      tenant,
      token,
      body,
      headers: { 'content-type': type },
    });
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toContain(detail);
  });

  it('refuses bytes that are not UTF-8, no body, and a body of 2 MiB', async () => {
    const headers = { 'content-type': 'application/json' };
    const post = (body?: Uint8Array | string) =>
      api.call({
        method: 'POST',
        target: '/webhooks',
        tenant,
        token,
        headers,
        ...(body === undefined ? {} : { body }),
      });
    const broken = await post(Buffer.from([0x7b, 0xff, 0x7d]));
    expect(field(broken.json, 'detail')).toBe('body: is not valid UTF-8');
    expect(field((await post()).json, 'detail')).toBe('body: is required');
    const large = await post('a'.repeat(2 * 1024 * 1024));
    expect(large.status).toBe(400);
    expect(field(large.json, 'detail')).toBe('body: must have at most 65536 bytes');
  });
});

describe('listing webhooks', () => {
  let lister: { tenant: TestTenant; token: string };
  const ids: string[] = [];
  const list = (query: string) => call('GET', `/webhooks${query}`, undefined, lister);
  const titles = (answer: HttpAnswer) => {
    const data = field(answer.json, 'data');
    return Array.isArray(data) ? data.map((item) => field(item, 'title')) : [];
  };

  beforeAll(async () => {
    lister = await other();
    for (const title of ['b', 'a', 'C', 'a']) ids.push(await create({ title, url: `${url}/${title}` }, lister));
    await call('PATCH', `/webhooks/${ids[0]}`, { enabled: true }, lister);
  });

  it('gives the first hundred by creation, with meta as applied', async () => {
    const answer = await list('');
    expect(field(answer.json, 'meta')).toEqual({
      offset: 0,
      limit: 100,
      count: 4,
      total_count: 4,
      sort: 'created_at',
      order: 'ASC',
    });
    expect(titles(answer)).toEqual(['b', 'a', 'C', 'a']);
  });

  it.each([
    ['?sort=created_at&order=DESC', ['a', 'C', 'a', 'b']],
    ['?sort=updated_at', ['a', 'C', 'a', 'b']],
    ['?sort=title', ['C', 'a', 'a', 'b']],
    ['?sort=url&order=DESC', ['b', 'a', 'a', 'C']],
    ['?sort=enabled&order=DESC&limit=1', ['b']],
    ['?offset=1&limit=2', ['a', 'C']],
    ['?offset=4', []],
    ['?offset=9007199254740991', []],
    ['?limit=0', []],
    ['?offset=&limit=', ['b', 'a', 'C', 'a']],
    ['?page=2', ['b', 'a', 'C', 'a']],
  ])('answers %s', async (query, expected) => {
    const answer = await list(query);
    expect(answer.status, answer.text).toBe(200);
    expect(titles(answer)).toEqual(expected);
    expect(field(field(answer.json, 'meta'), 'count')).toBe(expected.length);
    expect(field(field(answer.json, 'meta'), 'total_count')).toBe(4);
  });

  it('breaks ties by id, so that pages neither repeat nor miss one', async () => {
    const pages = await Promise.all([0, 1, 2, 3].map((offset) => list(`?sort=enabled&limit=1&offset=${offset}`)));
    const seen = pages.map((page) => field(Object(field(page.json, 'data'))[0], 'id'));
    const [enabled = '', ...disabled] = ids;
    expect(seen).toEqual([...disabled.sort(), enabled]);
  });

  it.each([
    ['?sort=id', 'sort: must be one of'],
    [`?${'a&'.repeat(100)}`, 'query: must have at most 100 fields'],
    ['?sort=', 'sort: must be one of'],
    ['?order=asc', 'order: must be one of ASC, DESC'],
    ['?limit=1001', 'limit: must be an integer from 0 to 1000'],
    ['?limit=-1', 'limit: must be an integer from 0 to 1000'],
    ['?limit=1.5', 'limit: must be an integer from 0 to 1000'],
    ['?limit=10&limit=20', 'limit: must be given once'],
    ['?offset=-1', 'offset: must be an integer, 0 or more'],
    ['?offset=9007199254740993', 'offset: must be an integer, 0 or more'],
    ['?offset=x', 'offset: must be an integer, 0 or more'],
  ])('refuses %s', async (query, detail) => {
    const answer = await list(query);
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toContain(detail);
  });

  it('shows a tenant its own webhooks only', async () => {
    const stranger = await other();
    const answer = await call('GET', '/webhooks', undefined, stranger);
    expect(answer.json).toMatchObject({ data: [], meta: { total_count: 0 } });
  });
});

describe('changing a webhook', () => {
  it('changes what is sent, keeps the rest, and moves updated_at and the version', async () => {
    const id = await create({ type: ['USER'], config: { delay: '5s' } });
    const before = (await call('GET', `/webhooks/${id}`)).json;
    const answer = await call('PATCH', `/webhooks/${id}`, { title: 'B', config: { max_package_size: 200 } });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      ...Object(before),
      title: 'B',
      config: { delay: '5s', max_package_size: 200 },
      updated_at: expect.any(String),
    });
    expect(field(answer.json, 'updated_at')).not.toBe(field(before, 'updated_at'));
    expect((await row(id)).version).toBe(2);
    expect((await call('GET', `/webhooks/${id}`)).json).toEqual(answer.json);
  });

  it('moves updated_at for an empty change too', async () => {
    const id = await create();
    const first = await call('PATCH', `/webhooks/${id}`, {});
    const second = await call('PATCH', `/webhooks/${id}`, {});
    expect(Date.parse(String(field(second.json, 'updated_at')))).toBeGreaterThan(
      Date.parse(String(field(first.json, 'updated_at'))),
    );
  });

  it('takes an exclusion away with an empty list and leaves it otherwise', async () => {
    const id = await create({ exclude_type: ['USER'] });
    expect((await call('PATCH', `/webhooks/${id}`, { title: 'B' })).json).toHaveProperty('exclude_type', ['USER']);
    expect((await call('PATCH', `/webhooks/${id}`, { exclude_type: [] })).json).not.toHaveProperty('exclude_type');
  });

  it.each<[string, unknown, string]>([
    ['the id', { id: 'x' }, 'id: unknown field'],
    ['created_at', { created_at: 'x' }, 'created_at: unknown field'],
    ['enabled as a text', { enabled: 'true' }, 'enabled: must be a boolean'],
    ['a forbidden url', { url: 'http://localhost/' }, 'url: '],
    ['a null config', { config: null }, 'config: must be an object'],
  ])('refuses %s', async (_, body, detail) => {
    const id = await create();
    const answer = await call('PATCH', `/webhooks/${id}`, body);
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toContain(detail);
    expect((await row(id)).version).toBe(1);
  });

  it('starts at the head of the partition when it is enabled for the first time, and nowhere else later', async () => {
    const id = await create();
    const { partition } = await row(id);
    const setHead = (head: number) =>
      api.database.query('update partitions set head = $2 where id = $1', [partition, head]);
    expect(await row(id)).toMatchObject({ cursor: null, started_at: null });
    await call('PATCH', `/webhooks/${id}`, { enabled: false });
    expect(await row(id)).toMatchObject({ cursor: null, started_at: null });
    await setHead(41);
    expect((await call('PATCH', `/webhooks/${id}`, { enabled: true })).json).toMatchObject({ enabled: true });
    expect(await row(id)).toMatchObject({ cursor: 41, started_at: expect.any(Date) });
    await setHead(50);
    await call('PATCH', `/webhooks/${id}`, { enabled: false });
    await call('PATCH', `/webhooks/${id}`, { enabled: true });
    expect(await row(id)).toMatchObject({ cursor: 41 });
  });

  it('gives a lane at the checkpoint a cursor of its own when it is disabled', async () => {
    const id = await create();
    const { partition } = await row(id);
    await call('PATCH', `/webhooks/${id}`, { enabled: true });
    await api.database.query('update webhooks set cursor = null where id = $1', [id]);
    await api.database.query('update partitions set checkpoint = 77 where id = $1', [partition]);
    await call('PATCH', `/webhooks/${id}`, { enabled: false });
    expect(await row(id)).toMatchObject({ cursor: 77 });
  });

  it('retries a blocked webhook at once after an edit that matters to delivery', async () => {
    const id = await create();
    const later = new Date(Date.now() + 600_000);
    const block = () =>
      api.database.query('update webhooks set blocked_since = now(), next_attempt_at = $2 where id = $1', [id, later]);
    await block();
    await call('PATCH', `/webhooks/${id}`, { title: 'B' });
    expect((await row(id)).next_attempt_at).toEqual(later);
    for (const change of [{ url: `${url}/new` }, { type: ['USER'] }, { enabled: true }, { config: { delay: '2s' } }]) {
      await block();
      await call('PATCH', `/webhooks/${id}`, change);
      expect((await row(id)).next_attempt_at?.getTime()).toBeLessThan(later.getTime());
    }
  });

  it('tells delivery of changes and deletes after they are committed', async () => {
    const id = await create();
    const { partition } = await row(id);
    const before = api.hints.length;
    await call('PATCH', `/webhooks/${id}`, { enabled: true });
    await call('DELETE', `/webhooks/${id}`);
    expect(api.hints.slice(before)).toEqual([
      { partition, webhookId: id },
      { partition, webhookId: id },
    ]);
  });
});

describe('a webhook of nobody or of somebody else', () => {
  it.each(['GET', 'PATCH', 'DELETE', 'POST'])('is a 404 for %s, before its input is looked at', async (method) => {
    const stranger = await other();
    const foreign = await create({}, stranger);
    const suffix = method === 'POST' ? '/test' : '';
    for (const id of [foreign, '00000000-0000-4000-8000-000000000000', 'x', `${foreign}%00`, '%E0%A4%A']) {
      const body = method === 'PATCH' ? { nonsense: 1 } : undefined;
      const answer = await call(method, `/webhooks/${id}${suffix}`, body);
      expect(answer.status, `${id} ${answer.text}`).toBe(404);
      expect(field(answer.json, 'type')).toBe('https://docs.upvest.co/errors/not_found');
    }
    expect((await call('GET', `/webhooks/${foreign}`, undefined, stranger)).status).toBe(200);
  });
});

describe('deleting and testing', () => {
  it('deletes with 204, no body, whatever accept says', async () => {
    const id = await create();
    const answer = await api.call({
      method: 'DELETE',
      target: `/webhooks/${id}`,
      tenant,
      token,
      headers: { accept: 'text/html' },
    });
    expect(answer).toMatchObject({ status: 204, text: '' });
    expect(answer.headers).not.toHaveProperty('content-type');
    expect((await call('DELETE', `/webhooks/${id}`)).status).toBe(404);
  });

  it('starts a test delivery, also for a disabled webhook, and answers 202 without body', async () => {
    const id = await create();
    const answer = await call('POST', `/webhooks/${id}/test`);
    expect(answer).toMatchObject({ status: 202, text: '' });
    expect(api.tested).toContain(id);
  });

  it('answers 429 with retry-after while the tenant has too many test deliveries under way, and keeps no such answer', async () => {
    const id = await create();
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const ask = () => api.call({ method: 'POST', target: `/webhooks/${id}/test`, tenant, token, headers });
    testStart = 'too_many';
    const answer = await ask();
    testStart = 'started';
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '1']);
    expect(field(answer.json, 'type')).toBe('https://docs.upvest.co/errors/too_many_requests');
    expect(field(answer.json, 'detail')).toBe('4 test deliveries of yours are under way, wait for one to end');
    if (hasContract) expect(contractFaults('POST', '/webhooks/{webhook_id}/test', answer)).toBe('');
    expect((await ask()).status).toBe(202);
  });
});

describe.skipIf(!hasContract)(
  'answers against the OpenAPI file of 1.9.0 (skipped where the contract is not beside the repository)',
  () => {
    it('are valid for every operation', async () => {
      const created = await call('POST', '/webhooks', { title: 'A', url, type: ['USER'], config: { delay: '5s' } });
      const id = String(field(created.json, 'id'));
      const checks: [string, string, HttpAnswer][] = [
        ['POST', '/webhooks', created],
        ['POST', '/webhooks', await call('POST', '/webhooks', {})],
        ['GET', '/webhooks', await call('GET', '/webhooks?limit=1')],
        ['GET', '/webhooks', await call('GET', '/webhooks?limit=x')],
        ['GET', '/webhooks', await call('GET', '/webhooks', undefined, { tenant, token: 'x' })],
        ['GET', '/webhooks/{webhook_id}', await call('GET', `/webhooks/${id}`)],
        ['GET', '/webhooks/{webhook_id}', await call('GET', '/webhooks/x')],
        ['PATCH', '/webhooks/{webhook_id}', await call('PATCH', `/webhooks/${id}`, { enabled: true })],
        ['PATCH', '/webhooks/{webhook_id}', await call('PATCH', `/webhooks/${id}`, { enabled: 1 })],
        ['POST', '/webhooks/{webhook_id}/test', await call('POST', `/webhooks/${id}/test`)],
        ['DELETE', '/webhooks/{webhook_id}', await call('DELETE', `/webhooks/${id}`)],
        ['DELETE', '/webhooks/{webhook_id}', await call('DELETE', `/webhooks/${id}`)],
        ['GET', '/auth/verify_keys', await call('GET', '/auth/verify_keys')],
      ];
      const faults = checks.map(([method, path, answer]) => [
        method,
        path,
        answer.status,
        contractFaults(method, path, answer),
      ]);
      expect(faults.filter((fault) => fault[3] !== '')).toEqual([]);
      expect(checks.map(([, , answer]) => answer.status)).toEqual([
        201, 400, 200, 400, 401, 200, 404, 200, 400, 202, 204, 404, 200,
      ]);
    });
  },
);
