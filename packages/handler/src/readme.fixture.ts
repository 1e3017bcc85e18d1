import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createClient } from '@bellhop/client';
import { createHandler, remoteKeys, toNode } from '@bellhop/handler';

// `bellhop dev` writes this file; in production the values come from your configuration.
const dev = JSON.parse(readFileSync(process.env['BELLHOP_DEV_JSON'] ?? '.bellhop/dev.json', 'utf8'));
const client = createClient({
  baseUrl: dev.base_url, // or 'sandbox' or 'live'
  clientId: dev.client_id,
  clientSecret: dev.client_secret,
  key: { keyId: dev.key_id, privateKey: readFileSync(dev.private_key_file, 'utf8') },
});

const webhooks = createHandler({ keys: remoteKeys(client) })
  .on('ORDER.FILLED', ({ object }) => console.log(`order ${object.id} of user ${object.user_id} is filled`))
  .on('USER.*', ({ type, id }) => console.log(`${type} ${id}`))
  .fallback(({ type }, { why }) => console.log(`${type} is ${why}`));

await webhooks.start();
const server = createServer(toNode(webhooks)).listen(Number(process.env['PORT'] ?? 3000));
process.once('SIGTERM', () => server.close(() => webhooks.stop()));
