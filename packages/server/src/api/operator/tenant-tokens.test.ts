import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi, type TestTenant } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let call: CallOperator;
let nowMs = Date.parse('2026-05-01T12:00:00Z');

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  call = operatorOf(api);
});
afterAll(() => api.close());

const idOf = (token: string) => createHash('sha256').update(token).digest('hex');
const list = (tenant: TestTenant, query = '') => call('GET', `/operator/tenants/${tenant.clientId}/tokens${query}`);
const statusOf = async (tenant: TestTenant, token: string) =>
  (await api.call({ target: '/webhooks', tenant, token })).status;
const audit = async (tenant: TestTenant) =>
  field((await call('GET', `/operator/audit?client_id=${tenant.clientId}`)).json, 'data');

describe('access tokens of a tenant', () => {
  it('are listed by their hash, oldest first, in pages, until they expire', async () => {
    const tenant = await api.tenant();
    const tokens = [await api.token(tenant, 'webhooks:read')];
    nowMs += 1_000;
    tokens.push(await api.token(tenant), await api.token(tenant));
    await api.token(await api.tenant());
    const first = await list(tenant, '?limit=2');
    const second = await list(tenant, `?limit=2&cursor=${String(field(first.json, 'next_cursor'))}`);
    expect(field(second.json, 'next_cursor')).toBeNull();
    const found = [first, second].flatMap(({ json }) => [field(json, 'data')].flat());
    expect(found[0]).toEqual({
      id: idOf(tokens[0] ?? ''),
      scopes: ['webhooks:read'],
      created_at: '2026-05-01T12:00:00.000Z',
      expires_at: '2026-05-01T13:00:00.000Z',
    });
    expect(new Set(found.map((each) => field(each, 'id')))).toEqual(new Set(tokens.map(idOf)));
    expect(first.text + second.text).not.toContain(tokens[0]);
    nowMs += 3_599_000;
    expect(field((await list(tenant)).json, 'data')).toHaveLength(2);
    expect((await list(tenant, '?cursor=x')).status).toBe(400);
    expect((await call('GET', `/operator/tenants/${crypto.randomUUID()}/tokens`)).status).toBe(404);
  });

  it('are revoked one at a time, at once, and no other one with it', async () => {
    const [tenant, other] = [await api.tenant(), await api.tenant()];
    const [leaked, kept] = [await api.token(tenant), await api.token(tenant)];
    const target = `/operator/tenants/${tenant.clientId}/tokens/${idOf(leaked)}`;
    expect(await statusOf(tenant, leaked)).toBe(200);
    // Under another tenant it is not there.
    expect((await call('DELETE', target.replace(tenant.clientId, other.clientId))).status).toBe(404);
    expect(await statusOf(tenant, leaked)).toBe(200);
    expect((await call('DELETE', target)).status).toBe(204);
    expect(await statusOf(tenant, leaked)).toBe(401);
    expect(await statusOf(tenant, kept)).toBe(200);
    expect((await call('DELETE', target)).status).toBe(404);
    expect((await call('DELETE', `/operator/tenants/${tenant.clientId}/tokens/x`)).status).toBe(404);
    expect(await audit(tenant)).toMatchObject([
      { action: 'tenant_token.revoke', subject: `tenant_token:${idOf(leaked)}`, actor: 'operator' },
    ]);
  });

  it('are revoked together, and the tenant gets new ones with its secret', async () => {
    const [tenant, other] = [await api.tenant(), await api.tenant()];
    const tokens = [await api.token(tenant), await api.token(tenant)];
    const foreign = await api.token(other);
    const all = `/operator/tenants/${tenant.clientId}/tokens`;
    expect((await call('DELETE', all)).json).toEqual({ revoked: 2 });
    for (const token of tokens) expect(await statusOf(tenant, token)).toBe(401);
    expect(await statusOf(other, foreign)).toBe(200);
    expect(await statusOf(tenant, await api.token(tenant))).toBe(200);
    expect(await audit(tenant)).toMatchObject([
      { action: 'tenant_tokens.revoke', subject: `tenant:${tenant.clientId}`, before: { tokens: 2 } },
    ]);
    expect((await call('DELETE', `/operator/tenants/${crypto.randomUUID()}/tokens`)).status).toBe(404);
  });
});
