import { connect } from 'node:net';
import { generateSigningKey } from '@bellhop/signatures';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, jsonBody, operatorToken, startApi, type TestApi, type TestTenant } from './api.fixture.ts';
import { contractFaults, hasContract } from './contract.fixture.ts';

let api: TestApi;
let tenant: TestTenant;
let token: string;
let nowMs = Date.parse('2026-05-01T12:00:00Z');

beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
  tenant = await api.tenant();
  token = await api.token(tenant);
});
afterAll(() => api.close());

const url = 'https://tenant.example.com/webhooks';

describe('the order of checks', () => {
  // Each call is wrong in one more way than the next, so the first wrong thing decides.
  it('is client id, signature, token, scope, route and id, accept, input', async () => {
    const reader = await api.tenant({ scopes: ['webhooks:read'] });
    const readToken = await api.token(reader, 'webhooks:read');
    const other = await api.tenant();
    const wrongInput = { method: 'PATCH', target: '/webhooks/x', ...jsonBody({ nonsense: 1 }) };
    const headers = { ...wrongInput.headers, accept: 'text/html' };
    const everything = { ...wrongInput, headers };
    const steps = [
      await api.call({ ...everything, headers: { ...headers, 'upvest-client-id': undefined }, tenant, sign: false }),
      await api.call({ ...everything, tenant: reader, sign: false, token: 'x' }),
      await api.call({ ...everything, tenant: reader, token: 'x' }),
      await api.call({ ...everything, tenant: reader, token: readToken }),
      await api.call({ ...everything, tenant, token }),
    ];
    expect(steps.map((step) => [step.status, String(field(step.json, 'type')).split('/').at(-1)])).toEqual([
      [400, 'missing_client_id'],
      [401, 'unauthorised'],
      [401, 'unauthorised'],
      [403, 'forbidden'],
      [404, 'not_found'],
    ]);
    expect(field(steps[1]?.json, 'detail')).toMatch(/^Signature is incorrect: /);
    expect(field(steps[2]?.json, 'detail')).toMatch(/^authorization: /);
    const made = await api.call({
      method: 'POST',
      target: '/webhooks',
      tenant,
      token,
      ...jsonBody({ title: 'A', url }),
    });
    const existing = { ...everything, target: `/webhooks/${String(field(made.json, 'id'))}` };
    expect((await api.call({ ...existing, tenant, token })).status).toBe(406);
    expect((await api.call({ ...existing, headers: wrongInput.headers, tenant, token })).status).toBe(400);
    expect((await api.call({ ...existing, tenant: other, token: await api.token(other) })).status).toBe(404);
  });

  it('holds on unknown paths too: who cannot sign learns nothing about paths', async () => {
    expect((await api.call({ target: '/nowhere' })).status).toBe(400);
    expect((await api.call({ target: '/nowhere', tenant, sign: false })).status).toBe(401);
    expect((await api.call({ target: '/nowhere', tenant })).status).toBe(401);
    expect((await api.call({ target: '/nowhere', tenant, token })).status).toBe(404);
    expect((await api.call({ target: '/operator/nowhere' })).status).toBe(401);
    expect((await api.call({ target: '/operator/nowhere', token: operatorToken })).status).toBe(404);
  });

  it('answers 405 with the methods of the path', async () => {
    const answer = await api.call({ method: 'DELETE', target: '/webhooks', tenant, token });
    expect(answer.status).toBe(405);
    expect(answer.headers['allow']).toBe('GET, POST');
    expect((await api.call({ method: 'GET', target: '/auth/token', tenant })).status).toBe(405);
    expect((await api.call({ method: 'POST', target: '/healthz' })).status).toBe(405);
  });
});

describe('client id', () => {
  it('is refused when it is no UUID', async () => {
    const answer = await api.call({ target: '/webhooks', tenant, token, headers: { 'upvest-client-id': 'me' } });
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toBe('upvest-client-id: must be a UUID');
  });
});

describe('signatures', () => {
  const detail = (json: unknown) => field(json, 'detail');

  it('are taken in version 15 and in version 6', async () => {
    for (const version of [15, 6] as const) {
      const answer = await api.call({
        method: 'POST',
        target: '/webhooks?a=b',
        tenant,
        token,
        version,
        ...jsonBody({ title: 'A', url }),
      });
      expect(answer.status, answer.text).toBe(201);
    }
  });

  it('of P-521 and Ed25519 are taken, of P-256 only behind the setting', async () => {
    const p521 = await api.tenant({ algorithm: 'ecdsa-p521' });
    expect(await api.token(p521)).toMatch(/./);
    const p256 = await api.tenant({ algorithm: 'ecdsa-p256' });
    await expect(api.token(p256)).rejects.toThrow('algorithm_not_accepted');
  });

  it('hold for one call only', async () => {
    const call = { target: '/webhooks', tenant, token, sign: { nonce: 'once' } };
    expect((await api.call(call)).status).toBe(200);
    const again = await api.call(call);
    expect(again.status).toBe(401);
    expect(detail(again.json)).toBe('Signature is incorrect: replayed');
    const upper = { ...tenant, key: { ...tenant.key, keyId: tenant.key.keyId.toUpperCase() } };
    expect(detail((await api.call({ ...call, tenant: upper })).json)).toBe('Signature is incorrect: replayed');
  });

  it('are refused when anything signed was changed', async () => {
    const post = { method: 'POST', target: '/webhooks', tenant, token, ...jsonBody({ title: 'A', url }) };
    const answers = [
      await api.call({ ...post, tamperBody: JSON.stringify({ title: 'B', url }) }),
      await api.call({ ...post, tamper: { accept: '*/*' } }),
      await api.call({ ...post, tamper: { authorization: `Bearer ${token}x` } }),
      await api.call({ ...post, tamper: { 'upvest-signature-version': '16' } }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([401, 401, 401, 401]);
    for (const answer of answers) expect(detail(answer.json)).toMatch(/^Signature is incorrect: [a-z_]+$/);
  });

  it('must cover the token', async () => {
    const answer = await api.call({ target: '/webhooks', tenant, token, sign: { components: ['@method', '@path'] } });
    expect(detail(answer.json)).toBe('Signature is incorrect: insufficient_cover');
  });

  it('must cover an idempotency key, and need none', async () => {
    // One that was added on the way was taken, and the answer kept under it.
    const post = { method: 'POST', target: '/webhooks', tenant, token, ...jsonBody({ title: 'A', url }) };
    const key = { 'idempotency-key': crypto.randomUUID() };
    for (const version of [6, 15] as const) {
      const added = await api.call({ ...post, version, tamper: key });
      expect(detail(added.json)).toBe('Signature is incorrect: insufficient_cover');
    }
    expect((await api.call({ ...post, headers: { ...post.headers, ...key } })).status).toBe(201);
    expect((await api.call(post)).status).toBe(201);
  });

  it('are refused when they are old, from another client, or by a key nobody gave', async () => {
    const seconds = Math.floor(nowMs / 1000);
    const old = await api.call({
      target: '/webhooks',
      tenant,
      token,
      sign: { created: seconds - 100, expires: seconds - 31 },
    });
    expect(detail(old.json)).toBe('Signature is incorrect: expired');
    const other = await api.tenant();
    const foreign = await api.call({ target: '/webhooks', tenant: { ...tenant, key: other.key }, token });
    expect(detail(foreign.json)).toBe('Signature is incorrect: unknown_key');
    const key = await generateSigningKey(tenant.key.keyId, 'ed25519');
    const forged = await api.call({ target: '/webhooks', tenant: { ...tenant, key }, token });
    expect(detail(forged.json)).toBe('Signature is incorrect: signature_mismatch');
    const noUuid = await generateSigningKey('key-1', 'ed25519');
    const named = await api.call({ target: '/webhooks', tenant: { ...tenant, key: noUuid }, token });
    expect(detail(named.json)).toBe('Signature is incorrect: unknown_key');
  });

  it('are verified over the path and query as sent', async () => {
    // Would the server decode or join these, the signatures would not fit and the answer be 401.
    for (const target of [
      '//webhooks',
      '/./webhooks',
      '/a/../webhooks',
      '/%77ebhooks',
      '/webhooks/%41',
      '/webhooks/',
    ]) {
      const answer = await api.call({ target, tenant, token });
      expect(answer.status, `${target} ${answer.text}`).toBe(404);
    }
    for (const target of ['/webhooks?limit=%31', '/webhooks?limit=1&&', "/webhooks?a='%20+%2B", '/webhooks?']) {
      const answer = await api.call({ target, tenant, token });
      expect(answer.status, `${target} ${answer.text}`).toBe(200);
    }
  });
});

describe('tokens', () => {
  it('are refused when absent, malformed, unknown, or of another client', async () => {
    const other = await api.tenant();
    const refused = [
      await api.call({ target: '/webhooks', tenant }),
      await api.call({ target: '/webhooks', tenant, headers: { authorization: `Basic ${token}` } }),
      await api.call({ target: '/webhooks', tenant, token: 'unknown' }),
      await api.call({ target: '/webhooks', tenant: other, token }),
    ];
    expect(refused.map((answer) => answer.status)).toEqual([401, 401, 401, 401]);
    for (const answer of refused) expect(field(answer.json, 'detail')).toMatch(/^authorization: /);
  });

  it('lose a scope with their tenant', async () => {
    const demoted = await api.tenant();
    const held = await api.token(demoted);
    await api.database.query('update tenants set scopes = $2 where client_id = $1', [
      demoted.clientId,
      ['webhooks:read'],
    ]);
    expect((await api.call({ target: '/webhooks', tenant: demoted, token: held })).status).toBe(200);
    const create = { method: 'POST', target: '/webhooks', ...jsonBody({ title: 'A', url }) };
    expect((await api.call({ ...create, tenant: demoted, token: held })).status).toBe(403);
  });
});

describe('accept and versions', () => {
  it.each([
    ['application/json', 200],
    ['application/*', 200],
    ['*/*', 200],
    ['text/html, application/json;q=0.5', 200],
    [undefined, 200],
    ['text/html', 406],
    ['application/json;q=0', 406],
    ['application/json;q=0, */*', 406],
    ['application/problem+json', 406],
    ['nonsense', 406],
  ])('with accept %s the status is %i', async (accept, status) => {
    expect((await api.call({ target: '/webhooks', tenant, token, headers: { accept } })).status).toBe(status);
  });

  it('refuses another API version', async () => {
    const call = (version: string) =>
      api.call({ target: '/webhooks', tenant, token, headers: { 'upvest-api-version': version } });
    expect((await call('1')).status).toBe(200);
    const answer = await call('2');
    expect(answer.status).toBe(400);
    expect(field(answer.json, 'detail')).toBe('upvest-api-version: must be 1');
  });
});

describe('problem answers', () => {
  it('have the fields of the contract, and the id of the response header', async () => {
    const answer = await api.call({ target: '/webhooks', tenant, sign: false });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json).toEqual({
      type: 'https://docs.upvest.co/errors/unauthorised',
      status: 401,
      title: 'Unauthorised',
      detail: expect.any(String),
      request_id: answer.headers['upvest-request-id'],
    });
    if (hasContract) expect(contractFaults('GET', '/webhooks', answer)).toBe('');
  });

  it('say 503 with retry-after while the database is away, on every kind of route', async () => {
    api.database.outage = true;
    try {
      const calls = [
        { target: '/webhooks', tenant, token },
        { target: '/operator/tenants', token: operatorToken },
      ];
      for (const call of calls) {
        const answer = await api.call(call);
        expect(answer.status).toBe(503);
        expect(answer.headers['retry-after']).toBe('1');
        expect(field(answer.json, 'type')).toBe('https://docs.upvest.co/errors/service_unavailable');
        if (hasContract && call.tenant) expect(contractFaults('GET', '/webhooks', answer)).toBe('');
      }
    } finally {
      api.database.outage = false;
    }
    expect((await api.call({ target: '/webhooks', tenant, token })).status).toBe(200);
  });

  it('are given to what is not HTTP or has a broken target', async () => {
    for (const text of ['nonsense\r\n\r\n', 'GET /web\\hooks HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n']) {
      const answer = await raw(text);
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
      expect(answer.toLowerCase()).toContain('upvest-request-id: ');
      expect(answer).toContain('https://docs.upvest.co/errors/bad_request');
    }
  });
});

describe('headers that browsers obey', () => {
  it('forbid everything on what is no page, and tell of https where it is', async () => {
    const plain = await api.call({ target: '/webhooks' });
    expect(plain.headers['content-security-policy']).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(plain.headers['x-content-type-options']).toBe('nosniff');
    expect(plain.headers['strict-transport-security']).toBeUndefined();
    const secure = await api.call({ target: '/healthz', headers: { 'x-forwarded-proto': 'https' } });
    expect(secure.headers['strict-transport-security']).toBe('max-age=31536000');
  });

  it('forbid to keep any JSON answer, whoever asks and however it ends', async () => {
    const calls = [
      { status: 200, call: { target: '/webhooks', tenant, token } },
      { status: 201, call: { method: 'POST', target: '/webhooks', tenant, token, ...jsonBody({ title: 'A', url }) } },
      { status: 200, call: { target: '/operator/tenants', token: operatorToken } },
      { status: 200, call: { target: '/operator/attempts', token: operatorToken } },
      { status: 404, call: { target: `/webhooks/${crypto.randomUUID()}`, tenant, token } },
      { status: 401, call: { target: '/operator/tenants' } },
    ];
    for (const { status, call } of calls) {
      const answer = await api.call(call);
      expect([call.target, answer.status, answer.headers['cache-control']]).toEqual([call.target, status, 'no-store']);
    }
  });
});

describe('TRACE', () => {
  it('is refused and echoes nothing', async () => {
    const headers = { 'x-secret': 'an echo' };
    const answer = await api.call({ method: 'TRACE', target: '/healthz', headers });
    expect([400, 405]).toContain(answer.status);
    expect(answer.text).not.toContain('an echo');
  });
});

describe('the access log', () => {
  it('tells at info who was refused and who got a token, without a secret, and nothing of other calls', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
    const logged = await startApi({ logger });
    try {
      const tenant = await logged.tenant();
      const token = await logged.token(tenant);
      expect((await logged.call({ target: '/webhooks', tenant, token })).status).toBe(200);
      expect((await logged.call({ target: '/webhooks', tenant, token: 'guessed-token' })).status).toBe(401);
      expect((await logged.call({ target: '/operator/tenants', token: 'guessed-operator' })).status).toBe(401);
      const inside = { title: 'A', url: 'https://169.254.169.254/hunter2' };
      const create = { method: 'POST', target: '/webhooks', tenant, token, ...jsonBody(inside) };
      expect((await logged.call(create)).status).toBe(400);
      const entries: unknown[] = lines.map((line) => JSON.parse(line));
      expect(entries.map((entry) => [field(entry, 'msg'), field(entry, 'route'), field(entry, 'status')])).toEqual([
        ['access', '/auth/token', 200],
        ['access', '/webhooks', 401],
        ['access', '/operator/tenants', 401],
        ['access', '/webhooks', 400],
      ]);
      expect(entries[3]).toMatchObject({ actor: `tenant:${tenant.clientId}`, reason: 'url_refused' });
      expect(entries[1]).toMatchObject({ claimed: tenant.clientId, remote: expect.stringContaining('127.0.0.1') });
      for (const secret of [token, tenant.secret, 'guessed', 'hunter2']) expect(lines.join('')).not.toContain(secret);
    } finally {
      await logged.close();
    }
  });
});

describe('throttling', () => {
  it('keeps no nonce of a throttled call, and a repeated call uses up nothing', async () => {
    let atMs = Date.parse('2026-05-01T12:00:00Z');
    const slow = await startApi({ now: () => atMs, config: { throttle: { requestsPerSecond: 0.001, burst: 3 } } });
    try {
      const tenant = await slow.tenant();
      const call = (nonce: string) => slow.call({ target: '/events-acceptor-service/health', tenant, sign: { nonce } });
      expect((await call('a')).status).toBe(200);
      for (let repeat = 0; repeat < 5; repeat += 1) expect((await call('a')).status).toBe(401);
      expect([(await call('b')).status, (await call('c')).status]).toEqual([200, 200]);
      expect((await call('d')).status).toBe(429);
      const rows = await slow.database.query<{ nonce: string }>('select nonce from nonces order by nonce');
      expect(rows.map(({ nonce }) => nonce)).toEqual(['a', 'b', 'c']);
      atMs += 1_000_000;
      expect((await call('d')).status).toBe(200);
    } finally {
      await slow.close();
    }
  });

  it('asks the database nothing for a call beyond the allowance', async () => {
    const slow = await startApi({ config: { throttle: { requestsPerSecond: 0.001, burst: 1 } } });
    try {
      const tenant = await slow.tenant();
      const call = () => slow.call({ target: '/events-acceptor-service/health', tenant });
      expect((await call()).status).toBe(200);
      // Nobody gets at the keys any more: whoever asked for one would wait.
      await slow.database.transaction(async (locked) => {
        await locked.query('lock table tenant_keys in access exclusive mode');
        expect((await call()).status).toBe(429);
      });
    } finally {
      await slow.close();
    }
  });

  it('asks the database nothing for a call that it has seen', async () => {
    // 6,000 repeats of one captured call were as many look-ups, verifications and inserts, and nobody else got a turn.
    const tenant = await api.tenant();
    const token = await api.token(tenant);
    const call = () => api.call({ target: '/webhooks', tenant, token, sign: { nonce: 'captured' } });
    expect((await call()).status).toBe(200);
    // Nobody gets at the database any more: whoever asked it would wait.
    await api.database.transaction(async () => {
      const repeats = await Promise.all(Array.from({ length: 50 }, call));
      expect(new Set(repeats.map(({ json }) => field(json, 'detail')))).toEqual(
        new Set(['Signature is incorrect: replayed']),
      );
    });
  });

  it('has few forgeries at work and waiting at a time, and turns away the rest', async () => {
    // Wrong signatures under a known key id were looked up and verified as fast as they came.
    const slow = await startApi({ config: { throttle: { requestsPerSecond: 0.001, burst: 3 } } });
    try {
      const tenant = await slow.tenant();
      const token = await slow.token(tenant);
      const call = (as = token) => slow.call({ target: '/events-acceptor-service/health', tenant, token: as });
      expect((await call()).status).toBe(200);
      const forge = () =>
        slow.call({ target: '/events-acceptor-service/health', tenant, token: 'x', tamper: { accept: '*/*' } });
      const statuses: number[] = [];
      let turnedAway = () => {};
      const isFull = new Promise<void>((resolve) => {
        turnedAway = resolve;
      });
      let forgeries: Promise<void>[] = [];
      await slow.database.transaction(async () => {
        forgeries = Array.from({ length: 100 }, async () => {
          statuses.push((await forge()).status);
          if (statuses.length === 34) turnedAway();
        });
        await isFull;
        expect(new Set(statuses)).toEqual(new Set([429]));
      });
      await Promise.all(forgeries);
      // 2 at work and 64 waiting.
      expect(statuses.filter((status) => status === 401)).toHaveLength(66);
      // The allowance is the tenant's still.
      expect([(await call()).status, (await call()).status]).toEqual([200, 429]);
    } finally {
      await slow.close();
    }
  });

  it('limits each operator token on its own, and never publishing', async () => {
    let atMs = nowMs;
    const limits = { requestsPerSecond: 0.5, burst: 3 };
    const slow = await startApi({ now: () => atMs, config: { operatorThrottle: limits } });
    try {
      const call = (token: string, method: string, target: string, body?: unknown) =>
        slow.call({ method, target, token, ...(body === undefined ? {} : jsonBody(body)) });
      const made = await call(operatorToken, 'POST', '/operator/tokens', { name: 'other', role: 'read' });
      const other = String(field(made.json, 'token'));
      const statuses = [];
      for (let count = 0; count < 4; count += 1) {
        statuses.push((await call(operatorToken, 'GET', '/operator/tenants')).status);
      }
      expect(statuses).toEqual([200, 200, 429, 429]);
      const refused = await call(operatorToken, 'GET', '/operator/tenants');
      expect(refused.headers['retry-after']).toBe('2');
      expect((await call(other, 'GET', '/operator/tenants')).status).toBe(200);
      // A wrong token uses nobody's allowance up.
      expect((await call('wrong', 'GET', '/operator/tenants')).status).toBe(401);
      const event = { type: 'USER.CREATED', created_at: '2026-05-01T12:00:00Z', object: {} };
      const { clientId } = await slow.tenant();
      const publish = () => call(operatorToken, 'POST', '/operator/events', { client_id: clientId, events: [event] });
      for (let count = 0; count < 10; count += 1) expect((await publish()).status).toBe(202);
      atMs += 2_000;
      expect((await call(operatorToken, 'GET', '/operator/tenants')).status).toBe(200);
    } finally {
      await slow.close();
    }
  });

  it('limits calls with tenant links as the tenant, and apart from its signed ones', async () => {
    // What broke: they were counted as an operator's, 1,000 a second.
    const throttle = { requestsPerSecond: 0.5, burst: 3 };
    const operatorThrottle = { requestsPerSecond: 1_000, burst: 2_000 };
    const slow = await startApi({ now: () => nowMs, config: { throttle, operatorThrottle } });
    try {
      const tenant = await slow.tenant();
      const held = await slow.token(tenant);
      const cookies = [];
      for (let count = 0; count < 2; count += 1) {
        const target = `/operator/tenants/${tenant.clientId}/links`;
        const made = await slow.call({ method: 'POST', target, token: operatorToken });
        const opened = await slow.call({ target: new URL(String(field(made.json, 'url'))).pathname });
        cookies.push(opened.headers['set-cookie']?.split(';')[0]);
      }
      const statuses = [];
      for (let count = 0; count < 4; count += 1) {
        const headers = { cookie: cookies[count % 2], 'sec-fetch-site': 'same-origin' };
        statuses.push((await slow.call({ target: '/view/api/webhooks', headers })).status);
      }
      expect(statuses).toEqual([200, 200, 200, 429]);
      expect((await slow.call({ target: '/webhooks', tenant, token: held })).status).toBe(200);
    } finally {
      await slow.close();
    }
  });

  it('answers 429 with retry-after per client, and lets through again later', async () => {
    let atMs = nowMs;
    const slow = await startApi({ now: () => atMs, config: { throttle: { requestsPerSecond: 0.5, burst: 2 } } });
    try {
      const first = await slow.tenant();
      const second = await slow.tenant();
      const held = await slow.token(first);
      const list = () => slow.call({ target: '/webhooks', tenant: first, token: held });
      expect((await list()).status).toBe(200);
      const refused = await list();
      expect(refused.status).toBe(429);
      expect(refused.headers['retry-after']).toBe('2');
      expect(field(refused.json, 'type')).toBe('https://docs.upvest.co/errors/too_many_requests');
      // Who cannot sign does not use the allowance up.
      await slow.call({ target: '/webhooks', tenant: second, sign: false });
      expect(await slow.token(second)).toMatch(/./);
      atMs += 2000;
      expect((await list()).status).toBe(200);
    } finally {
      await slow.close();
    }
  });
});

describe('public routes', () => {
  it('answer without credentials', async () => {
    expect((await api.call({ target: '/healthz' })).json).toEqual({ status: 'ok' });
    expect((await api.call({ target: '/readyz' })).json).toEqual({ status: 'ready' });
    const metrics = await api.call({ target: '/metrics' });
    expect(metrics.headers['content-type']).toContain('text/plain');
    expect(metrics.text).toContain(
      'bellhop_http_request_duration_seconds_count{method="GET",route="/healthz",status="200"}',
    );
    expect((await api.call({ method: 'HEAD', target: '/healthz' })).status).toBe(200);
  });

  it('say why the service is not ready', async () => {
    const starting = await startApi({ ready: () => ({ ready: false, reason: 'The database is being migrated' }) });
    try {
      const answer = await starting.call({ target: '/readyz' });
      expect(answer.status).toBe(503);
      expect(field(answer.json, 'detail')).toBe('The database is being migrated');
    } finally {
      await starting.close();
    }
  });
});

describe('verify_keys', () => {
  it('answers the active and the next key, the same at every call', async () => {
    const keys = () => api.call({ target: '/auth/verify_keys', tenant, token });
    const answer = await keys();
    const list = field(answer.json, 'keys');
    expect(list).toHaveLength(2);
    for (const key of Array.isArray(list) ? list : []) {
      expect(key).toEqual({
        kid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        kty: 'EC',
        crv: 'P-521',
        x: expect.stringMatching(/^[A-Za-z0-9_-]{88}$/),
        y: expect.stringMatching(/^[A-Za-z0-9_-]{88}$/),
      });
    }
    expect((await keys()).json).toEqual(answer.json);
    nowMs += 1;
  });
});

function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(api.baseUrl).port), '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}
