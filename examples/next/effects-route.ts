// app/effects/route.ts of a Next.js app.
import { effects } from '../shared/webhooks.ts';

export const dynamic = 'force-dynamic';
export const GET = (): Response => Response.json(effects.list());
