// Declares the commands that say who you are: `login`, `profile`, `whoami`.

import { type Command, Option } from 'commander';
import { collectList, type Declare, examples, withTarget } from './declare.ts';

export const declareProfiles: Declare = (root, run) => {
  const login = root
    .command('login')
    .argument('[profile]', 'its name; default: the environment')
    .description('save who you are at a service: a profile')
    .addOption(new Option('-E, --env <environment>', 'where').choices(['sandbox', 'live']))
    .option('--base-url <url>', 'of a Bellhop service, instead of --env')
    .option('--client-id <uuid>', 'your client id')
    .option('--key-id <uuid>', 'the id that you got for your public key')
    .option('--private-key-file <file>', 'PEM of your private key')
    .option('--scopes <scopes>', 'default webhooks:admin', collectList)
    .option('--store-secret', 'keep the secrets in the configuration file (mode 0600); default when asked for them')
    .option('--no-store-secret', 'never keep them: BELLHOP_CLIENT_SECRET or a prompt each time')
    .option('--operator', 'also ask for an operator token (BELLHOP_OPERATOR_TOKEN)')
    .option('--no-check', 'save without trying it')
    .option('--json', 'JSON for scripts')
    .addHelpText(
      'after',
      '\nSecrets are never arguments: BELLHOP_CLIENT_SECRET, BELLHOP_KEY_PASSPHRASE and BELLHOP_OPERATOR_TOKEN, or a prompt.',
    );
  examples(login, [
    ['bellhop login', 'asks for everything'],
    ['bellhop login --env sandbox --client-id … --key-id … --private-key-file key.pem'],
    [
      'BELLHOP_CLIENT_SECRET=… bellhop login ci --base-url https://hooks.example --client-id … --key-id … --private-key-file key.pem --store-secret',
    ],
  ]);
  login.action(run(async (context, name, flags) => (await import('../commands/login.ts')).login(name, flags, context)));

  const profile = root.command('profile').alias('profiles').description('list, choose and remove profiles');
  const json = (command: Command) => command.option('--json', 'JSON for scripts');
  json(profile.command('list').alias('ls').description('every profile, the current one marked')).action(
    run(async (context, flags) => (await import('../commands/profile.ts')).listProfiles(flags, context)),
  );
  profile
    .command('use')
    .argument('<name>')
    .description('make it the current one')
    .action(run(async (context, name) => (await import('../commands/profile.ts')).useProfile(name, context)));
  json(profile.command('show').argument('[name]').description('one profile, without its secrets')).action(
    run(async (context, name, flags) => (await import('../commands/profile.ts')).showProfile(name, flags, context)),
  );
  profile
    .command('remove')
    .alias('rm')
    .argument('<name>')
    .option('-y, --yes', 'do not ask')
    .description('forget it; key files stay')
    .action(
      run(async (context, name, flags) => (await import('../commands/profile.ts')).removeProfile(name, flags, context)),
    );
  examples(profile, [
    ['bellhop profile list'],
    ['bellhop profile use sandbox'],
    ['bellhop webhooks list --profile sandbox', 'for one command only'],
  ]);

  const whoami = withTarget(root.command('whoami'))
    .description('which service, as whom, from which file, and whether it works')
    .option('--offline', 'do not call the service');
  examples(whoami, [['bellhop whoami'], ['bellhop whoami --env sandbox --json']]);
  whoami.addHelpText(
    'after',
    `
The first of these that there is, is used:
  --profile, --env, BELLHOP_PROFILE      what you name
  BELLHOP_DEV_JSON                       the dev.json of a bellhop dev
  BELLHOP_BASE_URL, BELLHOP_CLIENT_ID …  the environment alone
  ./.bellhop/dev.json                    a bellhop dev started here
  the configuration file                 its current profile`,
  );
  whoami.action(run(async (context, flags) => (await import('../commands/whoami.ts')).whoami(flags, context)));
};
