// The client, with the credentials that `npm start` has made, or with yours in a file of the same form.
import { readFileSync } from 'node:fs';
import { createClient } from '@bellhop/client';

export const dev = JSON.parse(readFileSync(process.env.BELLHOP_DEV_JSON ?? '.bellhop/dev.json', 'utf8'));

export const client = createClient({
  baseUrl: dev.base_url, // or 'sandbox' or 'live'
  clientId: dev.client_id,
  clientSecret: dev.client_secret,
  key: {
    keyId: dev.key_id,
    privateKey: readFileSync(dev.private_key_file, 'utf8'),
    passphrase: process.env.KEY_PASSPHRASE, // when the file is encrypted
  },
});
