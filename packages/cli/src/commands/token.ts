// `bellhop token`: an access token on stdout, and nothing else there, so that it can be used in a command line.

import { calling, clientOf } from '../connect.ts';
import { shortDuration } from '../duration.ts';
import { type ExitCode, exitCodes } from '../exit.ts';
import { resolveTarget, type TargetFlags } from '../profiles/target.ts';
import type { Context } from './context.ts';

export async function token(
  flags: TargetFlags & { readonly scopes?: readonly string[] },
  context: Context,
): Promise<ExitCode> {
  const { output } = context;
  const found = await resolveTarget(flags, context.env);
  const target = flags.scopes === undefined ? found : { ...found, scopes: flags.scopes };
  const { accessToken, scopes, expiresAt } = await calling(target, async () =>
    (await clientOf(target, flags, context)).token(context),
  );
  if (flags.json) {
    output.line(JSON.stringify({ access_token: accessToken, scopes, expires_at: expiresAt.toISOString() }));
    return exitCodes.ok;
  }
  output.line(accessToken);
  if (output.interactive)
    output.note(`expires in ${shortDuration(expiresAt.getTime() - Date.now())}, scopes ${scopes.join(' ')}`);
  return exitCodes.ok;
}
