import { createHandler, remoteKeys } from '@bellhop/handler'; // 1
import { toExpress } from '@bellhop/handler/express'; // 2
import { sqliteInbox } from '@bellhop/handler/sqlite'; // 3
import express from 'express';
import { client } from './client.mjs'; // 4

const orders = new Map();

const inbox = sqliteInbox(process.env.INBOX_FILE ?? '.bellhop/inbox.sqlite'); // 5
const webhooks = createHandler({ keys: remoteKeys(client), inbox }) // 6
  .on('ORDER.*', async ({ object }) => orders.set(object.id, object.status)) // 7
  .fallback(async ({ type }) => console.log(`${type}, nothing to do`)); // 8
await webhooks.start(); // 9

const app = express();
app.post('/webhooks', toExpress(webhooks)); // 10, above every body parser
app.use(express.json());
app.get('/orders', (_request, response) => response.json(Object.fromEntries(orders)));
app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log('the app listens'));
