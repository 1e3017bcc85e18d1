// The one configuration file, $XDG_CONFIG_HOME/bellhop/config.json: named profiles and which of them is current. It may
// hold secrets, so it is written with mode 0600 and refused when others can read it. A damaged file is an error and never
// replaced.

import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError, exitCodes, usageError } from '../exit.ts';
import { type Fields, isRecord, textOf } from '../json.ts';
import { replacePrivateFile } from '../replace-file.ts';
import { isSystemError, reasonOf } from '../system-error.ts';

const environments = ['local', 'sandbox', 'live', 'other'] as const;
export type EnvironmentName = (typeof environments)[number];

/** Field names as they are in the file; the same as in dev.json where both have them. */
export interface StoredProfile {
  readonly environment: EnvironmentName;
  readonly base_url: string;
  readonly client_id: string;
  readonly key_id: string;
  readonly private_key_file: string;
  readonly client_secret?: string;
  readonly key_passphrase?: string;
  readonly operator_url?: string;
  readonly operator_token?: string;
  readonly scopes?: readonly string[];
}

export interface Config {
  readonly current: string | undefined;
  readonly profiles: Readonly<Record<string, StoredProfile>>;
}

function configFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'bellhop');
}

export function configPath(env: NodeJS.ProcessEnv): string {
  return join(configFolder(env), 'config.json');
}

export async function readConfig(env: NodeJS.ProcessEnv): Promise<Config> {
  const path = configPath(env);
  let text: string;
  try {
    if (process.platform !== 'win32' && ((await stat(path)).mode & 0o077) !== 0) {
      throw usageError(`${path} may hold secrets and others can read it.`, `chmod 600 ${path}`);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return { current: undefined, profiles: {} };
    }
    if (error instanceof CliError) throw error;
    throw usageError(`${path} cannot be read (${reasonOf(error)}).`, 'Correct its permissions.');
  }
  const config = parseConfig(text);
  if (config === undefined)
    throw usageError(`${path} is damaged.`, 'Repair it, or move it away and run: bellhop login');
  return config;
}

export async function writeConfig(env: NodeJS.ProcessEnv, config: Config): Promise<void> {
  const path = configPath(env);
  try {
    await replacePrivateFile(path, `${JSON.stringify(config, null, 2)}\n`);
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} cannot be written (${reasonOf(error)}).`, 'Set XDG_CONFIG_HOME.');
  }
}

function parseConfig(text: string): Config | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || !isRecord(value['profiles'])) return undefined;
  const profiles: Record<string, StoredProfile> = {};
  for (const [name, fields] of Object.entries(value['profiles'])) {
    const profile = isRecord(fields) ? parseProfile(fields) : undefined;
    if (profile === undefined) return undefined;
    profiles[name] = profile;
  }
  return { current: textOf(value['current']), profiles };
}

function parseProfile(fields: Fields): StoredProfile | undefined {
  const environment = environments.find((name) => name === fields['environment']);
  const baseUrl = textOf(fields['base_url']);
  const clientId = textOf(fields['client_id']);
  const keyId = textOf(fields['key_id']);
  const privateKeyFile = textOf(fields['private_key_file']);
  if (!environment || !baseUrl || !clientId || keyId === undefined || privateKeyFile === undefined) return undefined;
  const optional = ['client_secret', 'key_passphrase', 'operator_url', 'operator_token'] as const;
  const scopes = fields['scopes'];
  return {
    environment,
    base_url: baseUrl,
    client_id: clientId,
    key_id: keyId,
    private_key_file: privateKeyFile,
    ...Object.fromEntries(optional.flatMap((name) => (textOf(fields[name]) ? [[name, textOf(fields[name])]] : []))),
    ...(Array.isArray(scopes) ? { scopes: scopes.map(String) } : {}),
  };
}
