// Declares `init`, `verify`, `open` and `completion`.

import { Option } from 'commander';
import { type Declare, examples, withTarget } from './declare.ts';

export const declareFirstDay: Declare = (root, run) => {
  const init = root
    .command('init')
    .description('the first day: keys, a profile that works, a starter handler')
    .addOption(new Option('-E, --env <environment>', 'which service').choices(['local', 'sandbox', 'live']))
    .option('--base-url <url>', 'of a Bellhop service, instead of --env')
    .option('--client-id <uuid>', 'your client id')
    .option('--key-id <uuid>', 'the id that you got for your public key')
    .option('--private-key-file <file>', 'made when it is missing (default upvest-key.pem)')
    .addOption(
      new Option('--framework <name>', 'of the handler; default: what package.json names').choices([
        'node',
        'express',
        'fastify',
        'hono',
        'koa',
        'next',
      ]),
    )
    .option('--no-handler', 'write no starter handler')
    .option('--store-secret', 'keep the secret in the configuration file (mode 0600)');
  examples(init, [
    ['bellhop init', 'asks'],
    ['bellhop init --env local', 'with a bellhop dev running here: no account needed'],
    ['bellhop init --env sandbox', 'makes keys and shows the public one; run it again with the key id'],
  ]);
  init.action(run(async (context, flags) => (await import('../commands/init.ts')).init(flags, context)));

  const verify = withTarget(root.command('verify').description('is this saved request genuine, and if not, why'))
    .requiredOption('-r, --request <file>', 'request line, headers, empty line, body; - reads stdin')
    .option('--url <url>', 'the URL that it was sent to, when the file names another')
    .option('--keys <file>', 'a key set, instead of asking the service');
  examples(verify, [
    ['bellhop verify --request saved.http'],
    ['bellhop verify -r saved.http --keys keys.json', 'offline; the keys: bellhop keys list --json > keys.json'],
  ]);
  verify.action(run(async (context, flags) => (await import('../commands/verify.ts')).verifyRequest(flags, context)));

  const open = withTarget(
    root
      .command('open')
      .argument('[page]', 'dashboard, tenant or docs', 'dashboard')
      .description('open the dashboard of a Bellhop service, or what a tenant may see of it'),
  ).option('--no-browser', 'only print the link');
  examples(open, [
    ['bellhop open'],
    ['bellhop open tenant --no-browser', 'a link for the tenant of the profile: its own webhooks, to read'],
    ['bellhop open docs --no-browser'],
  ]);
  open.action(run(async (context, what, flags) => (await import('../commands/open.ts')).open(what, flags, context)));

  const completion = root
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('print the completion of a shell');
  examples(completion, [
    ['bellhop completion bash >> ~/.bashrc'],
    ['bellhop completion zsh >> ~/.zshrc'],
    ['bellhop completion fish > ~/.config/fish/completions/bellhop.fish'],
  ]);
  completion.action(
    run(async (context, shell) => (await import('../commands/completion.ts')).completion(shell, context)),
  );
  root
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(run(async (context, words) => (await import('../commands/completion.ts')).complete(words, root, context)));
};
