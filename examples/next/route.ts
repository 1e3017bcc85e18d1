// app/webhooks/route.ts of a Next.js app. `webhooks.start()` belongs into `register()` of instrumentation.ts.
import { toRouteHandler } from '@bellhop/handler/next';
import { webhooks } from '../shared/webhooks.ts';

export const runtime = 'nodejs'; // keys and digests are those of node:crypto
export const POST = toRouteHandler(webhooks);
