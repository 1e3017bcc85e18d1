// Express 5 (4 is the same): npm run example -- express
import { createServer } from 'node:http';
import { toExpress } from '@bellhop/handler/express';
import express from 'express';
import { listen } from '../shared/run.ts';
import { effects, webhooks } from '../shared/webhooks.ts';

const app = express();
app.post('/webhooks', toExpress(webhooks)); // above every body parser
app.use(express.json());
app.get('/effects', (_request, response) => {
  response.json(effects.list());
});

await webhooks.start();
listen(createServer(app));
