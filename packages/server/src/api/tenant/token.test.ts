import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashClientSecret, newClientSecret } from '../../keys/client-secrets.ts';
import { rotateTenantSecret } from '../../store/tenants.ts';
import { field, startApi, type TestApi, type TestTenant, tokenForm } from '../api.fixture.ts';
import { contractFaults, hasContract } from '../contract.fixture.ts';

let api: TestApi;
let tenant: TestTenant;
let nowMs = Date.parse('2026-05-01T12:00:00Z');

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  tenant = await api.tenant();
});
afterAll(() => api.close());

function ask(fields: Readonly<Record<string, string>> = {}, as = tenant) {
  return api.call({ method: 'POST', target: '/auth/token', tenant: as, ...tokenForm(as, fields) });
}

describe('the token call', () => {
  it('gives an opaque token for the scopes asked for', async () => {
    const answer = await ask({ scope: 'webhooks:read webhooks:read' });
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      access_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      expires_in: 3600,
      token_type: 'bearer',
      scope: 'webhooks:read',
    });
    expect(answer.headers['cache-control']).toBe('no-store');
    if (hasContract) expect(contractFaults('POST', '/auth/token', answer)).toBe('');
  });

  it('keeps no token in the database', async () => {
    const token = String(field((await ask()).json, 'access_token'));
    const rows = await api.database.query<{ text: string }>('select t::text as text from tokens t');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ text }) => text.includes(token))).toEqual([]);
  });

  it('gives a token that opens what its scopes allow, for an hour', async () => {
    const token = await api.token(tenant, 'webhooks:read');
    const list = () => api.call({ target: '/webhooks', tenant, token });
    expect((await list()).status).toBe(200);
    nowMs += 3_599_000;
    expect((await list()).status).toBe(200);
    nowMs += 1_000;
    expect((await list()).status).toBe(401);
  });

  it('takes the client id from the form when the header is missing', async () => {
    const call = { method: 'POST', target: '/auth/token', tenant };
    const form = tokenForm(tenant);
    const headers = { ...form.headers, 'upvest-client-id': undefined };
    expect((await api.call({ ...call, ...form, headers })).status).toBe(200);
    const nobody = tokenForm(tenant, { client_id: 'x' });
    const answer = await api.call({ ...call, ...nobody, headers });
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'type')).toBe('https://docs.upvest.co/errors/missing_client_id');
  });

  it('refuses a client id in the form that differs from the header', async () => {
    const other = await api.tenant();
    const answer = await ask({ client_id: other.clientId, client_secret: other.secret });
    expect(answer.status).toBe(401);
    expect(field(answer.json, 'detail')).toContain('client_id');
  });

  it('makes a client wait after five wrong secrets in a row, also with the right one, and nobody else', async () => {
    const guesser = await api.tenant();
    for (let guess = 0; guess < 5; guess += 1) {
      expect((await ask({ client_secret: `wrong ${guess}` }, guesser)).status).toBe(401);
    }
    const answer = await ask({}, guesser);
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '1']);
    if (hasContract) expect(contractFaults('POST', '/auth/token', answer)).toBe('');
    expect((await ask()).status).toBe(200);
    nowMs += 1000;
    expect((await ask({}, guesser)).status).toBe(200);
    expect((await ask({ client_secret: 'wrong' }, guesser)).status).toBe(401);
    expect((await ask({}, guesser)).status).toBe(200);
  });

  it('lets guesses in parallel try no more than guesses in a row', async () => {
    // The count was read before scrypt and written after it: a hundred at once were a hundred tries.
    const guesser = await api.tenant();
    const guesses = Array.from({ length: 100 }, (_, guess) => ask({ client_secret: `wrong ${guess}` }, guesser));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(95);
  });

  it('lets a client with the right secret ask as often as it likes, also at once', async () => {
    // Each of them took scrypt's time in the thread pool, and everybody else waited for it.
    const many = await api.tenant();
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask({}, many)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ json }) => field(json, 'access_token'))).size).toBe(100);
  });

  it('refuses a remembered secret once it was rotated away', async () => {
    const rotated = await api.tenant();
    expect((await ask({}, rotated)).status).toBe(200);
    await rotateTenantSecret(api.database, rotated.clientId, {
      secretHash: await hashClientSecret(newClientSecret()),
      previousUntil: new Date(nowMs),
      now: new Date(nowMs),
    });
    expect((await ask({}, rotated)).status).toBe(401);
  });

  it('refuses a wrong secret, and a scope the client does not have', async () => {
    const wrong = await ask({ client_secret: `${tenant.secret}x` });
    expect(wrong.status).toBe(401);
    expect(field(wrong.json, 'type')).toBe('https://docs.upvest.co/errors/unauthorised');
    const scope = await ask({ scope: 'webhooks:read users:read' });
    expect(scope.status).toBe(403);
    expect(field(scope.json, 'detail')).toBe('scope: the client does not have users:read');
  });

  it('takes the secret before a rotation until its time is over', async () => {
    const rotated = await api.tenant();
    const fresh = newClientSecret();
    await rotateTenantSecret(api.database, rotated.clientId, {
      secretHash: await hashClientSecret(fresh),
      previousUntil: new Date(nowMs + 1000),
      now: new Date(nowMs),
    });
    expect((await ask({}, rotated)).status).toBe(200);
    expect((await ask({ client_secret: fresh }, rotated)).status).toBe(200);
    nowMs += 1000;
    expect((await ask({}, rotated)).status).toBe(401);
    expect((await ask({ client_secret: fresh }, rotated)).status).toBe(200);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['another grant type', { grant_type: 'password' }, 'grant_type: must be client_credentials'],
    ['a client id that is no UUID', { client_id: 'x' }, 'client_id: must be a UUID'],
    ['no secret', { client_secret: '' }, 'client_secret: must not be empty'],
    [
      'a secret that is too long',
      { client_secret: 'a'.repeat(1001) },
      'client_secret: must have at most 1000 characters',
    ],
    ['no scope', { scope: ' ' }, 'scope: must name at least one scope'],
    ['an unknown field', { audience: 'x' }, 'audience: unknown field'],
  ])('refuses %s', async (_, fields, detail) => {
    const answer = await ask(fields);
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toBe(detail);
  });

  it('refuses a repeated field, a missing one, and JSON', async () => {
    const { body, headers } = tokenForm(tenant);
    const post = (text: string, type: string) =>
      api.call({ method: 'POST', target: '/auth/token', tenant, body: text, headers: { 'content-type': type } });
    const form = headers['content-type'];
    expect(field((await post(`${body}&scope=a`, form)).json, 'detail')).toBe('scope: must be given once');
    expect(field((await post(body.replace('grant_type', 'grant'), form)).json, 'detail')).toContain(
      'grant_type: must be',
    );
    expect(field((await post('{}', 'application/json')).json, 'detail')).toContain('content-type: must be');
  });

  it('takes no form of more than a hundred fields', async () => {
    // 64 KiB of `a&` took six seconds of the process: an array was copied for each of 32,000 repeated names.
    const { headers } = tokenForm(tenant);
    const post = (body: string) => api.call({ method: 'POST', target: '/auth/token', tenant, body, headers });
    const refused = 'form: must have at most 100 fields';
    expect(field((await post(`${'a&'.repeat(32_700)}a`)).json, 'detail')).toBe(refused);
    expect(field((await post(`${'a&'.repeat(100)}a`)).json, 'detail')).toBe(refused);
    expect(field((await post(`${'a&'.repeat(99)}a`)).json, 'detail')).toContain('a: unknown field');
  });

  it('refuses a field named __proto__ like any unknown one', async () => {
    const form = tokenForm(tenant);
    const post = (body: string) =>
      api.call({ method: 'POST', target: '/auth/token', tenant, body, headers: form.headers });
    for (const more of ['__proto__=x', '__proto__=x&__proto__=y', 'constructor=x']) {
      const answer = await post(`${form.body}&${more}`);
      expect([answer.status, field(answer.json, 'detail')]).toEqual([400, `${more.split('=', 1)[0]}: unknown field`]);
    }
  });

  it('stores no answer for an idempotency key', async () => {
    const { body, headers } = tokenForm(tenant);
    const key = crypto.randomUUID();
    const call = () =>
      api.call({
        method: 'POST',
        target: '/auth/token',
        tenant,
        body,
        headers: { ...headers, 'idempotency-key': key },
      });
    expect(field((await call()).json, 'access_token')).not.toBe(field((await call()).json, 'access_token'));
    expect(await api.database.query('select 1 from idempotency_keys where key = $1', [key])).toEqual([]);
  });
});
