// Hono on Node: npm run example -- hono
import { toHono } from '@bellhop/handler/hono';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { host, listening, port, stopWith } from '../shared/run.ts';
import { effects, webhooks } from '../shared/webhooks.ts';

const app = new Hono();
app.post('/webhooks', toHono(webhooks));
app.get('/effects', (context) => context.json(effects.list()));

await webhooks.start();
const server = serve({ fetch: app.fetch, port, hostname: host }, (address) => listening(address.port));
stopWith(() => server.close());
