// `bellhop tokens …`: the access tokens of a tenant, for operators. A token is named by its SHA-256, as `sha256sum` tells it;
// the token itself is no argument.

import { connectOperator } from '../connect.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { textOf } from '../json.ts';
import type { TargetFlags } from '../profiles/target.ts';
import { printable, printTable } from '../table.ts';
import { beforeChange, type WriteFlags } from '../writing.ts';
import type { Context } from './context.ts';

interface ForTenant {
  readonly clientId?: string;
}

export interface RevokeFlags extends WriteFlags, ForTenant {
  readonly all?: boolean;
}

const pathOf = (clientId: string) => `/operator/tenants/${encodeURIComponent(clientId)}/tokens`;

export async function listTokens(flags: TargetFlags & ForTenant, context: Context): Promise<ExitCode> {
  const { output } = context;
  const { target, operator } = await connectOperator(flags, context);
  const found = await operator.list(pathOf(flags.clientId ?? target.clientId), {}, Number.POSITIVE_INFINITY);
  if (flags.json) output.line(JSON.stringify(found));
  else if (found.length === 0) output.note('No token of this tenant is good any more.');
  else {
    await printTable(
      output,
      ['ID', 'EXPIRES', 'SCOPES'],
      found.map(({ id, expires_at: expiresAt, scopes }) => [
        textOf(id),
        textOf(expiresAt),
        printable(Array.isArray(scopes) ? scopes.join(' ') : ''),
      ]),
    );
  }
  return exitCodes.ok;
}

export async function revokeTokens(id: string | undefined, flags: RevokeFlags, context: Context): Promise<ExitCode> {
  if ((id === undefined) !== (flags.all === true)) {
    throw usageError('Name one token by its id, or all of them with --all.', 'See: bellhop tokens list');
  }
  if (id !== undefined && !/^[0-9a-f]{64}$/i.test(id)) {
    throw usageError('The id of a token is its SHA-256, 64 hexadecimal digits.', 'Of a token: sha256sum < token.txt');
  }
  const { output } = context;
  const { target, operator } = await connectOperator(flags, context);
  const clientId = flags.clientId ?? target.clientId;
  const path = id === undefined ? pathOf(clientId) : `${pathOf(clientId)}/${id.toLowerCase()}`;
  const what = id === undefined ? `Revoke every token of tenant ${clientId}` : `Revoke token ${id}`;
  await beforeChange({ what, method: 'DELETE', path }, target, flags, context);
  const answer = await operator.call('DELETE', path);
  const revoked = id === undefined ? Number(answer['revoked']) : 1;
  if (flags.json) output.line(JSON.stringify({ revoked }));
  else output.note(`${output.noteColors.green('✓')} revoked ${revoked} ${revoked === 1 ? 'token' : 'tokens'}`);
  return exitCodes.ok;
}
