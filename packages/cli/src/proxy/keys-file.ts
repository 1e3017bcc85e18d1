// The configuration file of Upvest's httpsignature-proxy, as its sample shows it: one key at the top, more below
// `key-configs`, each for a client id. Key files are found beside the file, else in the working folder as that proxy does.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { importSigningKey, KeyError, type SigningKey } from '@bellhop/signatures';
import { parse, YAMLParseError } from 'yaml';
import { usageError } from '../exit.ts';
import { type Fields, isRecord, textOf } from '../json.ts';
import { reasonOf } from '../system-error.ts';

/** Who signs, and for whom. */
export interface ProxyKey {
  /** Undefined: for every client id that has no key of its own. */
  readonly clientId: string | undefined;
  readonly baseUrl: string;
  readonly key: SigningKey;
}

export interface ProxyFile {
  readonly port: number | undefined;
  readonly verbose: boolean;
  readonly keys: readonly ProxyKey[];
}

export async function readProxyFile(path: string): Promise<ProxyFile> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw usageError(`${path} cannot be read (${reasonOf(error)}).`);
  });
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    if (error instanceof YAMLParseError) throw usageError(`${path}: ${error.message.split('\n')[0]}`);
    throw error;
  }
  if (!isRecord(document)) throw usageError(`${path} must hold fields such as key-configs.`);
  const keys: ProxyKey[] = [];
  if (document['private-key'] !== undefined) keys.push(await readKey(document, path, 'the top'));
  const configs = document['key-configs'];
  const entries = isRecord(configs)
    ? Object.entries(configs)
    : Array.isArray(configs)
      ? configs.map((item, index) => [String(index + 1), item] as const)
      : [];
  for (const [name, entry] of entries) {
    if (!isRecord(entry)) throw usageError(`${path}: key-configs.${name} must hold fields.`);
    const key = await readKey(entry, path, `key-configs.${name}`);
    if (keys.some(({ clientId }) => clientId === key.clientId)) {
      throw usageError(`${path}: two keys for client id ${key.clientId ?? '(any)'}.`);
    }
    keys.push(key);
  }
  if (keys.length === 0) throw usageError(`${path} names no private-key.`);
  const port = document['port'];
  return { port: typeof port === 'number' ? port : undefined, verbose: document['verbose-mode'] === true, keys };
}

async function readKey(fields: Fields, path: string, where: string): Promise<ProxyKey> {
  const need = (name: string): string => {
    const value = fields[name];
    if (value === undefined || value === null || value === '')
      throw usageError(`${path}: ${name} is missing at ${where}.`);
    return String(value);
  };
  const beside = resolve(dirname(path), need('private-key'));
  const here = resolve(need('private-key'));
  const file = !existsSync(beside) && existsSync(here) ? here : beside;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw usageError(`${path}: ${file} cannot be read (${reasonOf(error)}).`);
  });
  const baseUrl = need('server-base-url').replace(/\/+$/, '');
  if (!URL.canParse(baseUrl)) throw usageError(`${path}: server-base-url at ${where} is no URL.`);
  const password = fields['private-key-password'];
  try {
    const key = importSigningKey(need('key-id'), text, password === undefined ? {} : { passphrase: String(password) });
    return { clientId: textOf(fields['client-id']), baseUrl, key };
  } catch (error) {
    if (error instanceof KeyError)
      throw usageError(`${path}: ${file}: ${error.message}.`, 'Check private-key-password.');
    throw error;
  }
}
