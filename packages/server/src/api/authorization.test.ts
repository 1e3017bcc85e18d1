// The authorization matrix: every route of the table x every kind of caller. The table below is written by hand, so that
// a route that nobody thought about fails here.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashConfiguredToken, hashToken, newToken } from '../keys/client-secrets.ts';
import {
  insertOperatorSession,
  insertOperatorToken,
  type OperatorRole,
  operatorRoles,
} from '../store/operator-access.ts';
import { deleteTenantLink, insertTenantLink } from '../store/tenant-links.ts';
import { type CallOptions, operatorToken, startApi, type TestApi, type TestTenant } from './api.fixture.ts';
import type { Route } from './route.ts';
import { routes } from './routes.ts';

const read = 'webhooks:read webhooks:admin';
const admin = 'webhooks:admin';

/** Who may call: `public`, `signed`, `operator`, `link` (of a tenant), whoever knows the path, or the scopes of which a tenant's token needs one. */
const expected: Readonly<Record<string, string>> = {
  'POST /auth/token': 'signed',
  'GET /auth/verify_keys': read,
  'GET /webhooks': read,
  'POST /webhooks': admin,
  'GET /webhooks/{webhook_id}': read,
  'PATCH /webhooks/{webhook_id}': admin,
  'DELETE /webhooks/{webhook_id}': admin,
  'POST /webhooks/{webhook_id}/test': admin,
  'GET /events-acceptor-service/health': 'signed',
  'POST /events-acceptor-service/endpoints': admin,
  'GET /events-acceptor-service/endpoints/{endpoint_id}': admin,
  'DELETE /events-acceptor-service/endpoints/{endpoint_id}': admin,
  'POST /events-acceptor-service/receive/{token}': 'secret in the path',
  'GET /healthz': 'public',
  'GET /readyz': 'public',
  'GET /openapi.json': 'public',
  'GET /metrics': 'public',
  'GET /operator/attempts': 'operator',
  'GET /operator/attempts/{attempt_id}': 'operator',
  'GET /dashboard': 'session',
  'GET /dashboard/*': 'session',
  'GET /dashboard/assets/{name}': 'asset',
  'GET /dashboard/open/{link}': 'sign-in link',
  'GET /view': 'page',
  'GET /view/*': 'page',
  'GET /view/open/{link}': 'tenant link',
  'GET /view/api/session': 'link',
  'DELETE /view/api/session': 'link',
  'GET /view/api/webhooks': 'link',
  'GET /view/api/webhooks/activity': 'link',
  'GET /view/api/webhooks/{webhook_id}': 'link',
  'GET /view/api/webhooks/{webhook_id}/history': 'link',
  'GET /view/api/webhooks/{webhook_id}/parked': 'link',
  'GET /view/api/attempts': 'link',
  'GET /view/api/attempts/{attempt_id}': 'link',
  'GET /view/api/events': 'link',
  'GET /view/api/events/{event_id}': 'link',
  'GET /docs': 'page',
  'GET /docs/{name}': 'asset',
  'GET /operator/audit': 'operator',
  'GET /operator/events': 'operator',
  'POST /operator/events': 'operator',
  'GET /operator/events/{event_id}': 'operator',
  'GET /operator/event-types': 'operator',
  'GET /operator/event-types/{type}/example': 'operator',
  'GET /operator/overview': 'operator',
  'GET /operator/rollups': 'operator',
  'DELETE /operator/session': 'operator',
  'GET /operator/session': 'operator',
  'POST /operator/session': 'operator',
  'GET /operator/sessions': 'operator',
  'DELETE /operator/sessions/{session_id}': 'operator',
  'GET /operator/stream': 'operator',
  'GET /operator/system': 'operator',
  'GET /operator/support-bundle': 'operator',
  'GET /operator/tokens': 'operator',
  'POST /operator/tokens': 'operator',
  'DELETE /operator/tokens/{token_id}': 'operator',
  'POST /operator/sign': 'operator',
  'GET /operator/signing-keys': 'operator',
  'DELETE /operator/signing-keys/{key_id}': 'operator',
  'POST /operator/signing-keys/rotate': 'operator',
  'GET /operator/tenants': 'operator',
  'POST /operator/tenants': 'operator',
  'DELETE /operator/tenants/{client_id}': 'operator',
  'GET /operator/tenants/{client_id}': 'operator',
  'PATCH /operator/tenants/{client_id}': 'operator',
  'GET /operator/tenants/{client_id}/delivery-certificate': 'operator',
  'PUT /operator/tenants/{client_id}/delivery-certificate': 'operator',
  'DELETE /operator/tenants/{client_id}/delivery-certificate': 'operator',
  'GET /operator/tenants/{client_id}/keys': 'operator',
  'POST /operator/tenants/{client_id}/keys': 'operator',
  'DELETE /operator/tenants/{client_id}/keys/{key_id}': 'operator',
  'GET /operator/tenants/{client_id}/links': 'operator',
  'POST /operator/tenants/{client_id}/links': 'operator',
  'DELETE /operator/tenants/{client_id}/links/{link_id}': 'operator',
  'GET /operator/tenants/{client_id}/refused-calls': 'operator',
  'POST /operator/tenants/{client_id}/secret': 'operator',
  'DELETE /operator/tenants/{client_id}/tokens': 'operator',
  'GET /operator/tenants/{client_id}/tokens': 'operator',
  'DELETE /operator/tenants/{client_id}/tokens/{token_id}': 'operator',
  'GET /operator/webhooks': 'operator',
  'GET /operator/webhooks/activity': 'operator',
  'POST /operator/webhooks/bulk': 'operator',
  'POST /operator/webhooks/{webhook_id}/mute': 'operator',
  'GET /operator/webhooks/{webhook_id}': 'operator',
  'GET /operator/webhooks/{webhook_id}/history': 'operator',
  'POST /operator/webhooks/{webhook_id}/disable': 'operator',
  'POST /operator/webhooks/{webhook_id}/enable': 'operator',
  'GET /operator/webhooks/{webhook_id}/parked': 'operator',
  'POST /operator/webhooks/{webhook_id}/replay': 'operator',
  'POST /operator/webhooks/{webhook_id}/retry': 'operator',
  'POST /operator/webhooks/{webhook_id}/skip': 'operator',
  'POST /operator/webhooks/{webhook_id}/test': 'operator',
};

/** What a role of an operator is needed for: reading needs `read`, all else `operate` but for these. */
const adminRoutes = [
  'DELETE /operator/signing-keys/{key_id}',
  'DELETE /operator/tenants/{client_id}',
  'DELETE /operator/tenants/{client_id}/delivery-certificate',
  'DELETE /operator/tenants/{client_id}/keys/{key_id}',
  'DELETE /operator/tenants/{client_id}/tokens',
  'DELETE /operator/tenants/{client_id}/tokens/{token_id}',
  'DELETE /operator/tokens/{token_id}',
  'GET /operator/tokens',
  'PATCH /operator/tenants/{client_id}',
  'POST /operator/signing-keys/rotate',
  'POST /operator/tenants',
  'POST /operator/tenants/{client_id}/keys',
  'POST /operator/tenants/{client_id}/secret',
  'POST /operator/tokens',
  'PUT /operator/tenants/{client_id}/delivery-certificate',
];
/** Their own sessions. */
const readRoutes = ['DELETE /operator/session', 'DELETE /operator/sessions/{session_id}', 'POST /operator/session'];

function roleFor(name: string): OperatorRole {
  if (adminRoutes.includes(name)) return 'admin';
  return name.startsWith('GET ') || readRoutes.includes(name) ? 'read' : 'operate';
}

const scopes = ['webhooks:read', 'webhooks:admin', 'other:admin'];

let api: TestApi;
let tenant: TestTenant;
let other: TestTenant;
const tokens = new Map<string, string>();
let table: readonly Route[];

beforeAll(async () => {
  // `dev` has routes of its own.
  api = await startApi({ config: { dev: true } });
  tenant = await api.tenant({ scopes });
  other = await api.tenant({ scopes });
  for (const scope of scopes) tokens.set(scope, await api.token(tenant, scope));
  tokens.set('stranger', await api.token(other, scopes.join(' ')));
  table = routes(api.deps);
});
afterAll(() => api.close());

function nameOf(route: Route): string {
  return `${route.method} ${route.path}`;
}

function callOf(route: Route, caller: Pick<CallOptions, 'tenant' | 'token' | 'sign' | 'headers'>): CallOptions {
  const target = route.path.replaceAll(/\{[^}]+\}/g, () => randomUUID());
  return { method: route.method, target, headOnly: true, ...caller };
}

/** A link of the tenant that ends after a time. */
async function link(endsAfterMs: number): Promise<{ id: string; secret: string }> {
  const secret = newToken();
  const id = randomUUID();
  const now = new Date();
  await insertTenantLink(api.database, {
    id,
    clientId: tenant.clientId,
    hash: hashToken(secret),
    madeBy: 'operator',
    tokenId: undefined,
    configuredHash: hashConfiguredToken(operatorToken),
    expiresAt: new Date(now.getTime() + endsAfterMs),
    now,
  });
  return { id, secret };
}

async function statusOf(
  route: Route,
  caller: Pick<CallOptions, 'tenant' | 'token' | 'sign' | 'headers'>,
): Promise<number> {
  return (await api.call(callOf(route, caller))).status;
}

const passed = expect.not.stringMatching(/^(40[13]|5\d\d)$/);

describe('the authorization matrix', () => {
  it('names every route, and no route that does not exist', () => {
    expect(table.map(nameOf).sort()).toEqual(Object.keys(expected).sort());
  });

  it('knows what every kind of route demands', () => {
    const kinds = new Set(Object.values(expected).filter((kind) => !kind.includes(':')));
    expect([...kinds].sort()).toEqual([
      'asset',
      'link',
      'operator',
      'page',
      'public',
      'secret in the path',
      'session',
      'sign-in link',
      'signed',
      'tenant link',
    ]);
  });

  it('holds for pages: they hold nothing of anybody, want a session, or lead to no cookie without their link', async () => {
    const wanted: Readonly<Record<string, object>> = {
      page: { status: 200, cookie: undefined },
      asset: { status: 404, cookie: undefined },
      session: { status: 401, cookie: undefined },
      'sign-in link': { status: 303, cookie: undefined },
      'tenant link': { status: 303, cookie: undefined },
    };
    for (const route of table) {
      const kind = expected[nameOf(route)] ?? '';
      if (!(kind in wanted)) continue;
      const etags = new Set<unknown>();
      for (const caller of [{}, { token: operatorToken }, { tenant, token: tokens.get(admin) }]) {
        const { status, headers } = await api.call(callOf(route, caller));
        expect({ status, cookie: headers['set-cookie'] }, nameOf(route)).toEqual(wanted[kind]);
        etags.add(headers['etag']);
      }
      expect(etags.size, nameOf(route)).toBe(1);
    }
  });

  it('holds for routes of tenants', async () => {
    let checked = 0;
    for (const route of table) {
      const needed = expected[nameOf(route)] ?? '';
      if (!needed.includes(':')) continue;
      const allowed = needed.split(' ');
      const found: Record<string, string> = {
        'no credentials': String(await statusOf(route, { headers: { 'upvest-client-id': tenant.clientId } })),
        'token, no signature': String(await statusOf(route, { tenant, sign: false, token: tokens.get(admin) })),
        'signature, no token': String(await statusOf(route, { tenant })),
        'token of another tenant': String(await statusOf(route, { tenant, token: tokens.get('stranger') })),
        'operator token': String(await statusOf(route, { token: operatorToken })),
        'signature and operator token': String(await statusOf(route, { tenant, token: operatorToken })),
      };
      const wanted: Record<string, unknown> = {
        'no credentials': '401',
        'token, no signature': '401',
        'signature, no token': '401',
        'token of another tenant': '401',
        'operator token': '400',
        'signature and operator token': '401',
      };
      for (const scope of scopes) {
        found[scope] = String(await statusOf(route, { tenant, token: tokens.get(scope) }));
        wanted[scope] = allowed.includes(scope) ? passed : '403';
      }
      expect({ route: nameOf(route), ...found }).toEqual({ route: nameOf(route), ...wanted });
      checked += Object.keys(wanted).length;
    }
    process.stdout.write(`routes of tenants x callers and scopes checked: ${checked}\n`);
  });

  it('holds for routes that need a signature and no token', async () => {
    for (const route of table) {
      if (expected[nameOf(route)] !== 'signed') continue;
      expect(await statusOf(route, {}), nameOf(route)).toBe(400);
      expect(await statusOf(route, { tenant, sign: false }), nameOf(route)).toBe(401);
      expect(await statusOf(route, { tenant: { ...tenant, key: other.key } }), nameOf(route)).toBe(401);
      expect(String(await statusOf(route, { tenant })), nameOf(route)).toEqual(passed);
    }
  });

  it('holds for routes of the operator', async () => {
    for (const route of table) {
      if (expected[nameOf(route)] !== 'operator') continue;
      expect(route.path, nameOf(route)).toMatch(/^\/operator\//);
      expect(await statusOf(route, {}), nameOf(route)).toBe(401);
      expect(await statusOf(route, { token: `${operatorToken}x` }), nameOf(route)).toBe(401);
      expect(await statusOf(route, { headers: { authorization: operatorToken } }), nameOf(route)).toBe(401);
      expect(await statusOf(route, { tenant, token: tokens.get(admin) }), nameOf(route)).toBe(401);
      expect(String(await statusOf(route, { token: operatorToken })), nameOf(route)).toEqual(passed);
    }
  });

  it('holds for each role of an operator, and for none once its token has run out', async () => {
    const now = new Date();
    const roleTokens = new Map<string, string>();
    for (const role of [...operatorRoles, 'expired'] as const) {
      const token = newToken();
      await insertOperatorToken(api.database, {
        id: randomUUID(),
        name: role,
        role: role === 'expired' ? 'admin' : role,
        hash: hashToken(token),
        expiresAt: role === 'expired' ? new Date(now.getTime() - 1_000) : undefined,
        now,
      });
      roleTokens.set(role, token);
    }
    let checked = 0;
    for (const route of table) {
      const name = nameOf(route);
      if (expected[name] !== 'operator') continue;
      const needed = operatorRoles.indexOf(roleFor(name));
      for (const [index, role] of operatorRoles.entries()) {
        const status = await statusOf(route, { token: roleTokens.get(role) });
        expect(String(status), `${name} as ${role}`).toEqual(index < needed ? '403' : passed);
        checked += 1;
      }
      expect(await statusOf(route, { token: roleTokens.get('expired') }), name).toBe(401);
    }
    process.stdout.write(`routes: ${table.length}; operator routes x roles checked: ${checked}\n`);
  });

  it('holds for public routes', async () => {
    for (const route of table) {
      if (expected[nameOf(route)] !== 'public') continue;
      expect(await statusOf(route, {}), nameOf(route)).toBe(200);
    }
  });

  it('holds for routes whose path is the secret: a wrong one is 404, whoever asks', async () => {
    const secret = (route: Route): Route => ({ ...route, path: route.path.replace('{token}', 'x'.repeat(43)) });
    const found = table.filter((route) => expected[nameOf(route)] === 'secret in the path').map(secret);
    expect(found).toHaveLength(1);
    for (const route of found) {
      expect(await statusOf(route, {}), nameOf(route)).toBe(404);
      expect(await statusOf(route, { tenant, token: tokens.get(admin) }), nameOf(route)).toBe(404);
      expect(await statusOf(route, { token: operatorToken }), nameOf(route)).toBe(404);
    }
  });

  it('holds for routes of a tenant link, which opens nothing else', async () => {
    const links = {
      good: await link(60_000),
      expired: await link(-1_000),
      revoked: await link(60_000),
    };
    await deleteTenantLink(api.database, tenant.clientId, links.revoked.id);
    const session = newToken();
    const now = new Date();
    await insertOperatorSession(api.database, {
      hash: hashToken(session),
      kind: 'session',
      actor: 'operator',
      role: 'admin',
      tokenId: undefined,
      configuredHash: hashConfiguredToken(operatorToken),
      expiresAt: new Date(now.getTime() + 60_000),
      now,
    });
    const cookie = (value: string, more: Record<string, string> = {}) => ({
      headers: { cookie: `bellhop_view=${value}`, 'sec-fetch-site': 'same-origin', ...more },
    });
    let checked = 0;
    for (const route of table) {
      const name = nameOf(route);
      if (expected[name] !== 'link') continue;
      expect(name).toMatch(/^(GET \/view\/api\/|DELETE \/view\/api\/session$)/);
      const found = {
        good: String(await statusOf(route, cookie(links.good.secret))),
        'no credentials': await statusOf(route, {}),
        'unknown link': await statusOf(route, cookie(newToken())),
        'expired link': await statusOf(route, cookie(links.expired.secret)),
        'revoked link': await statusOf(route, cookie(links.revoked.secret)),
        'link as the operator session': await statusOf(route, {
          headers: { cookie: `bellhop_session=${links.good.secret}` },
        }),
        'link as a bearer token': await statusOf(route, { token: links.good.secret }),
        'operator session as a link': await statusOf(route, cookie(session)),
        'operator token': await statusOf(route, { token: operatorToken }),
        'signature and token': await statusOf(route, { tenant, token: tokens.get(admin) }),
        'page of another origin': await statusOf(route, cookie(links.good.secret, { 'sec-fetch-site': 'same-site' })),
      };
      const refused = Object.fromEntries(Object.keys(found).map((caller) => [caller, 401]));
      expect({ name, ...found }).toEqual({ name, ...refused, good: passed });
      checked += 1;
    }
    for (const route of table) {
      const kind = expected[nameOf(route)] ?? '';
      if (!(kind === 'operator' || kind === 'signed' || kind.includes(':'))) continue;
      const status = await statusOf(route, cookie(links.good.secret));
      expect(status, nameOf(route)).toBe(kind === 'operator' ? 401 : 400);
      expect(await statusOf(route, { tenant, token: links.good.secret }), nameOf(route)).toEqual(
        kind === 'signed' ? expect.any(Number) : 401,
      );
      checked += 1;
    }
    process.stdout.write(`routes checked with a tenant link: ${checked}\n`);
  });

  it('lets each listener serve its own routes only', () => {
    const paths = (listener: 'tenant' | 'operator') => routes(api.deps, listener).map((route) => route.path);
    expect(paths('tenant').filter((path) => path.startsWith('/operator') || path === '/metrics')).toEqual([]);
    expect(paths('tenant').filter((path) => path.startsWith('/dashboard'))).toEqual(['/dashboard/assets/{name}']);
    expect(paths('operator').filter((path) => /^\/(webhooks|auth|view)/.test(path))).toEqual([]);
  });
});
