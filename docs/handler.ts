import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createClient } from '@bellhop/client';
import { createHandler, memoryInbox, remoteKeys, toNode } from '@bellhop/handler';

const dev = JSON.parse(readFileSync('.bellhop/dev.json', 'utf8')); // made by `npm start`
const key = { keyId: dev.key_id, privateKey: readFileSync(dev.private_key_file, 'utf8') };
const { base_url: baseUrl, client_id: clientId, client_secret: clientSecret } = dev; // later: baseUrl 'sandbox' or 'live'
const client = createClient({ baseUrl, clientId, clientSecret, key });

const handler = createHandler({ keys: remoteKeys(client), inbox: memoryInbox() })
  .on('ORDER.FILLED', async ({ object }) => console.log('filled', object.id, object.executions)) // typed from the catalogue
  .on('ACCOUNT.*', async ({ type, object }) => console.log(type, object.id))
  .fallback(async ({ type }) => console.log('nobody asked for', type)); // never an error: that would block the queue

await handler.start();
createServer(toNode(handler)).listen(3000, '127.0.0.1');
