// What `check` and `bench` share on their command lines: the target, who signs, counts. A wrong value is a usage error that
// names its flag.

import type { Context } from '../commands/context.ts';
import { usageError } from '../exit.ts';
import { readDevAccess } from './dev-access.ts';
import { keySigner, readSigningKey, type Signer, serviceSigner } from './signer.ts';

export interface SignerFlags {
  readonly devJson?: string;
  readonly keyFile?: string;
  readonly keyId?: string;
  readonly nextKeyFile?: string;
  readonly nextKeyId?: string;
}

export async function signerOf(flags: SignerFlags, { env }: Context): Promise<Signer> {
  const { keyFile, keyId, nextKeyFile, nextKeyId } = flags;
  if ((keyFile === undefined) !== (keyId === undefined)) throw usageError('--key-file and --key-id go together.');
  if ((nextKeyFile === undefined) !== (nextKeyId === undefined)) {
    throw usageError('--next-key-file and --next-key-id go together.');
  }
  if (keyFile === undefined || keyId === undefined) {
    if (nextKeyFile !== undefined)
      throw usageError('--next-key-file needs --key-file: the service has its own next key.');
    return serviceSigner(await readDevAccess(flags.devJson, env));
  }
  if (flags.devJson !== undefined) throw usageError('--dev-json and --key-file contradict each other: choose one.');
  const active = await readSigningKey(keyFile, keyId, '--key-file');
  if (nextKeyFile === undefined || nextKeyId === undefined) return keySigner(active);
  return keySigner(active, await readSigningKey(nextKeyFile, nextKeyId, '--next-key-file'));
}

export function urlOf(name: string, text: string): URL {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) {
    const url = new URL(text);
    if (url.username !== '' || url.password !== '') throw usageError(`${name} must not hold a user name or password.`);
    url.hash = '';
    return url;
  }
  throw usageError(`${name} must be an http or https URL, such as http://localhost:3000/webhooks, not ${text}.`);
}

export function countOf(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  throw usageError(`${flag} must be a number from 1 to ${max}, not ${text}.`);
}
