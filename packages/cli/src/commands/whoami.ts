// `bellhop whoami`: which target every other command would use, and whether it works.

import { calling, clientOf } from '../connect.ts';
import { shortDuration } from '../duration.ts';
import { type ExitCode, exitCodes } from '../exit.ts';
import { configPath } from '../profiles/config-file.ts';
import { resolveTarget, type Target, type TargetFlags } from '../profiles/target.ts';
import { printFacts } from '../table.ts';
import type { Context } from './context.ts';

export interface WhoamiFlags extends TargetFlags {
  readonly offline?: boolean;
}

export async function whoami(flags: WhoamiFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const target = await resolveTarget(flags, context.env);
  const token = flags.offline
    ? undefined
    : await calling(target, async () => (await clientOf(target, flags, context)).token());
  if (flags.json) {
    output.line(
      JSON.stringify({
        ...publicFacts(target, context.env),
        ...(token === undefined ? {} : { token_scopes: token.scopes, token_expires_at: token.expiresAt.toISOString() }),
      }),
    );
    return exitCodes.ok;
  }
  printFacts(output, [
    ['profile', target.profile],
    ['environment', target.environment === 'live' ? output.colors.red('LIVE') : target.environment],
    ['base URL', target.baseUrl],
    ['client id', target.clientId],
    ['key id', target.keyId],
    ['private key', target.privateKeyFile],
    ['client secret', target.clientSecret === undefined ? 'not stored: BELLHOP_CLIENT_SECRET or a prompt' : 'known'],
    ['operator', target.operatorToken === undefined ? undefined : `token known, ${target.operatorUrl}`],
    ['taken from', target.source],
    ['overridden by', target.overrides.join(', ')],
    ['ignored', target.ignored.join(', ')],
    ['config file', configPath(context.env)],
    [
      'token',
      token === undefined
        ? undefined
        : `${output.colors.green('works')}, scopes ${token.scopes.join(' ')}, expires in ${shortDuration(token.expiresAt.getTime() - Date.now())}`,
    ],
  ]);
  return exitCodes.ok;
}

/** Nothing secret. */
export function publicFacts(target: Target, env: NodeJS.ProcessEnv): Record<string, unknown> {
  return {
    profile: target.profile,
    environment: target.environment,
    base_url: target.baseUrl,
    client_id: target.clientId,
    key_id: target.keyId,
    private_key_file: target.privateKeyFile,
    has_client_secret: target.clientSecret !== undefined,
    has_operator_token: target.operatorToken !== undefined,
    operator_url: target.operatorUrl,
    scopes: target.scopes,
    source: target.source,
    overrides: target.overrides,
    ignored: target.ignored,
    config_file: configPath(env),
  };
}
