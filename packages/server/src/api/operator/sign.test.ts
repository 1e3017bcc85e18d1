import { importVerificationKey, memoryNonces, messageTarget, verify } from '@bellhop/signatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, startApi, type TestApi } from '../api.fixture.ts';
import { type CallOperator, operatorOf } from './operator.fixture.ts';

let api: TestApi;
let operator: CallOperator;

beforeAll(async () => {
  api = await startApi({ config: { dev: true } });
  operator = operatorOf(api);
});
afterAll(() => api.close());

const url = 'https://tenant.test/hooks?a=1';
const body = '{"payload":[]}';

async function verified(json: unknown): Promise<unknown> {
  const headers = Object.fromEntries(Object.entries(Object(json)).map(([name, value]) => [name, String(value)]));
  const published = await api.deps.keys.published();
  const keys = new Map(published.map(({ kid, ...jwk }) => [kid, importVerificationKey(kid, { ...jwk })]));
  const message = { method: 'POST', ...messageTarget(url), headers, body: Buffer.from(body) };
  return verify(message, { keys: { find: async (keyId) => keys.get(keyId) }, nonces: memoryNonces() });
}

describe('signing a delivery', () => {
  it.each([6, 15])('gives headers that verify: version %i', async (version) => {
    const { status, json } = await operator('POST', '/operator/sign', { body: { url, body, version } });
    expect(status).toBe(200);
    expect(json).toMatchObject({ 'content-type': 'application/json', 'content-length': String(body.length) });
    expect(await verified(json)).toMatchObject({ ok: true, version });
  });

  it('uses version 6 and the active key when nothing else is asked for', async () => {
    const { json } = await operator('POST', '/operator/sign', { body: { url, body } });
    const active = await api.deps.keys.active();
    expect(await verified(json)).toMatchObject({ ok: true, version: 6, keyId: active.keyId });
  });

  it('uses the next key, or one that nobody published', async () => {
    const next = await operator('POST', '/operator/sign', { body: { url, body, key: 'next' } });
    expect(await verified(next.json)).toMatchObject({ ok: true, keyId: (await api.deps.keys.next()).keyId });
    const unknown = await operator('POST', '/operator/sign', { body: { url, body, key: 'unpublished' } });
    expect(await verified(unknown.json)).toMatchObject({ ok: false, reason: 'unknown_key' });
  });

  it('takes times and nonce as given', async () => {
    const { json } = await operator('POST', '/operator/sign', {
      body: { url, body, created: 1_000, expires: 1_010, nonce: 'n1' },
    });
    expect(field(json, 'signature-input')).toContain(';created=1000;expires=1010;nonce="n1"');
  });

  it.each([
    [{ body }, 'url: is required'],
    [{ url: 'ftp://a', body }, 'url: must be'],
    [{ url, body, version: 7 }, 'version: must be 6 or 15'],
    [{ url, body, key: 'other' }, 'key: must be one of'],
    [{ url, body, nonce: 'ü' }, 'nonce'],
    [{ url, body, more: 1 }, 'more: unknown field'],
  ])('refuses %j', async (request, detail) => {
    const answer = await operator('POST', '/operator/sign', { body: request });
    expect(answer).toMatchObject({ status: 400, json: { detail: expect.stringContaining(detail) } });
  });

  it('is for development servers only', async () => {
    const production = await startApi();
    try {
      const answer = await operatorOf(production)('POST', '/operator/sign', { body: { url, body } });
      expect(answer.status).toBe(404);
    } finally {
      await production.close();
    }
  });
});

describe('signing keys', () => {
  it('are listed without their private part', async () => {
    const { json, text } = await operator('GET', '/operator/signing-keys');
    const data = field(json, 'data');
    expect(data).toHaveLength(2);
    expect(text).not.toMatch(/PRIVATE|"d":/);
  });

  it('are not rotated before receivers can have the next one, unless forced', async () => {
    const before = await api.deps.keys.next();
    expect((await operator('POST', '/operator/signing-keys/rotate')).status).toBe(409);
    const forced = await operator('POST', '/operator/signing-keys/rotate', { body: { force: true } });
    expect(forced.json).toMatchObject({ active: { key_id: before.keyId, status: 'active' }, next: { status: 'next' } });
    const audit = await operator('GET', '/operator/audit?action=signing_keys.rotate');
    expect(field(audit.json, 'data')).toMatchObject([{ after: { active: before.keyId, forced: true } }]);
  });
});
