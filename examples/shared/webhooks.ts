// The handler that all examples serve: keys of the service that `npm start` runs, a durable inbox in a file, three listeners.
// In your backend this is one module, and the file of your framework mounts it.
//
//   BELLHOP_DEV_JSON   credentials as `bellhop dev` writes them; default .bellhop/dev.json
//   DATA_DIR           the folder of the inbox; default .bellhop/example
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '@bellhop/client';
import { createHandler, remoteKeys } from '@bellhop/handler';
import { sqliteInbox } from '@bellhop/handler/sqlite';
import { openEffects, recordEffect } from './effects.ts';

// In production these values come from your configuration.
const dev = JSON.parse(readFileSync(process.env['BELLHOP_DEV_JSON'] ?? '.bellhop/dev.json', 'utf8'));
const client = createClient({
  baseUrl: dev.base_url, // or 'sandbox' or 'live'
  clientId: dev.client_id,
  clientSecret: dev.client_secret,
  key: { keyId: dev.key_id, privateKey: readFileSync(dev.private_key_file, 'utf8') },
});

const folder = process.env['DATA_DIR'] ?? join('.bellhop', 'example');
mkdirSync(folder, { recursive: true });
const file = join(folder, 'inbox.sqlite');

/** What the listeners did, for `GET /effects`. */
export const effects = openEffects(file);
// After a crash its unfinished events are free again when their claims run out: soon, for a reader who tries it.
const inbox = sqliteInbox(file, { leaseMs: 5_000 });

// What a listener writes through `tx` commits together with the mark that its event is done: exactly once, also after a crash.
export const webhooks = createHandler({ keys: remoteKeys(client), inbox })
  .on('ORDER.*', (event, { tx }) => recordEffect(tx, event))
  .on('USER.*', (event, { tx }) => recordEffect(tx, event))
  .fallback((event, { tx }) => recordEffect(tx, event));

/** Ends what runs; what is left in the inbox goes on at the next start. */
export async function close(): Promise<void> {
  await webhooks.stop();
  effects.close();
  inbox.close();
}
