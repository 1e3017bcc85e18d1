// `bellhop login`: makes or replaces a profile. What is not given is asked for on a terminal. The profile is tried with a
// real token call before it is saved, so that what is saved works.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { type AnswerCheck, askChoice, askSecret, askText, canAsk } from '../ask.ts';
import { calling, clientOf, readPrivateKey } from '../connect.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { configPath, readConfig, type StoredProfile, writeConfig } from '../profiles/config-file.ts';
import { baseUrlOf, environmentOf, type Target } from '../profiles/target.ts';
import type { Context } from './context.ts';

export interface LoginFlags {
  readonly env?: 'sandbox' | 'live';
  readonly baseUrl?: string;
  readonly clientId?: string;
  readonly keyId?: string;
  readonly privateKeyFile?: string;
  readonly scopes?: readonly string[];
  readonly storeSecret?: boolean;
  readonly operator?: boolean;
  readonly check?: boolean;
  readonly json?: boolean;
}

/** Where `init` puts a key that it makes. */
export const defaultKeyFile = 'upvest-key.pem';
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export async function login(given: string | undefined, flags: LoginFlags, context: Context): Promise<ExitCode> {
  const { env, output } = context;
  const asking = canAsk(env);
  if (flags.env !== undefined && flags.baseUrl !== undefined) throw usageError('Give --env or --base-url, not both.');
  const baseUrl = baseUrlOf(flags.env ?? flags.baseUrl ?? (await askBaseUrl(asking)));
  checkBaseUrl(baseUrl);
  const environment = environmentOf(baseUrl);
  const name = given ?? (environment === 'other' ? new URL(baseUrl).hostname.slice(0, 64) : environment);
  if (!/^[\w.-]{1,64}$/.test(name)) throw usageError(`A profile's name has letters, digits, - and _, not ${name}.`);

  const needed = async (
    flag: string,
    value: string | undefined,
    question: string,
    more: { readonly initial?: string | undefined; readonly check?: AnswerCheck } = {},
  ) => value ?? (asking ? askText(question, more) : missing(flag));
  const clientId = await needed('--client-id', flags.clientId, 'Client id', { check: checkClientId });
  if (!uuid.test(clientId)) throw usageError(`The client id must be a UUID, not ${clientId}.`);
  const keyId = await needed('--key-id', flags.keyId, 'Key id (that you got for your public key)');
  const file = await needed('--private-key-file', flags.privateKeyFile, 'Private key file (PEM)', {
    initial: existsSync(defaultKeyFile) ? defaultKeyFile : undefined,
    check: (answer) => (existsSync(pathOf(answer)) ? undefined : `${pathOf(answer)} does not exist`),
  });
  const privateKeyFile = pathOf(file);
  const privateKey = await readPrivateKey({ privateKeyFile, profile: name });
  const isEncrypted = /ENCRYPTED/.test(privateKey);

  const secretOf = async (variable: string, question: string, wanted = true): Promise<string | undefined> =>
    env[variable] || (asking && wanted ? (await askSecret(question)) || undefined : undefined);
  const isNeeded = flags.check !== false || flags.storeSecret !== false;
  const clientSecret = await secretOf('BELLHOP_CLIENT_SECRET', 'Client secret', isNeeded);
  const keyPassphrase = await secretOf('BELLHOP_KEY_PASSPHRASE', `Passphrase of ${privateKeyFile}`, isEncrypted);
  const operatorToken = await secretOf('BELLHOP_OPERATOR_TOKEN', 'Operator token', flags.operator === true);

  const scopes = flags.scopes ?? ['webhooks:admin'];
  if (flags.check !== false) {
    if (clientSecret === undefined) {
      throw usageError(
        'The client secret is missing.',
        'Set BELLHOP_CLIENT_SECRET, or --no-check to save without trying.',
      );
    }
    const target: Target = {
      profile: name,
      source: configPath(env),
      environment,
      baseUrl,
      clientId,
      clientSecret,
      keyId,
      privateKeyFile,
      keyPassphrase,
      operatorUrl: baseUrl,
      operatorToken,
      scopes,
      overrides: [],
      ignored: [],
    };
    try {
      await calling(target, async () => (await clientOf(target, {}, context)).token());
    } catch (error) {
      // Whoever typed all of this does not want to type it again.
      if (asking) output.note(`Once more with what you gave: bellhop login ${name} ${flagsOf(target)}`);
      throw error;
    }
  }

  // Whoever typed the secret wants to have it kept; from the environment it comes again next time.
  const keep = flags.storeSecret ?? asking;
  const profile: StoredProfile = {
    environment,
    base_url: baseUrl,
    client_id: clientId,
    key_id: keyId,
    private_key_file: privateKeyFile,
    scopes,
    ...(keep && clientSecret !== undefined ? { client_secret: clientSecret } : {}),
    ...(keep && keyPassphrase !== undefined ? { key_passphrase: keyPassphrase } : {}),
    ...(keep && operatorToken !== undefined ? { operator_token: operatorToken } : {}),
  };
  const config = await readConfig(env);
  await writeConfig(env, { current: name, profiles: { ...config.profiles, [name]: profile } });
  if (flags.json)
    output.line(
      JSON.stringify({
        profile: name,
        environment,
        base_url: baseUrl,
        config_file: configPath(env),
        checked: flags.check !== false,
      }),
    );
  else {
    const outcome = flags.check === false ? 'saved, not tried' : 'works and is saved';
    const secret = profile.client_secret === undefined ? '' : ', with the secret';
    output.note(`${output.noteColors.green('✓')} profile ${name} ${outcome} in ${configPath(env)}${secret}`);
    output.note(`Next: bellhop webhooks list --profile ${name}`);
  }
  return exitCodes.ok;
}

async function askBaseUrl(asking: boolean): Promise<string> {
  if (!asking) return missing('--env or --base-url');
  const where = await askChoice('Where?', [
    { value: 'sandbox', hint: "Upvest's sandbox" },
    { value: 'live', hint: 'Upvest, for real' },
    { value: 'bellhop', hint: 'a Bellhop service' },
  ]);
  if (where !== 'bellhop') return where;
  const check = (answer: string) => (isHttp(answer) ? undefined : 'It must be an http or https URL');
  return askText('Base URL', { placeholder: 'https://hooks.example', check });
}

function checkBaseUrl(baseUrl: string): void {
  if (!isHttp(baseUrl)) throw usageError(`The base URL must be an http or https URL, not ${baseUrl}.`);
}

function isHttp(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

export const checkClientId: AnswerCheck = (answer) => (uuid.test(answer) ? undefined : 'It must be a UUID');

function pathOf(given: string): string {
  return resolve(given.replace(/^~(?=\/)/, homedir()));
}

function flagsOf({ baseUrl, clientId, keyId, privateKeyFile }: Target): string {
  return `--base-url ${baseUrl} --client-id ${clientId} --key-id ${keyId} --private-key-file ${privateKeyFile}`;
}

function missing(flag: string): never {
  throw usageError(`${flag} is missing.`, 'There is no terminal to ask. See: bellhop login --help');
}
