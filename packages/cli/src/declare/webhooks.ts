// Declares the tenant's commands: `webhooks`, `keys`, `token`.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { collectList, type Declare, examples, withTarget, withWrite } from './declare.ts';

export const declareWebhooks: Declare = (root, run) => {
  const load = () => import('../commands/webhooks.ts');
  const webhooks = root
    .command('webhooks')
    .alias('webhook')
    .description('your webhooks: list, create, change, enable, test')
    .addHelpText('after', '\n<webhook> is its id, the beginning of its id, or its title.');
  examples(webhooks, [
    ['bellhop webhooks list'],
    ['bellhop webhooks create --title Orders --url https://tenant.tld/webhooks --type ORDER,EXECUTION --enable'],
    ['bellhop webhooks status --watch', 'what flows and what is stuck'],
    ['bellhop webhooks test Orders', 'one test event, and how your handler answered'],
  ]);

  withTarget(webhooks.command('list').alias('ls').description('every webhook'))
    .addOption(
      new Option('--sort <field>', 'order by').choices(['created_at', 'updated_at', 'title', 'url', 'enabled']),
    )
    .addOption(new Option('--order <direction>').choices(['ASC', 'DESC']))
    .option('--limit <count>', 'at most so many', count)
    .action(run(async (context, flags) => (await load()).listWebhooks(flags, context)));

  withTarget(webhooks.command('get').argument('<webhook>').description('one webhook')).action(
    run(async (context, which, flags) => (await load()).getWebhook(which, flags, context)),
  );

  const create = withFields(withWrite(webhooks.command('create').description('register a webhook; it starts disabled')))
    .requiredOption('--title <text>', 'at most 100 characters')
    .requiredOption('--url <url>', 'https, with a DNS name; bellhop dev also takes loopback addresses')
    .option('--enable', 'and start delivery');
  examples(create, [
    ['bellhop webhooks create --title Orders --url https://tenant.tld/webhooks --type ORDER --delay 5s --enable'],
    ['bellhop webhooks create --title All --url http://127.0.0.1:3000/webhooks', 'local service, every category'],
  ]);
  create.action(run(async (context, flags) => (await load()).createWebhook(flags, context)));

  const update = withFields(
    withWrite(webhooks.command('update').argument('<webhook>').description('change what you name; the rest stays')),
  )
    .option('--title <text>', 'at most 100 characters')
    .option('--url <url>', 'applies to the next attempt');
  examples(update, [
    ['bellhop webhooks update Orders --type ORDER,EXECUTION'],
    ['bellhop webhooks update a8eb --url https://tenant.tld/hooks'],
  ]);
  update.action(run(async (context, which, flags) => (await load()).updateWebhook(which, flags, context)));

  withWrite(
    webhooks.command('enable').argument('<webhook>').description('start delivery, or go on where it stopped'),
  ).action(run(async (context, which, flags) => (await load()).setEnabled(true, which, flags, context)));
  withWrite(
    webhooks.command('disable').argument('<webhook>').description('pause: nothing is sent, the queue grows'),
  ).action(run(async (context, which, flags) => (await load()).setEnabled(false, which, flags, context)));
  withWrite(
    webhooks.command('delete').alias('rm').argument('<webhook>').description('remove it and drop its queue'),
  ).action(run(async (context, which, flags) => (await load()).deleteWebhook(which, flags, context)));
  withWrite(
    webhooks.command('test').argument('<webhook>').description('send one test event; fails when your handler does'),
  ).action(run(async (context, which, flags) => (await load()).testWebhook(which, flags, context)));
  const status = withTarget(
    webhooks
      .command('status')
      .argument('[webhook]')
      .description('flowing, waiting, retrying, catching up or disabled, and why'),
  )
    .option('-w, --watch', 'go on showing it')
    .option('--interval <duration>', 'of --watch', '2s');
  status.addHelpText(
    'after',
    '\nA Bellhop service tells state, queue and reason (operator token); Upvest only whether it is enabled.',
  );
  status.action(run(async (context, which, flags) => (await load()).webhookStatus(which, flags, context)));

  const keys = root.command('keys').alias('key').description('keys: yours, and those that deliveries are signed with');
  const loadKeys = () => import('../commands/keys.ts');
  withTarget(keys.command('list').alias('ls').description('the keys that deliveries are signed with')).action(
    run(async (context, flags) => (await loadKeys()).listKeys(flags, context)),
  );
  withWrite(
    keys
      .command('withdraw')
      .argument('<id>', 'of the key')
      .description('for operators: a key that was stolen is published and signs no longer, the next one signs'),
  ).action(run(async (context, id, flags) => (await loadKeys()).withdrawKey(id, flags, context)));
  keys
    .command('generate')
    .description('make a key pair: the private key stays here, the public key goes to the provider')
    .addOption(new Option('--algorithm <name>').choices(['ecdsa-p521', 'ed25519']).default('ecdsa-p521'))
    .option('--out <file>', 'private key; the public key goes beside it as .pub.pem', 'upvest-key.pem')
    .option('--json', 'JSON for scripts')
    .action(run(async (context, flags) => (await loadKeys()).generateKeys(flags, context)));
  keys
    .command('public')
    .argument('<file>', 'private key')
    .description('print the public key of a private key; passphrase: BELLHOP_KEY_PASSPHRASE')
    .action(run(async (context, file) => (await loadKeys()).publicKey(file, context)));
  examples(keys, [
    ['bellhop keys generate --out upvest-key.pem'],
    ['bellhop keys public upvest-key.pem'],
    ['bellhop keys list --json', 'a JSON Web Key Set'],
    ['bellhop keys withdraw <id>', 'of the service: its private part was stolen'],
  ]);

  const token = withTarget(root.command('token').description('print an access token for the API')).option(
    '--scopes <scopes>',
    'instead of those of the profile',
    collectList,
  );
  examples(token, [
    ['curl -H "authorization: Bearer $(bellhop token)" …'],
    ['bellhop token --json', 'with scopes and expiry'],
  ]);
  token.action(run(async (context, flags) => (await import('../commands/token.ts')).token(flags, context)));
};

function withFields(command: Command): Command {
  return command
    .option('--type <categories>', 'such as ORDER,USER; default: every one', collectList)
    .option('--exclude-type <categories>', 'every one but these', collectList)
    .option('--delay <duration>', 'how long the first event of a package waits: 1s to 30s')
    .option('--max-package-size <bytes>', '100 to 1048576', count);
}

export function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
