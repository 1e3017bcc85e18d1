// Declares `listen`.

import { Option } from 'commander';
import { collectList, type Declare, examples, withWrite } from './declare.ts';
import { count } from './webhooks.ts';

export const declareListen: Declare = (root, run) => {
  const listen = withWrite(
    root.command('listen').description('see events here, verified, and forward them to your server'),
  )
    .option('-e, --events <patterns>', "such as 'ORDER.*', USER.CREATED; default: every one", collectList)
    .option('-f, --forward-to <url>', 'pass each package on, byte for byte: http://localhost:3000/webhooks')
    .option('--resign', 'sign anew for the URL forwarded to')
    .option('--save <file>', 'append events to a file, one a line')
    .addOption(
      new Option('--via <way>', 'how they come here; default direct for a local service or with --url').choices([
        'direct',
        'acceptor',
      ]),
    )
    .option('--url <url>', 'public URL that leads here (a tunnel), with --port')
    .option('--port <port>', 'port of the direct URL; default: any free one', count)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--title <text>', 'of the webhook: the same title finds it again')
    .option('--delay <duration>', 'how long the first event of a package waits', '1s')
    .option('--max-package-size <bytes>', 'of a package', count, 65_536)
    .option('--keep', 'leave the webhook when it ends')
    .option('-v, --verbose', 'print the objects of events')
    .option('-q, --quiet', 'print only what goes wrong')
    .option('--utc', 'times in UTC');
  examples(listen, [
    ['bellhop listen', 'every event of the local service'],
    ["bellhop listen --events 'ORDER.*' -f http://localhost:3000/webhooks"],
    ['bellhop listen --env sandbox --resign -f localhost:3000/webhooks', 'through the events acceptor'],
    ['bellhop listen --env sandbox --url https://me.tunnel.example/webhooks --port 4000'],
    ['bellhop listen --json --save events.ndjson', 'for scripts; feed it again: bellhop events publish events.ndjson'],
  ]);
  listen.addHelpText(
    'after',
    `
A package is one POST, as your server will get it; it is forwarded whole when one of its events matches. Your server's answer
counts: anything but 2xx and the package comes again, everything after it waits. While your server is down nothing is lost.
Ctrl-C removes the webhook when nothing waits in it; a run that was killed is continued by the next one with the same title.`,
  );
  listen.action(run(async (context, flags) => (await import('../commands/listen.ts')).listen(flags, context)));
};
