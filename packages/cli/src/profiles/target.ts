// Which service a command talks to, and as whom. Exactly one source is used: what the command line names, else the
// environment, else the nearest dev.json, else the current profile of the configuration file. Single BELLHOP_* variables
// then override single fields. `bellhop whoami` shows the outcome.
//
// A dev.json that only lies in the folder may be anybody's: a repository can bring one. It is taken when its service is of
// this machine, and no secret of the environment goes where it says.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseDevFile } from '../dev-file.ts';
import { usageError } from '../exit.ts';
import { isSystemError, reasonOf } from '../system-error.ts';
import { type Config, configPath, type EnvironmentName, readConfig, type StoredProfile } from './config-file.ts';

export interface TargetFlags {
  readonly profile?: string;
  readonly env?: string;
  readonly timeout?: string;
  readonly json?: boolean;
}

export interface Target {
  readonly profile: string;
  /** The file it comes from, or `environment`. */
  readonly source: string;
  readonly environment: EnvironmentName;
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly keyId: string;
  readonly privateKeyFile: string;
  readonly keyPassphrase: string | undefined;
  readonly operatorUrl: string;
  readonly operatorToken: string | undefined;
  readonly scopes: readonly string[];
  /** Environment variables that override fields. */
  readonly overrides: readonly string[];
  /** Those that are set and do not, because nobody named the file that the rest comes from. */
  readonly ignored: readonly string[];
}

type Draft = Omit<Target, 'overrides' | 'ignored'> & {
  /** It comes from a dev.json that nobody named. */
  readonly isNear: boolean;
};

const upvestUrls = { sandbox: 'https://sandbox.upvest.co', live: 'https://api.upvest.co' } as const;

export async function resolveTarget(flags: TargetFlags, env: NodeJS.ProcessEnv): Promise<Target> {
  return override(await choose(flags, env), env);
}

async function choose(flags: TargetFlags, env: NodeJS.ProcessEnv): Promise<Draft> {
  const name = flags.profile ?? (flags.env === undefined ? env['BELLHOP_PROFILE'] || undefined : undefined);
  if (name !== undefined) return named(name, env);
  if (flags.env !== undefined) return ofEnvironment(flags.env, env);
  if (env['BELLHOP_DEV_JSON']) return namedDev(env['BELLHOP_DEV_JSON']);
  if (env['BELLHOP_BASE_URL'] && env['BELLHOP_CLIENT_ID']) return fromEnvironment(env);
  const near = await nearestDev(env);
  if (near !== undefined) return near;
  const config = await readConfig(env);
  const current = config.current ?? onlyName(config);
  if (current !== undefined) return named(current, env);
  if (env['BELLHOP_BASE_URL']) return fromEnvironment(env);
  throw usageError(
    'There is no service to talk to: no dev.json here and no profile.',
    'Start one: bellhop dev. Or name one: bellhop login',
  );
}

function onlyName({ profiles }: Config): string | undefined {
  const names = Object.keys(profiles);
  return names.length === 1 ? names[0] : undefined;
}

async function named(name: string, env: NodeJS.ProcessEnv): Promise<Draft> {
  const config = await readConfig(env);
  const profile = config.profiles[name];
  if (profile !== undefined) return stored(name, profile, env);
  if (name === 'local') {
    const near = await nearestDev(env);
    if (near !== undefined) return near;
    throw usageError('There is no local service: no dev.json here.', 'Start it: bellhop dev');
  }
  const known = ['local', ...Object.keys(config.profiles)].join(', ');
  throw usageError(`There is no profile ${name}. Known: ${known}.`, `Make it: bellhop login ${name}`);
}

async function ofEnvironment(wanted: string, env: NodeJS.ProcessEnv): Promise<Draft> {
  if (wanted === 'local') return named('local', env);
  if (wanted !== 'sandbox' && wanted !== 'live') {
    throw usageError(`--env must be sandbox, live or local, not ${wanted}.`);
  }
  const config = await readConfig(env);
  const fitting = Object.entries(config.profiles).filter(([, { environment }]) => environment === wanted);
  const chosen = fitting.find(([name]) => name === config.current) ?? fitting.find(([name]) => name === wanted);
  const [first, second] = fitting;
  if (chosen !== undefined) return stored(chosen[0], chosen[1], env);
  if (first !== undefined && second === undefined) return stored(first[0], first[1], env);
  if (first === undefined)
    throw usageError(`There is no ${wanted} profile.`, `Make it: bellhop login ${wanted} --env ${wanted}`);
  throw usageError(`Several profiles are ${wanted}: ${fitting.map(([name]) => name).join(', ')}.`, 'Choose: --profile');
}

function stored(name: string, profile: StoredProfile, env: NodeJS.ProcessEnv): Draft {
  return {
    profile: name,
    source: configPath(env),
    environment: profile.environment,
    baseUrl: profile.base_url,
    clientId: profile.client_id,
    clientSecret: profile.client_secret,
    keyId: profile.key_id,
    privateKeyFile: profile.private_key_file,
    keyPassphrase: profile.key_passphrase,
    operatorUrl: profile.operator_url ?? profile.base_url,
    operatorToken: profile.operator_token,
    scopes: profile.scopes ?? ['webhooks:admin'],
    isNear: false,
  };
}

/** BELLHOP_DATA_DIR is where `bellhop dev` keeps its file. */
async function nearestDev(env: NodeJS.ProcessEnv): Promise<Draft | undefined> {
  if (env['BELLHOP_DEV_JSON']) return namedDev(env['BELLHOP_DEV_JSON']);
  const dataDir = env['BELLHOP_DATA_DIR'];
  const path = resolve(dataDir || '.bellhop', 'dev.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw usageError(`${path} cannot be read (${reasonOf(error)}).`);
  }
  const draft = devDraft(path, text, !dataDir);
  if (draft.isNear && environmentOf(draft.baseUrl) !== 'local') {
    throw usageError(
      `${path} names ${draft.baseUrl}, which is not this machine, and nobody named the file.`,
      'If it is yours: BELLHOP_DEV_JSON=.bellhop/dev.json. If not, choose: --profile',
    );
  }
  return draft;
}

async function namedDev(given: string): Promise<Draft> {
  const path = resolve(given);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw usageError(
      `${path} cannot be read (${reasonOf(error)}).`,
      'BELLHOP_DEV_JSON must name the dev.json of a running bellhop dev.',
    );
  }
  return devDraft(path, text, false);
}

function devDraft(path: string, text: string, isNear: boolean): Draft {
  const file = parseDevFile(text);
  if (file === undefined) throw usageError(`${path} is damaged.`, 'Start bellhop dev again: it says what is wrong.');
  return {
    profile: 'local',
    source: path,
    environment: 'local',
    baseUrl: file.base_url,
    clientId: file.client_id,
    clientSecret: file.client_secret,
    keyId: file.key_id,
    privateKeyFile: file.private_key_file,
    keyPassphrase: undefined,
    operatorUrl: file.base_url,
    operatorToken: file.operator_token,
    scopes: file.scopes,
    isNear,
  };
}

function fromEnvironment(env: NodeJS.ProcessEnv): Draft {
  const baseUrl = env['BELLHOP_BASE_URL'] ?? '';
  return {
    profile: 'environment',
    source: 'environment',
    environment: environmentOf(baseUrl),
    baseUrl: baseUrlOf(baseUrl),
    clientId: env['BELLHOP_CLIENT_ID'] ?? '',
    clientSecret: undefined,
    keyId: '',
    privateKeyFile: '',
    keyPassphrase: undefined,
    operatorUrl: baseUrlOf(baseUrl),
    operatorToken: undefined,
    scopes: ['webhooks:admin'],
    isNear: false,
  };
}

export function baseUrlOf(text: string): string {
  return text === 'sandbox' || text === 'live' ? upvestUrls[text] : text.replace(/\/+$/, '');
}

/** Never by name of the profile: what is live is decided by where the calls go. */
export function environmentOf(baseUrl: string): EnvironmentName {
  const url = baseUrlOf(baseUrl);
  if (!URL.canParse(url)) return 'other';
  const { hostname } = new URL(url);
  if (hostname === new URL(upvestUrls.live).hostname) return 'live';
  if (hostname === new URL(upvestUrls.sandbox).hostname) return 'sandbox';
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname) ? 'local' : 'other';
}

function override({ isNear, ...draft }: Draft, env: NodeJS.ProcessEnv): Target {
  const used: string[] = [];
  const ignored: string[] = [];
  const value = <T extends string | undefined>(variable: string, fallback: T, mayUse = true): string | T => {
    const given = env[variable];
    if (given === undefined || given === '') return fallback;
    (mayUse ? used : ignored).push(variable);
    return mayUse ? given : fallback;
  };
  const baseUrl = baseUrlOf(value('BELLHOP_BASE_URL', draft.baseUrl));
  const moved = baseUrl !== draft.baseUrl;
  const isLive = environmentOf(baseUrl) === 'live';
  // Whoever says where the calls go may say with what.
  const mayMix = !isNear || Boolean(env['BELLHOP_BASE_URL']);
  return {
    ...draft,
    baseUrl,
    // A profile marked live stays live wherever it points: it may be a proxy of ours in front of it.
    environment: isLive || !moved ? (isLive ? 'live' : draft.environment) : environmentOf(baseUrl),
    clientId: value('BELLHOP_CLIENT_ID', draft.clientId, mayMix),
    clientSecret: value('BELLHOP_CLIENT_SECRET', draft.clientSecret, mayMix),
    keyId: value('BELLHOP_KEY_ID', draft.keyId, mayMix),
    privateKeyFile: value('BELLHOP_PRIVATE_KEY_FILE', draft.privateKeyFile, mayMix),
    keyPassphrase: value('BELLHOP_KEY_PASSPHRASE', draft.keyPassphrase, mayMix),
    operatorUrl: value('BELLHOP_OPERATOR_URL', moved ? baseUrl : draft.operatorUrl),
    operatorToken: value('BELLHOP_OPERATOR_TOKEN', draft.operatorToken, mayMix || Boolean(env['BELLHOP_OPERATOR_URL'])),
    overrides: used,
    ignored,
  };
}
