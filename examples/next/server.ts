// Next.js route handlers (app router): npm run example -- next
// The two route files are what a Next app holds. Here a small host on node:http calls them as Next would, by method and path,
// so that the example starts in no time and without the framework's 100 MB; Next itself is not booted.
import { serve } from '@hono/node-server';
import { host, listening, port, stopWith } from '../shared/run.ts';
import { webhooks } from '../shared/webhooks.ts';
import * as effectsRoute from './effects-route.ts';
import * as webhooksRoute from './route.ts';

const routes: Record<string, Record<string, unknown>> = { '/webhooks': webhooksRoute, '/effects': effectsRoute };

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined;
  if (route === undefined) return new Response(null, { status: 404 });
  const run = Object.hasOwn(route, request.method) ? route[request.method] : undefined;
  return typeof run === 'function' ? run(request) : new Response(null, { status: 405 });
}

await webhooks.start();
const server = serve({ fetch: answer, port, hostname: host }, (address) => listening(address.port));
stopWith(() => server.close());
