// Before something is changed: on live somebody has to say yes, and --show-request prints what is sent as a command line
// and as code.

import { askYes, canAsk } from './ask.ts';
import type { Context } from './commands/context.ts';
import { CliError, exitCodes } from './exit.ts';
import type { Target, TargetFlags } from './profiles/target.ts';

export interface WriteFlags extends TargetFlags {
  readonly yes?: boolean;
  readonly showRequest?: boolean;
}

export interface Change {
  /** As a sentence's beginning: `Delete webhook x`. */
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** JSON that is sent as it is, instead of `body`. */
  readonly text?: string;
  /** The same with @bellhop/client; absent for operator calls. */
  readonly code?: string;
}

export async function beforeChange(change: Change, target: Target, flags: WriteFlags, context: Context): Promise<void> {
  if (flags.showRequest) showRequest(change, target, context);
  if (target.environment !== 'live' || flags.yes) return;
  const question = `${change.what} on LIVE (${target.baseUrl}, profile ${target.profile})`;
  if (!canAsk(context.env)) {
    throw new CliError(exitCodes.declined, `${question} was not confirmed.`, 'Add --yes to do it without being asked.');
  }
  if (!(await askYes(`${question}?`))) throw new CliError(exitCodes.declined, 'Declined; nothing was changed.');
}

function showRequest(change: Change, target: Target, { output }: Context): void {
  const text = change.text ?? (change.body === undefined ? undefined : JSON.stringify(change.body));
  const body = text === undefined ? '' : ` -H 'content-type: application/json' -d ${quoted(text)}`;
  if (change.code === undefined) {
    output.note(
      `curl -sS -X ${change.method} '${target.operatorUrl}${change.path}' -H "authorization: Bearer $BELLHOP_OPERATOR_TOKEN"${body}`,
    );
    return;
  }
  output.note(`# while \`bellhop proxy --profile ${target.profile}\` runs: it signs and adds the token`);
  output.note(`curl -sS -X ${change.method} 'http://127.0.0.1:3000${change.path}'${body}`);
  output.note(`# with @bellhop/client`);
  output.note(change.code);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
