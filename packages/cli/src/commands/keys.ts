// `bellhop keys`: the service's keys, withdrawing one of them for its operators, and key pairs of your own. A private key is
// never overwritten and never printed.

import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  generateSigningKey,
  importSigningKey,
  KeyError,
  privatePem,
  publicPem,
  type SigningKey,
} from '@bellhop/signatures';
import { calling, connect, connectOperator } from '../connect.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { isRecord, textOf } from '../json.ts';
import type { TargetFlags } from '../profiles/target.ts';
import { isSystemError, reasonOf } from '../system-error.ts';
import { printable, printTable } from '../table.ts';
import { beforeChange, type WriteFlags } from '../writing.ts';
import type { Context } from './context.ts';

export async function listKeys(flags: TargetFlags, context: Context): Promise<ExitCode> {
  const { target, client } = await connect(flags, context);
  const set = await calling(target, () => client.verifyKeys(context));
  if (flags.json) context.output.line(JSON.stringify(set));
  else {
    await printTable(
      context.output,
      ['KEY ID', 'TYPE', 'CURVE'],
      set.keys.map(({ kid, kty, crv }) => [printable(kid), printable(kty), printable(crv)]),
    );
  }
  return exitCodes.ok;
}

export async function withdrawKey(keyId: string, flags: WriteFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const { target, operator } = await connectOperator(flags, context);
  const path = `/operator/signing-keys/${encodeURIComponent(keyId)}`;
  await beforeChange({ what: `Withdraw signing key ${keyId}`, method: 'DELETE', path }, target, flags, context);
  const answer = await operator.call('DELETE', path);
  if (flags.json) {
    output.line(JSON.stringify(answer));
    return exitCodes.ok;
  }
  const active = isRecord(answer['active']) ? textOf(answer['active']['key_id']) : undefined;
  output.note(`${output.noteColors.green('✓')} withdrawn ${printable(keyId)}`);
  output.note(`${printable(active ?? '')} signs; receivers trust the withdrawn key until they forget it: restart them`);
  return exitCodes.ok;
}

export async function generateKeys(
  flags: { readonly algorithm: 'ecdsa-p521' | 'ed25519'; readonly out: string; readonly json?: boolean },
  context: Context,
): Promise<ExitCode> {
  const { output } = context;
  const { privateFile, publicFile, key } = await makeKeyPair(flags.out, flags.algorithm);
  if (flags.json) {
    output.line(
      JSON.stringify({ private_key_file: privateFile, public_key_file: publicFile, public_key: publicPem(key) }),
    );
    return exitCodes.ok;
  }
  output.line(publicPem(key).trimEnd());
  output.note(`private key  ${privateFile}   (mode 0600; keep it out of version control)`);
  output.note(`public key   ${publicFile}   hand this one to your provider; it gives you the key id`);
  return exitCodes.ok;
}

export async function makeKeyPair(
  out: string,
  algorithm: 'ecdsa-p521' | 'ed25519',
): Promise<{ readonly privateFile: string; readonly publicFile: string; readonly key: SigningKey }> {
  const privateFile = resolve(out);
  const publicFile = `${privateFile.replace(/\.pem$/, '')}.pub.pem`;
  const key = await generateSigningKey('unnamed', algorithm);
  await writeNew(privateFile, privatePem(key), 0o600);
  await writeNew(publicFile, publicPem(key), 0o644);
  return { privateFile, publicFile, key };
}

export async function publicKey(file: string, { output, env }: Context): Promise<ExitCode> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw usageError(`${file} cannot be read (${reasonOf(error)}).`);
  });
  const passphrase = env['BELLHOP_KEY_PASSPHRASE'];
  try {
    const key = importSigningKey('unnamed', text, passphrase ? { passphrase } : {});
    output.line(publicPem(key).trimEnd());
  } catch (error) {
    if (error instanceof KeyError)
      throw usageError(`${file}: ${error.message}.`, 'Passphrase: BELLHOP_KEY_PASSPHRASE.');
    throw error;
  }
  return exitCodes.ok;
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    const handle = await open(path, 'wx', mode);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isSystemError(error) && error.code === 'EEXIST')
      throw usageError(`${path} exists; a key is never overwritten.`, 'Choose another --out.');
    throw usageError(`${path} cannot be written (${reasonOf(error)}).`, 'Choose another --out.');
  }
}
