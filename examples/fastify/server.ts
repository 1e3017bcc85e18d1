// Fastify 5: npm run example -- fastify
import { toFastify } from '@bellhop/handler/fastify';
import { fastify } from 'fastify';
import { host, listening, port, stopWith } from '../shared/run.ts';
import { effects, webhooks } from '../shared/webhooks.ts';

const app = fastify();
app.register(toFastify(webhooks), { path: '/webhooks' }); // the rest of the app keeps its body parser
app.get('/effects', async () => effects.list());

await webhooks.start();
const origin = await app.listen({ port, host });
listening(Number(new URL(origin).port));
stopWith(() => app.close());
