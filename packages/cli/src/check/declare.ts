// Declares `check` and `bench`.

import type { Command } from 'commander';
import { collectList, type Declare, examples } from '../declare/declare.ts';

export const declareCheck: Declare = (root, run) => {
  const check = withSigner(root.command('check').argument('[url]', 'of the handler, as it would be registered'))
    .description('play the provider against your handler and say what would hurt in production')
    .option('--list', 'show the probes instead of running them')
    .option('--only <probes>', 'run these, by name or family (repeatable, or with commas)', collectList)
    .option('--skip <probes>', 'leave these out, by name or family', collectList)
    .option('--effects-url <url>', 'of your test build: answers [{"id","type","at"}] in the order of processing')
    .option('--junit <file>', 'also write the result as JUnit XML')
    .option('--json', 'one JSON object instead of the table')
    .option('--timeout <duration>', 'wait this long for an answer, then call it hanging', '5s')
    .option('--wait <duration>', 'for a handler that is still starting')
    .option('--concurrency <count>', 'probes at the same time', '8')
    .addHelpText('after', '\nExit code 0: nothing failed; 1: a probe failed; 2: wrong usage; 5: not reachable.');
  examples(check, [
    ['bellhop check http://localhost:3000/webhooks', 'signs through the bellhop dev that runs here'],
    ['bellhop check http://localhost:3000/webhooks --effects-url http://localhost:3000/effects'],
    ['bellhop check https://tenant.tld/webhooks --only tls', 'what registration will ask'],
    ['bellhop check http://localhost:3000/webhooks --junit doctor.xml', 'in CI: docs/how-to/check-in-ci.md'],
  ]);
  check.action(run(async (context, url, flags) => (await import('./check.ts')).check(url, flags, context)));

  const bench = withSigner(root.command('bench').argument('<url>', 'of the handler'))
    .description('measure how many packages and events a second your handler acknowledges')
    .option('--packages <count>', 'to send', '500')
    .option('--events <count>', 'in each package', '10')
    .option('--connections <count>', 'packages in flight, each on its own connection', '4')
    .option('--timeout <duration>', 'wait this long for an answer', '10s')
    .option('--json', 'one JSON object instead of text');
  examples(bench, [
    ['bellhop bench http://localhost:3000/webhooks'],
    ['bellhop bench http://localhost:3000/webhooks --packages 2000 --events 100 --connections 16'],
  ]);
  bench.action(run(async (context, url, flags) => (await import('./bench.ts')).bench(url, flags, context)));
};

function withSigner(command: Command): Command {
  return command
    .option('--dev-json <file>', 'of the bellhop dev that signs (env BELLHOP_DEV_JSON, default .bellhop/dev.json)')
    .option('--key-file <file>', 'sign with this private key (PEM) instead')
    .option('--key-id <id>', 'its id, as the handler knows it')
    .option('--next-key-file <file>', 'the key that a rotation brings')
    .option('--next-key-id <id>', 'its id');
}
