import { randomUUID } from 'node:crypto';
import { generateSigningKey, publicJwk, publicPem } from '@bellhop/signatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi, tokenForm } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;
let now = Date.now();

beforeAll(async () => {
  api = await startApi({ now: () => now });
  operator = operatorOf(api);
});
afterAll(() => api.close());

async function create(body: object = { name: 'A bank' }): Promise<{ clientId: string; secret: string }> {
  const { json } = await operator('POST', '/operator/tenants', { body });
  return { clientId: String(field(json, 'client_id')), secret: String(field(json, 'client_secret')) };
}

async function tokenStatus(clientId: string, secret: string, scope = 'webhooks:read'): Promise<number> {
  const key = await generateSigningKey(randomUUID(), 'ed25519');
  const { json } = await operator('POST', `/operator/tenants/${clientId}/keys`, {
    body: { public_key: publicPem(key) },
  });
  const tenant = { clientId, secret, key: { ...key, keyId: String(field(json, 'key_id')) } };
  const answer = await api.call({ method: 'POST', target: '/auth/token', tenant, ...tokenForm(tenant, { scope }) });
  return answer.status;
}

describe('tenants', () => {
  it('are made with a secret that works, and with both scopes', async () => {
    const { clientId, secret } = await create();
    expect(await tokenStatus(clientId, secret, 'webhooks:admin webhooks:read')).toBe(200);
    const { json, text } = await operator('GET', `/operator/tenants/${clientId}`);
    expect(json).toMatchObject({ client_id: clientId, name: 'A bank', scopes: ['webhooks:admin', 'webhooks:read'] });
    expect(text).not.toContain(secret);
  });

  it('are made with the scopes asked for', async () => {
    const { clientId, secret } = await create({ name: 'B', scopes: ['webhooks:read', 'webhooks:read'] });
    expect(await tokenStatus(clientId, secret, 'webhooks:read')).toBe(200);
    expect(await tokenStatus(clientId, secret, 'webhooks:admin')).toBe(403);
  });

  it.each([
    ['no name', {}, 'name: is required'],
    ['an empty name', { name: '' }, 'name: must not be empty'],
    ['an unknown field', { name: 'A', colour: 1 }, 'colour: unknown field'],
    ['a client id of its own', { name: 'A', client_id: randomUUID() }, 'client_id: unknown field'],
    ['no scopes', { name: 'A', scopes: [] }, 'scopes: must not be empty'],
    ['a scope with a space', { name: 'A', scopes: ['a b'] }, 'scopes.0: must be a scope'],
  ])('are refused with %s', async (_, body, detail) => {
    const answer = await operator('POST', '/operator/tenants', { body });
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining(detail) } });
  });

  it('made twice with one idempotency key are one tenant', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const first = await operator('POST', '/operator/tenants', { body: { name: 'C' }, headers });
    const second = await operator('POST', '/operator/tenants', { body: { name: 'C' }, headers });
    expect(second.json).toEqual(first.json);
    const rows = await api.database.query("select 1 from tenants where name = 'C'");
    expect(rows).toHaveLength(1);
  });

  it('are listed page by page, each once', async () => {
    for (let count = 0; count < 5; count++) await create({ name: 'page' });
    const seen: string[] = [];
    let cursor: unknown = '';
    while (cursor !== null) {
      const { json } = await operator('GET', `/operator/tenants?limit=2${cursor ? `&cursor=${String(cursor)}` : ''}`);
      const data = field(json, 'data');
      if (!Array.isArray(data)) throw new TypeError('no data');
      expect(data.length).toBeLessThanOrEqual(2);
      seen.push(...data.map((row) => String(field(row, 'client_id'))));
      cursor = field(json, 'next_cursor');
    }
    const rows = await api.database.query('select 1 from tenants');
    expect(new Set(seen).size).toBe(rows.length);
    expect(seen).toHaveLength(rows.length);
  });

  it.each(['limit=0', 'limit=501', 'limit=x', 'cursor=x', 'cursor=WyJ4IiwxXQ', 'color=1'])(
    'refuse the query %s',
    async (query) => {
      expect(await operator('GET', `/operator/tenants?${query}`)).toMatchObject({ status: 400 });
    },
  );

  it('are changed field by field, and losing a scope shows in the audit trail', async () => {
    const { clientId } = await create();
    const target = `/operator/tenants/${clientId}`;
    const answer = await operator('PATCH', target, { body: { scopes: ['webhooks:read'] } });
    expect(answer).toMatchObject({ status: 200, json: { name: 'A bank', scopes: ['webhooks:read'] } });
    expect((await operator('PATCH', target, { body: { id: 1 } })).status).toBe(400);
    const { json } = await operator('GET', `/operator/audit?subject=tenant:${clientId}`);
    expect(field(json, 'data')).toMatchObject([
      {
        actor: 'operator',
        action: 'tenant.update',
        before: { scopes: ['webhooks:admin', 'webhooks:read'] },
        after: { scopes: ['webhooks:read'] },
      },
      { action: 'tenant.create', before: null },
    ]);
  });

  it('have one secret after a rotation without overlap: somebody else knows the one before', async () => {
    const { clientId, secret } = await create();
    for (const [overlap, status] of [
      [-1, 400],
      [1.5, 400],
      [25, 400],
      [0, 200],
    ] as const) {
      const answer = await operator('POST', `/operator/tenants/${clientId}/secret`, {
        body: { overlap_hours: overlap },
      });
      expect(answer.status, answer.text).toBe(status);
      if (status === 400) expect(answer.text).toMatch(/overlap_hours: must be (an integer|from 0 to 24)"/);
      expect(await tokenStatus(clientId, secret)).toBe(status === 200 ? 401 : 200);
    }
  });

  it('have two secrets for a day after a rotation, then the new one', async () => {
    const { clientId, secret } = await create();
    const { json } = await operator('POST', `/operator/tenants/${clientId}/secret`);
    const newSecret = String(field(json, 'client_secret'));
    expect(await tokenStatus(clientId, secret)).toBe(200);
    expect(await tokenStatus(clientId, newSecret)).toBe(200);
    const before = now;
    now += 24 * 60 * 60 * 1000 + 1;
    expect(await tokenStatus(clientId, secret)).toBe(401);
    expect(await tokenStatus(clientId, newSecret)).toBe(200);
    now = before;
  });

  it('are deleted with their webhooks, whose lanes hear of it', async () => {
    const { clientId, secret } = await create();
    await api.database.query(
      `insert into webhooks (id, client_id, partition, title, url, type, delay, max_package_size)
       select $1, client_id, partition, 't', 'https://a.test/', '{ALL}', '1s', 1000 from tenants where client_id = $2`,
      [randomUUID(), clientId],
    );
    const hints = api.hints.length;
    expect((await operator('DELETE', `/operator/tenants/${clientId}`)).status).toBe(204);
    expect(api.hints).toHaveLength(hints + 1);
    expect((await operator('GET', `/operator/tenants/${clientId}`)).status).toBe(404);
    expect((await operator('DELETE', `/operator/tenants/${clientId}`)).status).toBe(404);
    expect(secret).not.toBe('');
  });

  it.each([
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/secret'],
    ['GET', '/keys'],
    ['DELETE', `/keys/${randomUUID()}`],
  ])('that are not there are 404: %s %s', async (method, rest) => {
    const options = method === 'PATCH' ? { body: {} } : {};
    expect((await operator(method, `/operator/tenants/${randomUUID()}${rest}`, options)).status).toBe(404);
    expect((await operator(method, `/operator/tenants/x${rest}`, options)).status).toBe(404);
  });
});

describe('keys of a tenant', () => {
  it.each(['ecdsa-p521', 'ed25519'] as const)('are taken in every form: %s', async (algorithm) => {
    const { clientId } = await create();
    const target = `/operator/tenants/${clientId}/keys`;
    const key = await generateSigningKey(randomUUID(), algorithm);
    const pem = publicPem(key);
    const { kid, ...jwk } = publicJwk(key);
    const raw = Buffer.from(jwk.x, 'base64url').toString('base64');
    const forms = [
      { body: { public_key: pem } },
      { body: { pem } },
      { body: { public_key: jwk } },
      { body: { jwk } },
      { body: jwk },
      { body: { ...jwk, kid, use: 'sig' } },
      { body: pem },
      { text: pem, contentType: 'text/plain' },
      { text: pem, contentType: 'application/x-pem-file' },
      ...(algorithm === 'ed25519'
        ? [{ body: { public_key: raw } }, { text: `${raw}\n`, contentType: 'text/plain' }]
        : []),
    ];
    for (const form of forms) expect(await operator('POST', target, form)).toMatchObject({ status: 201 });
    const { json } = await operator('GET', target);
    const expected = forms.map(() => expect.objectContaining({ algorithm, public_key: pem }));
    expect(field(json, 'data')).toEqual(expected);
  });

  it('are refused when they are private, broken, of another algorithm, or have unknown fields', async () => {
    const { clientId } = await create();
    const target = `/operator/tenants/${clientId}/keys`;
    const key = await generateSigningKey(randomUUID(), 'ed25519');
    const p256 = await generateSigningKey(randomUUID(), 'ecdsa-p256');
    const secret = key.privateKey.export({ format: 'jwk' });
    for (const body of [
      { public_key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
      { public_key: secret },
      secret,
      { public_key: 'x' },
      { public_key: 5 },
      { public_key: publicPem(p256) },
      { public_key: publicPem(key), key_id: randomUUID() },
      { public_key: publicPem(key), pem: publicPem(key) },
      {},
      [],
      null,
    ]) {
      expect(await operator('POST', target, { body }), JSON.stringify(body)).toMatchObject({ status: 400 });
    }
    expect(field((await operator('GET', target)).json, 'data')).toEqual([]);
  });

  it('are refused for a tenant that is not there', async () => {
    const key = await generateSigningKey(randomUUID(), 'ed25519');
    const body = { public_key: publicPem(key) };
    expect((await operator('POST', `/operator/tenants/${randomUUID()}/keys`, { body })).status).toBe(404);
  });

  it('are removed one by one, by their own tenant only', async () => {
    const mine = await create();
    const other = await create();
    const key = await generateSigningKey(randomUUID(), 'ed25519');
    const target = `/operator/tenants/${mine.clientId}/keys`;
    const { json } = await operator('POST', target, { body: publicJwk(key) });
    const keyId = String(field(json, 'key_id'));
    expect((await operator('DELETE', `/operator/tenants/${other.clientId}/keys/${keyId}`)).status).toBe(404);
    expect((await operator('DELETE', `${target}/${keyId}`)).status).toBe(204);
    expect((await operator('DELETE', `${target}/${keyId}`)).status).toBe(404);
  });
});

describe('a development server', () => {
  it('makes a tenant and a key again with the ids and the secret they had', async () => {
    const dev = await startApi({ config: { dev: true } });
    try {
      const call = operatorOf(dev);
      const body = { name: 'dev', client_id: randomUUID(), client_secret: 'the secret of before' };
      const answer = await call('POST', '/operator/tenants', { body });
      expect(answer.json).toEqual({ client_id: body.client_id, client_secret: body.client_secret });
      expect((await call('POST', '/operator/tenants', { body })).status).toBe(409);
      const key = await generateSigningKey(randomUUID(), 'ed25519');
      const keyBody = { public_key: publicPem(key), key_id: key.keyId };
      const target = `/operator/tenants/${body.client_id}/keys`;
      expect((await call('POST', target, { body: keyBody })).json).toEqual({ key_id: key.keyId });
      expect((await call('POST', target, { body: keyBody })).status).toBe(409);
    } finally {
      await dev.close();
    }
  });
});
