import { readFileSync } from 'node:fs';
import { createClient } from '@bellhop/client';

// `bellhop dev` writes this file; in production the values come from your configuration.
const dev = JSON.parse(readFileSync(process.env['BELLHOP_DEV_JSON'] ?? '.bellhop/dev.json', 'utf8'));

const client = createClient({
  baseUrl: dev.base_url, // or 'sandbox' or 'live'
  clientId: dev.client_id,
  clientSecret: dev.client_secret,
  key: { keyId: dev.key_id, privateKey: readFileSync(dev.private_key_file, 'utf8') },
});

const webhook = await client.webhooks.create({ title: 'Orders', url: 'https://tenant.tld/webhooks', type: ['ORDER'] });
await client.webhooks.enable(webhook.id);
for await (const { id, title, enabled } of client.webhooks.iterate()) console.log(id, title, enabled);
