// The dashboard's pages: one document for every path below /dashboard, its assets, the sign-in link, and the API reference
// at /docs. The document holds no data; what it shows comes from the operator API, with the session's cookie. Without a
// session it is a 401 whose page asks for the operator token.
//
// The same document serves what a tenant link opens, below /view: its data comes from `view-data.ts`, with the link's cookie.
// Tenants reach these on their own listener, where there is no operator API.

import { dashboardFolder } from '@bellhop/dashboard';
import { z } from 'zod';
import { hashToken, newToken } from '../../keys/client-secrets.ts';
import { insertAudit } from '../../store/audit.ts';
import { insertOperatorSession, takeOperatorLink } from '../../store/operator-access.ts';
import { findTenantLink, noteTenantLinkOpened } from '../../store/tenant-links.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { findSession, tokenCheck } from '../operator-access.ts';
import { problem } from '../problem.ts';
import { type Answer, type Call, type Route, route } from '../route.ts';
import { isHttpsCall, newSessionCookie, newViewCookie, readSessionCookie } from '../session-cookie.ts';
import { fileResponse, type PageFile, readPageFiles } from './page-files.ts';
import { viewDataRoutes } from './view-data.ts';

/** Of a session, unless its token ends earlier. */
const sessionSeconds = 12 * 60 * 60;

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The reference is a foreign component whose templates carry style attributes; its scripts are bound as everywhere. */
const docsPolicy = policy.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'");

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const;

const documentHeaders = { ...securityHeaders, 'content-security-policy': policy, 'cache-control': 'no-cache' };
const assetHeaders = { ...securityHeaders, 'cache-control': 'public, max-age=31536000, immutable' };

const page = {
  method: 'GET' as const,
  access: 'public' as const,
  isPage: true,
  responses: { 200: { description: 'A page', schema: null } },
};

type WithFile = (path: string, show: (file: PageFile) => Promise<Answer> | Answer) => Promise<Answer>;

function fileReader(): WithFile {
  let reading: ReturnType<typeof readPageFiles> | undefined;
  const files = (): ReturnType<typeof readPageFiles> => {
    reading ??= readPageFiles(dashboardFolder);
    return reading;
  };

  return async (path, show) => {
    const known = await files();
    if (!known) return problem('service_unavailable', 'The pages are not built: run npm run build');
    const file = known.get(path);
    return file ? show(file) : problem('not_found', 'There is nothing at this path');
  };
}

export function dashboardRoutes(deps: ApiDependencies): Route[] {
  const { database } = deps;
  const withFile = fileReader();

  const hasSession = async (headers: Headers): Promise<boolean> => {
    const secret = readSessionCookie(headers, deps.config.publicUrl);
    if (secret === undefined) return false;
    return (await findSession(deps, secret)) !== undefined;
  };

  const showDocument = ({ headers }: Pick<Call<unknown, unknown, unknown>, 'headers'>): Promise<Answer> =>
    withFile('index.html', async (file) => {
      const status = (await hasSession(headers)) ? 200 : 401;
      return { status, response: fileResponse(file, headers, documentHeaders, status) };
    });

  return [
    route({
      ...page,
      path: '/dashboard',
      operationId: 'get_dashboard',
      summary: 'The dashboard',
      handle: showDocument,
    }),
    route({
      ...page,
      path: '/dashboard/*',
      operationId: 'get_dashboard_page',
      summary: 'A page of the dashboard',
      handle: showDocument,
    }),
    assetRoute(withFile),
    route({
      ...page,
      path: '/dashboard/open/{link}',
      changesByGet: true,
      operationId: 'open_dashboard',
      summary: 'Open a sign-in link: sets the session and goes to the dashboard',
      params: z.strictObject({ link: z.string().max(100) }),
      async handle({ params, headers }) {
        const check = tokenCheck(deps);
        const { now, configuredHash } = check;
        const secret = newToken();
        const session = await database.transaction(async (tx) => {
          const link = await takeOperatorLink(tx, hashToken(params.link), check);
          if (!link) return undefined;
          const { actor, role } = link;
          const row = await insertOperatorSession(tx, {
            hash: hashToken(secret),
            kind: 'session',
            actor,
            role,
            tokenId: link.token_id ?? undefined,
            configuredHash,
            expiresAt: new Date(now.getTime() + sessionSeconds * 1_000),
            now,
          });
          await insertAudit(tx, {
            actor,
            action: 'operator_session.create',
            subject: `operator_session:${row.id}`,
            after: { actor, role, expires_at: row.expires_at.toISOString() },
            at: now,
          });
          return row;
        });
        const common = { ...documentHeaders, 'cache-control': 'no-store' };
        if (!session) return { status: 303, headers: { ...common, location: '/dashboard?sign-in=expired' } };
        const seconds = Math.ceil((session.expires_at.getTime() - now.getTime()) / 1_000);
        const cookie = newSessionCookie(secret, seconds, isHttpsCall(headers, deps.config.publicUrl));
        return { status: 303, headers: { ...common, location: '/dashboard', 'set-cookie': cookie } };
      },
    }),
  ];
}

/** The API reference, on every listener as the document that it shows. */
export function docsRoutes(): Route[] {
  const withFile = fileReader();
  return [
    route({
      ...page,
      path: '/docs',
      operationId: 'get_docs',
      summary: 'The API reference',
      handle: ({ headers }) =>
        withFile('docs.html', (file) => ({
          status: 200,
          response: fileResponse(file, headers, { ...documentHeaders, 'content-security-policy': docsPolicy }),
        })),
    }),
    route({
      ...page,
      path: '/docs/{name}',
      operationId: 'get_docs_asset',
      summary: 'A part of the API reference',
      params: z.strictObject({ name: z.string() }),
      handle: ({ params, headers }) =>
        withFile(`docs/${params.name}`, (file) => ({
          status: 200,
          response: fileResponse(file, headers, documentHeaders),
        })),
    }),
  ];
}

/** What a tenant link opens; also on the tenants' own listener. */
export function viewRoutes(deps: ApiDependencies, withAssets: boolean): Route[] {
  const { database } = deps;
  const withFile = fileReader();
  const showDocument = ({ headers }: Pick<Call<unknown, unknown, unknown>, 'headers'>): Promise<Answer> =>
    withFile('index.html', (file) => ({ status: 200, response: fileResponse(file, headers, documentHeaders) }));
  return [
    route({ ...page, path: '/view', operationId: 'get_view', summary: "A tenant's view", handle: showDocument }),
    route({
      ...page,
      path: '/view/*',
      operationId: 'get_view_page',
      summary: "A page of a tenant's view",
      handle: showDocument,
    }),
    route({
      ...page,
      path: '/view/open/{link}',
      changesByGet: true,
      operationId: 'open_view',
      summary: 'Open a tenant link: sets its cookie and goes to the view',
      params: z.strictObject({ link: z.string().max(100) }),
      async handle({ params, headers }) {
        const check = tokenCheck(deps);
        const { now } = check;
        const link = await findTenantLink(database, hashToken(params.link), check);
        const common = { ...documentHeaders, 'cache-control': 'no-store' };
        if (!link) return { status: 303, headers: { ...common, location: '/view?link=ended' } };
        await noteTenantLinkOpened(database, link.id, now);
        const seconds = Math.ceil((link.expires_at.getTime() - now.getTime()) / 1_000);
        const cookie = newViewCookie(params.link, seconds, isHttpsCall(headers, deps.config.publicUrl));
        return { status: 303, headers: { ...common, location: '/view/webhooks', 'set-cookie': cookie } };
      },
    }),
    ...(withAssets ? [assetRoute(withFile)] : []),
    ...viewDataRoutes(deps),
  ];
}

function assetRoute(withFile: WithFile): Route {
  return route({
    ...page,
    path: '/dashboard/assets/{name}',
    operationId: 'get_dashboard_asset',
    summary: 'A part of the dashboard',
    params: z.strictObject({ name: z.string() }),
    handle: ({ params, headers }) =>
      withFile(`assets/${params.name}`, (file) => ({
        status: 200,
        response: fileResponse(file, headers, assetHeaders),
      })),
  });
}
