// `bellhop open dashboard`: a sign-in link, one use, 60 s, printed and opened. `bellhop open tenant`: the link that shows the
// tenant of the profile its own webhooks, to be handed on.

import { spawn } from 'node:child_process';
import { connectOperator } from '../connect.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { textOf } from '../json.ts';
import type { TargetFlags } from '../profiles/target.ts';
import type { Context } from './context.ts';

export interface OpenFlags extends TargetFlags {
  readonly browser?: boolean;
}

export async function open(what: string, flags: OpenFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const { target, operator } = await connectOperator(flags, context);
  let url: string | undefined;
  if (what === 'dashboard') url = textOf((await operator.call('POST', '/operator/session'))['url']);
  else if (what === 'tenant') {
    url = textOf((await operator.call('POST', `/operator/tenants/${target.clientId}/links`))['url']);
  } else if (what === 'docs') url = `${target.operatorUrl}/docs`;
  else throw usageError(`There is dashboard, tenant and docs to open, not ${what}.`);
  if (url === undefined) throw new CliError(exitCodes.failed, 'The service answered without a link.');
  output.line(flags.json ? JSON.stringify({ url }) : url);
  if (what === 'dashboard' && !flags.json) output.note('opens once, within 60 s');
  if (what === 'tenant' && !flags.json) output.note('shows this tenant to whoever has the link, read only, for 1 h');
  if (flags.browser !== false && output.interactive && !flags.json) launch(url);
  return exitCodes.ok;
}

/** Where there is no browser the link above is enough. */
function launch(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', url]
        : ['xdg-open', url];
  if (command === undefined) return;
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
