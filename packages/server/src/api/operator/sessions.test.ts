import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { field, jsonBody, operatorToken, startApi, type TestApi } from '../api.fixture.ts';
import { operatorOf } from './operator.fixture.ts';

let api: TestApi;
let nowMs: number;
const minuteMs = 60_000;

beforeEach(async () => {
  nowMs = Date.parse('2026-03-01T12:00:00Z');
  api = await startApi({ now: () => nowMs });
});
afterEach(() => api.close());

type SessionHeaders = Readonly<Record<string, string>>;

async function signIn(token = operatorToken): Promise<SessionHeaders> {
  const made = await api.call({ method: 'POST', target: '/operator/session', token });
  const opened = await api.call({ target: new URL(String(field(made.json, 'url'))).pathname });
  return { cookie: String(opened.headers['set-cookie']).split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' };
}

async function makeToken(name: string, role: string): Promise<string> {
  const body = jsonBody({ name, role });
  const made = await api.call({ method: 'POST', target: '/operator/tokens', token: operatorToken, ...body });
  return String(field(made.json, 'token'));
}

async function list(headers: SessionHeaders): Promise<{ id: string; actor: string; current: boolean }[]> {
  const answer = await api.call({ target: '/operator/sessions', headers });
  expect(answer.status).toBe(200);
  return Object(answer.json).data;
}

const own = async (headers: SessionHeaders): Promise<string> =>
  (await list(headers)).find(({ current }) => current)?.id ?? '';
const end = (id: string, headers: SessionHeaders) =>
  api.call({ method: 'DELETE', target: `/operator/sessions/${id}`, headers });
const statusOf = async (headers: SessionHeaders) => (await api.call({ target: '/operator/session', headers })).status;

describe('a session that is unused', () => {
  it('ends after half an hour, for calls, pages and the list', async () => {
    const [unused, used] = [await signIn(), await signIn()];
    nowMs += 20 * minuteMs;
    expect(await statusOf(used)).toBe(200);
    nowMs += 10 * minuteMs;
    expect(await statusOf(unused)).toBe(401);
    expect((await api.call({ target: '/dashboard', headers: unused })).status).not.toBe(200);
    expect(await list(used)).toMatchObject([{ current: true }]);
    nowMs += 30 * minuteMs - 1;
    expect(await statusOf(used)).toBe(200);
  });

  it('ends after as long as the service was told', async () => {
    await api.close();
    api = await startApi({ now: () => nowMs, config: { sessionIdleMinutes: 5 } });
    const headers = await signIn();
    nowMs += 5 * minuteMs - 1;
    expect(await statusOf(headers)).toBe(200);
    nowMs += 5 * minuteMs;
    expect(await statusOf(headers)).toBe(401);
  });

  it('lasts 12 h at most however much it is used', async () => {
    const headers = await signIn();
    for (let hour = 0; hour < 24; hour += 1) {
      expect(await statusOf(headers)).toBe(200);
      nowMs += 30 * minuteMs - 1;
    }
    expect(await statusOf(headers)).toBe(200);
    nowMs += 24;
    expect(await statusOf(headers)).toBe(401);
  });

  it('has its use written down once a minute, however many calls there are', async () => {
    const headers = await signIn();
    const versions = async () => api.database.query('select xmin::text, last_used_at from operator_sessions');
    const before = await versions();
    nowMs += minuteMs - 1;
    for (let call = 0; call < 5; call += 1) await statusOf(headers);
    expect(await versions()).toEqual(before);
    nowMs += 1;
    await statusOf(headers);
    const after = await versions();
    expect(after).toMatchObject([{ last_used_at: new Date(nowMs) }]);
    await statusOf(headers);
    expect(await versions()).toEqual(after);
  });
});

describe('what rests on a token', () => {
  const tenantLinkPath = async (token: string, of: TestApi = api): Promise<string> => {
    const { clientId } = await of.tenant();
    const body = jsonBody({ expires_in_minutes: 24 * 60 });
    const target = `/operator/tenants/${clientId}/links`;
    const made = await of.call({ method: 'POST', target, token, ...body });
    expect(made.status).toBe(201);
    return new URL(String(field(made.json, 'url'))).pathname;
  };
  const viewCookie = async (path: string): Promise<SessionHeaders> => {
    const opened = await api.call({ target: path });
    return { cookie: String(opened.headers['set-cookie']).split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' };
  };

  it('ends when the configured token is another one: sessions, sign-in links, tenant links, and the lists of them', async () => {
    // What broke: after a restart with another BELLHOP_OPERATOR_TOKEN, the sessions of the old one were admin still.
    const old = await signIn();
    const unopened = await api.call({ method: 'POST', target: '/operator/session', token: operatorToken });
    const linkPath = await tenantLinkPath(operatorToken);
    const view = await viewCookie(linkPath);
    const reader = await signIn(await makeToken('reader', 'read'));

    const config = { operatorToken: 'the-operator-token-after-the-change' };
    const database = { ...api.database, close: async () => {} };
    const changed = await startApi({ database, now: () => nowMs, config });
    const get = (target: string, headers: SessionHeaders) => changed.call({ target, headers });
    expect((await get('/operator/session', old)).status).toBe(401);
    expect((await get('/dashboard', old)).status).not.toBe(200);
    const body = jsonBody({ name: 'kept', role: 'admin' });
    const taken = await changed.call({
      method: 'POST',
      target: '/operator/tokens',
      body: body.body,
      headers: { ...body.headers, ...old },
    });
    expect(taken.status).toBe(401);
    const late = await get(new URL(String(field(unopened.json, 'url'))).pathname, {});
    expect(late.headers).toMatchObject({ location: '/dashboard?sign-in=expired' });
    expect((await get('/view/api/webhooks', view)).status).toBe(401);
    expect((await get(linkPath, {})).headers).toMatchObject({ location: '/view?link=ended' });
    // Those of other tokens stay, and only those are listed.
    expect((await get('/operator/session', reader)).status).toBe(200);
    const listed = await changed.call({ target: '/operator/sessions', token: config.operatorToken });
    expect(Object(listed.json).data).toMatchObject([{ actor: 'operator:reader' }]);
    await changed.close();

    // Back at the old one nothing was lost.
    expect(await statusOf(old)).toBe(200);
    expect((await api.call({ target: '/view/api/webhooks', headers: view })).status).toBe(200);
  });

  it('ends with the time of its token, and says so from the start', async () => {
    // What broke: a token that had expired was refused, and its sessions were not.
    const made = await api.call({
      method: 'POST',
      target: '/operator/tokens',
      token: operatorToken,
      ...jsonBody({ name: 'for a day', role: 'operate', expires_in_days: 1 }),
    });
    const token = String(field(made.json, 'token'));
    const tokenEndsAt = field(made.json, 'expires_at');
    nowMs += 23 * 60 * minuteMs;
    const link = await api.call({ method: 'POST', target: '/operator/session', token });
    const opened = await api.call({ target: new URL(String(field(link.json, 'url'))).pathname });
    expect(opened.headers['set-cookie']).toContain('Max-Age=3600');
    const session = {
      cookie: String(opened.headers['set-cookie']).split(';')[0] ?? '',
      'sec-fetch-site': 'same-origin',
    };
    expect((await api.call({ target: '/operator/session', headers: session })).json).toMatchObject({
      expires_at: tokenEndsAt,
    });
    const view = await viewCookie(await tenantLinkPath(token));
    for (let used = 0; used < 3; used += 1) {
      nowMs += 20 * minuteMs - 1;
      expect(await statusOf(session)).toBe(200);
      expect((await api.call({ target: '/view/api/webhooks', headers: view })).status).toBe(200);
    }
    nowMs += 3;
    expect((await api.call({ target: '/operator/webhooks', token })).status).toBe(401);
    expect(await statusOf(session)).toBe(401);
    expect((await api.call({ target: '/view/api/webhooks', headers: view })).status).toBe(401);
  });

  it('ends at once when the end of its token is moved', async () => {
    const session = await signIn(await makeToken('leaver', 'operate'));
    expect(await statusOf(session)).toBe(200);
    await api.database.query('update operator_tokens set expires_at = $1', [new Date(nowMs)]);
    expect(await statusOf(session)).toBe(401);
  });
});

describe('the stream of an open page', () => {
  /** Reads until the service ends the stream; tells of each piece. */
  async function read(headers: SessionHeaders, onPiece: () => void): Promise<void> {
    const response = await fetch(`${api.baseUrl}/operator/stream`, { headers });
    expect(response.status).toBe(200);
    for await (const _ of response.body ?? []) onPiece();
  }

  it('is use of the session', async () => {
    const headers = await signIn();
    const written = async () =>
      (await api.database.query<{ last_used_at: Date }>('select last_used_at from operator_sessions'))[0]?.last_used_at;
    const stream = read(headers, () => {});
    for (let minute = 0; minute < 3; minute += 1) {
      nowMs += minuteMs;
      await expect.poll(written, { timeout: 20_000 }).toEqual(new Date(nowMs));
    }
    expect((await end(await own(headers), headers)).status).toBe(204);
    nowMs += minuteMs;
    await stream;
  });

  it('ends with the token too', async () => {
    const token = await makeToken('leaver', 'read');
    let pieces = 0;
    const stream = read({ authorization: `Bearer ${token}` }, () => {
      pieces += 1;
    });
    await expect.poll(() => pieces, { timeout: 20_000 }).toBeGreaterThan(0);
    await api.database.query('delete from operator_tokens');
    nowMs += minuteMs;
    await stream;
  });
});

describe('the list of sessions', () => {
  it('holds those of the own token, and all of them for an admin, without anything secret', async () => {
    const [reader, operator] = [await makeToken('reader', 'read'), await makeToken('on call', 'operate')];
    const first = await signIn(reader);
    nowMs += 1;
    const second = await signIn(reader);
    nowMs += 1;
    await signIn(operator);
    const seen = await list(first);
    expect(seen).toMatchObject([
      { actor: 'operator:reader', current: true },
      { actor: 'operator:reader', current: false },
    ]);
    expect(await own(second)).toBe(seen[1]?.id);
    const answer = await operatorOf(api)('GET', '/operator/sessions');
    expect(Object(answer.json).data).toMatchObject([
      { actor: 'operator:reader', role: 'read' },
      { actor: 'operator:reader' },
      { actor: 'operator:on call', role: 'operate', current: false },
    ]);
    for (const { cookie = '' } of [first, second]) expect(answer.text).not.toContain(cookie.split('=')[1]);
  });

  it('ends one of the own, but not what is another token’s', async () => {
    const [reader, operator] = [await makeToken('reader', 'read'), await makeToken('on call', 'operate')];
    const [first, second, other, admin] = [
      await signIn(reader),
      await signIn(reader),
      await signIn(operator),
      await signIn(),
    ];
    const ids = { second: await own(second), other: await own(other), admin: await own(admin) };
    for (const id of [ids.other, ids.admin, crypto.randomUUID()]) expect((await end(id, first)).status).toBe(404);
    expect([await statusOf(other), await statusOf(admin)]).toEqual([200, 200]);
    expect((await end(ids.second, first)).status).toBe(204);
    expect((await end(ids.second, first)).status).toBe(404);
    expect([await statusOf(first), await statusOf(second)]).toEqual([200, 401]);
    const audit = await operatorOf(api)('GET', '/operator/audit?action=operator_session.delete');
    expect(Object(audit.json).data).toMatchObject([
      { actor: 'operator:reader', subject: `operator_session:${ids.second}`, before: { actor: 'operator:reader' } },
    ]);
  });

  it('lets an admin end any, its own too', async () => {
    const [other, admin] = [await signIn(await makeToken('reader', 'read')), await signIn()];
    expect((await end(await own(other), admin)).status).toBe(204);
    expect((await end(await own(admin), admin)).status).toBe(204);
    expect([await statusOf(other), await statusOf(admin)]).toEqual([401, 401]);
  });
});
