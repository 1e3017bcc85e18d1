import { createServer } from 'node:http';
import { createHandler, memoryInbox, remoteKeys, toNode } from '@bellhop/handler';
import { client } from './client.mjs';

const handler = createHandler({ keys: remoteKeys(client), inbox: memoryInbox() })
  .on('USER.CREATED', async ({ object }) => console.log(`hello ${object.first_name} ${object.last_name}`))
  .on('ORDER.*', async ({ type, object }) => console.log(`${type} ${object.id}`))
  .fallback(async ({ type }) => console.log(`${type}, nothing to do`));
await handler.start();

const port = Number(process.env.PORT ?? 3000);
createServer(toNode(handler)).listen(port, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${port}/webhooks`);
});
