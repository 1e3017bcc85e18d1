// Declares `proxy`.

import { type Declare, examples, withTarget } from './declare.ts';
import { count } from './webhooks.ts';

export const declareProxy: Declare = (root, run) => {
  const proxy = withTarget(
    root.command('proxy').description('sign the requests of any HTTP tool: curl, Postman, your code'),
  )
    .option('--port <port>', 'port to listen on (default 3000)', count)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('-c, --config <file>', 'a .httpsignature-proxy.yaml, with several keys (env BELLHOP_PROXY_CONFIG)')
    .option('--no-token', 'add no access token')
    .option('-v, --verbose', 'print the headers that were sent');
  examples(proxy, [
    ['bellhop proxy', 'keys of .httpsignature-proxy.yaml, else of the profile'],
    ['bellhop proxy --env sandbox --port 4000'],
    ['curl http://localhost:3000/webhooks', 'signed, with client id and token'],
  ]);
  proxy.addHelpText(
    'after',
    `
The file, as httpsignature-proxy reads it:
  port: 3000
  key-configs:
    first:
      client-id: …
      key-id: …
      private-key: ./key.pem
      private-key-password: …
      server-base-url: https://sandbox.upvest.co
The key is chosen by the header upvest-client-id, or by client_id in the form of POST /auth/token.`,
  );
  proxy.action(run(async (context, flags) => (await import('../commands/proxy.ts')).proxy(flags, context)));
};
