// From a target to something that can be called: the API client as the tenant, the operator API with its token. Missing
// secrets are asked for on a terminal and are a usage error that names the variable elsewhere.

import { readFile } from 'node:fs/promises';
import { type Client, createClient } from '@bellhop/client';
import { failureOf } from './api-failure.ts';
import { askSecret, canAsk } from './ask.ts';
import type { Context } from './commands/context.ts';
import { durationMsOf } from './duration.ts';
import { CliError, exitCodes, usageError } from './exit.ts';
import { createOperator, type Operator } from './operator.ts';
import { resolveTarget, type Target, type TargetFlags } from './profiles/target.ts';
import { isSystemError, reasonOf } from './system-error.ts';

export interface Connection {
  readonly target: Target;
  readonly client: Client;
  /** Undefined without an operator token. */
  readonly operator: Operator | undefined;
}

export async function connect(flags: TargetFlags, context: Context): Promise<Connection> {
  const target = await resolveTarget(flags, context.env);
  const client = await clientOf(target, flags, context);
  return { target, client, operator: operatorOf(target, flags, context) };
}

/** Runs calls; their failures become lines with an exit code. */
export async function calling<T>(target: Target, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failureOf(error, target);
  }
}

export async function clientOf(target: Target, flags: TargetFlags, context: Context): Promise<Client> {
  noteIgnored(target, context);
  const clientSecret = target.clientSecret ?? (await missingSecret(target, context));
  const privateKey = await readPrivateKey(target);
  if (target.keyId === '') throw usageError('The key id is missing.', 'Set BELLHOP_KEY_ID or run: bellhop login');
  const timeoutMs = flags.timeout === undefined ? undefined : durationMsOf('--timeout', flags.timeout);
  const make = (keyPassphrase: string | undefined) =>
    createClient({
      baseUrl: target.baseUrl,
      clientId: target.clientId,
      clientSecret,
      key: {
        keyId: target.keyId,
        privateKey,
        ...(keyPassphrase === undefined ? {} : { passphrase: keyPassphrase }),
      },
      scopes: target.scopes,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  try {
    if (target.keyPassphrase === undefined && isEncrypted(privateKey) && canAsk(context.env)) {
      return make(await askSecret(`Passphrase of ${target.privateKeyFile}`));
    }
    return make(target.keyPassphrase);
  } catch (error) {
    const failure = failureOf(error, target);
    throw failure instanceof TypeError ? usageError(`${failure.message}.`, 'See: bellhop whoami') : failure;
  }
}

function operatorOf(target: Target, flags: TargetFlags, context: Context): Operator | undefined {
  if (target.operatorToken === undefined) return undefined;
  const timeoutMs = flags.timeout === undefined ? undefined : durationMsOf('--timeout', flags.timeout);
  return createOperator(target, target.operatorToken, timeoutMs, context.signal);
}

/** For commands that are an operator's. */
export async function connectOperator(
  flags: TargetFlags,
  context: Context,
): Promise<{ readonly target: Target; readonly operator: Operator }> {
  const target = await resolveTarget(flags, context.env);
  noteIgnored(target, context);
  const operator = operatorOf(target, flags, context);
  if (operator !== undefined) return { target, operator };
  const upvest = target.environment === 'sandbox' || target.environment === 'live';
  throw new CliError(
    exitCodes.unauthorised,
    `Profile ${target.profile} has no operator token.`,
    upvest
      ? 'Upvest has no operator API; this command is for a Bellhop service: --env local'
      : 'Set BELLHOP_OPERATOR_TOKEN, or: bellhop login --operator',
  );
}

function noteIgnored({ ignored, source }: Target, { output }: Context): void {
  if (ignored.length === 0) return;
  const text = `${ignored.join(', ')} ignored: ${source} was found, not named. Set BELLHOP_DEV_JSON or BELLHOP_BASE_URL too.`;
  output.note(output.noteColors.yellow(text));
}

async function missingSecret(target: Target, context: Context): Promise<string> {
  if (canAsk(context.env)) return askSecret(`Client secret of ${target.clientId} (profile ${target.profile})`);
  throw usageError(
    `Profile ${target.profile} holds no client secret.`,
    'Set BELLHOP_CLIENT_SECRET, or store it: bellhop login',
  );
}

export async function readPrivateKey(target: Pick<Target, 'privateKeyFile' | 'profile'>): Promise<string> {
  if (target.privateKeyFile === '') {
    throw usageError('The private key is missing.', 'Set BELLHOP_PRIVATE_KEY_FILE or run: bellhop login');
  }
  try {
    return await readFile(target.privateKeyFile, 'utf8');
  } catch (error) {
    const what =
      isSystemError(error) && error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${reasonOf(error)})`;
    throw usageError(`The private key ${target.privateKeyFile} ${what}.`, 'Correct it: bellhop login');
  }
}

function isEncrypted(pem: string): boolean {
  return /ENCRYPTED/.test(pem);
}
