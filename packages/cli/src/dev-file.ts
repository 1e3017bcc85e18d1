// The credentials of `bellhop dev` in <data-dir>/dev.json and two PEM files beside it: made once, so that programs that
// use them survive restarts and even a deleted database. Only `base_url` is new at every start. Everything is written by
// rename with mode 0600; other commands and programs read the file and never see half of it.

import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder } from '@bellhop/server/make-folder';
import { generateSigningKey, importSigningKey, privatePem, publicPem } from '@bellhop/signatures';
import { CliError, exitCodes, usageError } from './exit.ts';
import { replaceFile } from './replace-file.ts';
import { isSystemError, reasonOf } from './system-error.ts';

export interface DevCredentials {
  readonly operatorToken: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly keyId: string;
  /** PKCS#8 PEM without a passphrase. */
  readonly privateKey: string;
  /** SubjectPublicKeyInfo PEM. */
  readonly publicKey: string;
  readonly scopes: readonly string[];
}

/** Field names as other programs read them. */
export interface DevFile {
  readonly base_url: string;
  readonly operator_token: string;
  readonly client_id: string;
  readonly client_secret: string;
  readonly key_id: string;
  readonly private_key_file: string;
  readonly public_key_file: string;
  readonly scopes: readonly string[];
}

const allScopes = ['webhooks:admin', 'webhooks:read'];

export function devFilePath(dataDir: string): string {
  return join(dataDir, 'dev.json');
}

export async function makeDevCredentials(operatorToken?: string): Promise<DevCredentials> {
  const key = await generateSigningKey(randomUUID(), 'ecdsa-p521');
  return {
    operatorToken: operatorToken ?? randomBytes(32).toString('base64url'),
    clientId: randomUUID(),
    clientSecret: randomBytes(32).toString('base64url'),
    keyId: key.keyId,
    privateKey: privatePem(key),
    publicKey: publicPem(key),
    scopes: allScopes,
  };
}

/** What an earlier start has made, or undefined when there is none. A damaged file is an error: it is never replaced. */
export async function readDevCredentials(dataDir: string): Promise<DevCredentials | undefined> {
  const path = devFilePath(dataDir);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    // ENOTDIR: something in the way of the data directory; making it will say so.
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw usageError(`${path} cannot be read (${reasonOf(error)}).`, 'Correct its permissions.');
  });
  if (text === undefined) return undefined;
  const file = parseDevFile(text);
  if (file === undefined) {
    throw usageError(`${path} is damaged.`, 'Repair it, or delete it: then a new tenant is made.');
  }
  const [privateKey, publicKey] = await Promise.all([
    readKey(dataDir, file.private_key_file, path),
    readKey(dataDir, file.public_key_file, path),
  ]);
  try {
    importSigningKey(file.key_id, privateKey);
  } catch (error) {
    throw usageError(
      `${file.private_key_file} holds no private key (${reasonOf(error)}).`,
      `Restore it, or delete ${path}.`,
    );
  }
  return {
    operatorToken: file.operator_token,
    clientId: file.client_id,
    clientSecret: file.client_secret,
    keyId: file.key_id,
    privateKey,
    publicKey,
    scopes: file.scopes,
  };
}

export async function writeDevFile(dataDir: string, credentials: DevCredentials, baseUrl: string): Promise<string> {
  const privateKeyFile = join(dataDir, 'tenant-key.pem');
  const publicKeyFile = join(dataDir, 'tenant-key.pub.pem');
  const file: DevFile = {
    base_url: baseUrl,
    operator_token: credentials.operatorToken,
    client_id: credentials.clientId,
    client_secret: credentials.clientSecret,
    key_id: credentials.keyId,
    private_key_file: privateKeyFile,
    public_key_file: publicKeyFile,
    scopes: credentials.scopes,
  };
  const path = devFilePath(dataDir);
  try {
    await makeFolder(dataDir, 0o700);
    await replaceFile(privateKeyFile, credentials.privateKey);
    await replaceFile(publicKeyFile, credentials.publicKey);
    await replaceFile(path, `${JSON.stringify(file, null, 2)}\n`);
  } catch (error) {
    throw new CliError(
      exitCodes.usage,
      `${path} cannot be written (${reasonOf(error)}).`,
      'Choose another --data-dir.',
    );
  }
  return path;
}

/** A data directory that was moved keeps its keys beside dev.json. */
async function readKey(dataDir: string, path: string, devFile: string): Promise<string> {
  for (const candidate of [join(dataDir, basename(path)), path]) {
    try {
      return await readFile(candidate, 'utf8');
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'ENOENT') {
        throw usageError(`${candidate} cannot be read (${reasonOf(error)}).`, 'Correct its permissions.');
      }
    }
  }
  throw usageError(
    `${path}, named in ${devFile}, is missing.`,
    'Restore it, or delete dev.json: then a new tenant is made.',
  );
}

export function parseDevFile(text: string): DevFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const string = (name: keyof DevFile): string => {
    const field = fields[name];
    return typeof field === 'string' ? field : '';
  };
  const { scopes } = fields;
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) return undefined;
  const file: DevFile = {
    base_url: string('base_url'),
    operator_token: string('operator_token'),
    client_id: string('client_id'),
    client_secret: string('client_secret'),
    key_id: string('key_id'),
    private_key_file: string('private_key_file'),
    public_key_file: string('public_key_file'),
    scopes,
  };
  return Object.values(file).every((field) => field !== '') ? file : undefined;
}
