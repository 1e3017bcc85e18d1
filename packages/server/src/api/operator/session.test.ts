import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { field, type HttpAnswer, jsonBody, operatorToken, startApi, type TestApi } from '../api.fixture.ts';

let api: TestApi;
let nowMs = Date.parse('2026-03-01T12:00:00Z');
beforeAll(async () => {
  api = await startApi({ now: () => nowMs });
});
afterAll(() => api.close());

const own = { 'sec-fetch-site': 'same-origin' };

async function link(token = operatorToken): Promise<string> {
  const made = await api.call({ method: 'POST', target: '/operator/session', token });
  expect(made.status).toBe(201);
  return new URL(String(field(made.json, 'url'))).pathname;
}

async function open(path: string): Promise<HttpAnswer> {
  return api.call({ target: path });
}

async function signIn(token = operatorToken): Promise<string> {
  const opened = await open(await link(token));
  return String(opened.headers['set-cookie']).split(';')[0] ?? '';
}

async function makeToken(name: string, role: string): Promise<{ id: string; token: string }> {
  const made = await api.call({
    method: 'POST',
    target: '/operator/tokens',
    token: operatorToken,
    ...jsonBody({ name, role }),
  });
  expect(made.status).toBe(201);
  return { id: String(field(made.json, 'id')), token: String(field(made.json, 'token')) };
}

describe('the sign-in link', () => {
  it('opens once, and sets a cookie that scripts cannot read and other sites cannot send', async () => {
    const path = await link();
    const first = await open(path);
    expect(first.status).toBe(303);
    expect(first.headers['location']).toBe('/dashboard');
    expect(first.headers['set-cookie']).toMatch(
      /^bellhop_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/,
    );
    const second = await open(path);
    expect(second.headers['location']).toBe('/dashboard?sign-in=expired');
    expect(second.headers['set-cookie']).toBeUndefined();
  });

  it('is dead after a minute', async () => {
    const path = await link();
    nowMs += 60_001;
    expect((await open(path)).headers['location']).toBe('/dashboard?sign-in=expired');
  });

  it('leads to https, with a Secure cookie, when the proxy says so', async () => {
    const made = await api.call({
      method: 'POST',
      target: '/operator/session',
      token: operatorToken,
      headers: { host: 'ops.example', 'x-forwarded-proto': 'https' },
    });
    const url = new URL(String(field(made.json, 'url')));
    expect(url.origin).toBe('https://ops.example');
    const opened = await api.call({ target: url.pathname, headers: { 'x-forwarded-proto': 'https' } });
    const cookie = opened.headers['set-cookie'] ?? '';
    expect(cookie).toMatch(
      /^__Host-bellhop_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$/,
    );
    const headers = { cookie: cookie.split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' };
    expect((await api.call({ target: '/operator/session', headers })).status).toBe(200);
    // One that another host of the site could plant does not win over it.
    const planted = { ...headers, cookie: `bellhop_session=planted; ${headers.cookie}` };
    expect((await api.call({ target: '/operator/session', headers: planted })).status).toBe(200);
    const left = await api.call({ method: 'DELETE', target: '/operator/session', headers });
    expect(left.headers['set-cookie']).toMatch(/^__Host-bellhop_session=; .*Max-Age=0; Secure$/);
    expect((await api.call({ target: '/operator/session', headers })).status).toBe(401);
  });

  it('counts for nothing over https without the prefix, which another host of the site could plant', async () => {
    // What broke: the bare name was read where the prefixed one was missing, so a sibling host could sign somebody in.
    const { clientId } = await api.tenant();
    const made = await api.call({
      method: 'POST',
      target: `/operator/tenants/${clientId}/links`,
      token: operatorToken,
    });
    const opened = await open(new URL(String(field(made.json, 'url'))).pathname);
    const view = String(opened.headers['set-cookie']).split(';')[0] ?? '';
    const cookie = `${await signIn()}; ${view}`;
    const https = { cookie, ...own, 'x-forwarded-proto': 'https' };
    for (const target of ['/operator/session', '/view/api/session']) {
      expect((await api.call({ target, headers: { cookie, ...own } })).status, target).toBe(200);
      expect((await api.call({ target, headers: https })).status, target).toBe(401);
    }
    expect((await api.call({ target: '/dashboard', headers: https })).status).not.toBe(200);
    const prefixed = cookie
      .replace('bellhop_session', '__Host-bellhop_session')
      .replace('bellhop_view', '__Secure-bellhop_view');
    for (const target of ['/operator/session', '/view/api/session']) {
      expect((await api.call({ target, headers: { ...https, cookie: prefixed } })).status, target).toBe(200);
    }
  });

  it('keeps no secret in the database', async () => {
    const path = await link();
    const secret = path.split('/').at(-1) ?? '';
    const cookie = (await signIn()).split('=')[1] ?? '';
    const rows = JSON.stringify(await api.database.query('select * from operator_sessions'));
    expect(rows).not.toContain(secret);
    expect(rows).not.toContain(cookie);
  });
});

describe('a session', () => {
  it('says who is signed in, until it ends or is ended', async () => {
    const cookie = await signIn();
    const headers = { cookie, ...own };
    const who = await api.call({ target: '/operator/session', headers });
    expect(who.json).toMatchObject({ actor: 'operator', role: 'admin' });
    const out = await api.call({ method: 'DELETE', target: '/operator/session', headers });
    expect(out.status).toBe(204);
    expect(out.headers['set-cookie']).toContain('Max-Age=0');
    expect((await api.call({ target: '/operator/session', headers })).status).toBe(401);

    const another = { cookie: await signIn(), ...own };
    nowMs += 12 * 60 * 60 * 1000;
    expect((await api.call({ target: '/operator/session', headers: another })).status).toBe(401);
  });

  it('stands in the audit trail from the sign-in to the sign-out, under its token and without its secret', async () => {
    // What broke: nobody could see who had signed in.
    const { token } = await makeToken('day shift', 'operate');
    const cookie = await signIn(token);
    await api.call({ method: 'DELETE', target: '/operator/session', headers: { cookie, ...own } });
    const trail = async (action: string) =>
      api.call({ target: `/operator/audit?action=${action}&limit=1`, token: operatorToken });
    const [began, ended] = [await trail('operator_session.create'), await trail('operator_session.delete')];
    const actor = 'operator:day shift';
    const subject = expect.stringMatching(/^operator_session:[\da-f-]{36}$/);
    const until = new Date(nowMs + 12 * 60 * 60 * 1000).toISOString();
    expect(began.json).toMatchObject({
      data: [{ actor, subject, after: { actor, role: 'operate', expires_at: until } }],
    });
    expect(ended.json).toMatchObject({ data: [{ actor, subject, before: { actor, role: 'operate' } }] });
    expect(Object(began.json).data[0].subject).toBe(Object(ended.json).data[0].subject);
    expect(began.text + ended.text).not.toContain(cookie.split('=')[1]);
  });

  it('makes no sign-in link, so that it cannot go on without end', async () => {
    // What broke: it got a link for 12 h more, again and again.
    const headers = { cookie: await signIn(), ...own };
    const answer = await api.call({ method: 'POST', target: '/operator/session', headers });
    expect(answer.status).toBe(403);
    expect(answer.text).not.toContain('/dashboard/open/');
    // With a token the same browser may sign in anew.
    const asked = { method: 'POST', target: '/operator/session', headers, token: operatorToken };
    expect((await api.call(asked)).status).toBe(201);
  });

  it('cannot be used by another site, another origin of this site, or a form', async () => {
    const cookie = await signIn();
    const post = (headers: Record<string, string>) =>
      api.call({
        method: 'POST',
        target: '/operator/tenants',
        ...jsonBody({ name: 'A' }),
        headers: { cookie, 'content-type': 'application/json', ...headers },
      });
    expect((await post(own)).status).toBe(201);
    for (const site of ['cross-site', 'same-site', 'none']) {
      expect((await post({ 'sec-fetch-site': site })).status, site).toBe(401);
    }
    expect((await post({})).status).toBe(401);
    expect((await post({ origin: 'http://127.0.0.1:1' })).status).toBe(401);
    expect((await post({ origin: 'null' })).status).toBe(401);
    expect((await post({ origin: api.baseUrl, host: new URL(api.baseUrl).host })).status).toBe(201);
    const reading = await api.call({
      target: '/operator/webhooks',
      headers: { cookie, 'sec-fetch-site': 'same-site' },
    });
    expect(reading.status).toBe(401);
  });

  it('does not help a call that shows a wrong token', async () => {
    const cookie = await signIn();
    const answer = await api.call({ target: '/operator/webhooks', token: 'wrong', headers: { cookie, ...own } });
    expect(answer.status).toBe(401);
  });
});

describe('operator tokens', () => {
  it('may do what their role says', async () => {
    const reader = (await makeToken('reader', 'read')).token;
    const operator = (await makeToken('on call', 'operate')).token;
    const admin = (await makeToken('lead', 'admin')).token;
    const event = { client_id: crypto.randomUUID(), events: [{ type: 'ORDER.NEW', object: {} }] };
    const statuses = async (token: string) => [
      (await api.call({ target: '/operator/webhooks', token })).status,
      (await api.call({ method: 'POST', target: '/operator/events', token, ...jsonBody(event) })).status,
      (await api.call({ method: 'POST', target: '/operator/tenants', token, ...jsonBody({ name: 'A' }) })).status,
      (await api.call({ target: '/operator/tokens', token })).status,
    ];
    // 404: there is no such tenant, which only those learn who may publish.
    expect(await statuses(reader)).toEqual([200, 403, 403, 403]);
    expect(await statuses(operator)).toEqual([200, 404, 403, 403]);
    expect(await statuses(admin)).toEqual([200, 404, 201, 200]);
  });

  it('stand under their name in the audit trail', async () => {
    const { token } = await makeToken('night shift', 'admin');
    await api.call({ method: 'POST', target: '/operator/tenants', token, ...jsonBody({ name: 'B' }) });
    const audit = await api.call({ target: '/operator/audit?action=tenant.create&limit=1', token });
    expect(audit.json).toMatchObject({ data: [{ actor: 'operator:night shift', action: 'tenant.create' }] });
  });

  it('are gone once revoked, and so are the sessions made with them', async () => {
    const { id, token } = await makeToken('leaver', 'operate');
    const headers = { cookie: await signIn(token), ...own };
    expect((await api.call({ target: '/operator/session', headers })).json).toMatchObject({
      actor: 'operator:leaver',
      role: 'operate',
    });
    const revoked = await api.call({ method: 'DELETE', target: `/operator/tokens/${id}`, token: operatorToken });
    expect(revoked.status).toBe(204);
    expect((await api.call({ target: '/operator/webhooks', token })).status).toBe(401);
    expect((await api.call({ target: '/operator/session', headers })).status).toBe(401);
  });

  it('have names of their own, end when they say so, and are kept as hashes', async () => {
    await makeToken('twice', 'read');
    const again = await api.call({
      method: 'POST',
      target: '/operator/tokens',
      token: operatorToken,
      ...jsonBody({ name: 'twice', role: 'admin' }),
    });
    expect(again.status).toBe(409);
    const short = await api.call({
      method: 'POST',
      target: '/operator/tokens',
      token: operatorToken,
      ...jsonBody({ name: 'for a day', role: 'read', expires_in_days: 1 }),
    });
    const token = String(field(short.json, 'token'));
    expect((await api.call({ target: '/operator/webhooks', token })).status).toBe(200);
    nowMs += 24 * 60 * 60 * 1000;
    expect((await api.call({ target: '/operator/webhooks', token })).status).toBe(401);
    const everything = JSON.stringify([
      await api.database.query('select * from operator_tokens'),
      await api.database.query('select * from audit'),
    ]);
    expect(everything).not.toContain(token);
  });
});
