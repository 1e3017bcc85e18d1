// Declares `tokens`, for operators.

import { type Declare, examples, withTarget, withWrite } from './declare.ts';

export const declareTokens: Declare = (root, run) => {
  const load = () => import('../commands/tokens.ts');
  const tokens = root.command('tokens').description('access tokens of a tenant, for operators: list, revoke');
  examples(tokens, [
    ['bellhop tokens list'],
    ['bellhop tokens revoke $(printf %s "$LEAKED" | sha256sum | cut -c1-64)', 'one that turned up in a log'],
    ['bellhop tokens revoke --all --client-id <uuid>', 'all of another tenant'],
  ]);
  withTarget(tokens.command('list').alias('ls').description('those that are good still, by their SHA-256'))
    .option('--client-id <uuid>', 'of another tenant')
    .action(run(async (context, flags) => (await load()).listTokens(flags, context)));
  withWrite(
    tokens.command('revoke').argument('[id]', 'SHA-256 of the token').description('it opens nothing from now on'),
  )
    .option('--all', 'every one of the tenant')
    .option('--client-id <uuid>', 'of another tenant')
    .action(run(async (context, id, flags) => (await load()).revokeTokens(id, flags, context)));
};
