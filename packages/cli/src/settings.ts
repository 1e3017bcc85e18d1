// The settings of `bellhop dev` and `bellhop serve`: one table of environment variables and flags drives the parser, the
// help and the check of docs/reference/config.md. Flags win over the environment; an empty variable counts as unset; a
// wrong value is a usage error that names where it came from. Nothing is read from the environment anywhere else.

import { resolve } from 'node:path';
import { type EngineSettings, engineSettingsTable, readEngineSettings } from './engine-settings.ts';
import { usageError } from './exit.ts';
import { type Given, readSecuritySettings, type SecuritySettings, securitySettingsTable } from './security-settings.ts';

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
const insecureTargets = ['none', 'loopback', 'all'] as const;
export type InsecureTargets = (typeof insecureTargets)[number];
const roles = ['all', 'api', 'worker'] as const;
export type Role = (typeof roles)[number];

export type CommandName = 'dev' | 'serve';

export interface Setting {
  readonly name: keyof Settings;
  readonly variable: string;
  /** As commander writes it; absent where a command line is no place for the value. */
  readonly flag?: string;
  readonly description: string;
  /** As shown to people. */
  readonly defaults: Readonly<Record<CommandName, string | undefined>>;
  readonly commands: readonly CommandName[];
}

export interface Settings extends EngineSettings, SecuritySettings {
  readonly port: number;
  readonly host: string;
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly databaseWaitMs: number;
  readonly operatorToken: string | undefined;
  readonly publicUrl: string | undefined;
  readonly operatorPort: number | undefined;
  readonly operatorHost: string | undefined;
  readonly logLevel: LogLevel;
  readonly insecureTargets: InsecureTargets;
  readonly role: Role;
}

const both = ['dev', 'serve'] as const;

export const settingsTable: readonly Setting[] = [
  {
    name: 'port',
    variable: 'BELLHOP_PORT',
    flag: '--port <port>',
    description: 'port to listen on, 0 for any free one',
    defaults: { dev: '8080', serve: '8080' },
    commands: both,
  },
  {
    name: 'host',
    variable: 'BELLHOP_HOST',
    flag: '--host <address>',
    description: 'address to listen on',
    defaults: { dev: '127.0.0.1', serve: '127.0.0.1' },
    commands: both,
  },
  {
    name: 'dataDir',
    variable: 'BELLHOP_DATA_DIR',
    flag: '--data-dir <folder>',
    description: 'folder of the embedded database and of dev.json',
    defaults: { dev: '.bellhop', serve: '.bellhop' },
    commands: both,
  },
  {
    name: 'databaseUrl',
    variable: 'BELLHOP_DATABASE_URL',
    flag: '--database-url <url>',
    description: 'PostgreSQL 15 or newer instead of the embedded database',
    defaults: { dev: undefined, serve: undefined },
    commands: both,
  },
  {
    name: 'databaseWaitMs',
    variable: 'BELLHOP_DATABASE_WAIT_MS',
    flag: '--database-wait-ms <milliseconds>',
    description: 'how long a start waits for a PostgreSQL that does not answer',
    defaults: { dev: '30000', serve: '30000' },
    commands: both,
  },
  {
    name: 'operatorToken',
    variable: 'BELLHOP_OPERATOR_TOKEN',
    description: 'bearer token of the operator API; `dev` makes one, `serve` needs it',
    defaults: { dev: 'made once, kept in dev.json', serve: undefined },
    commands: both,
  },
  {
    name: 'publicUrl',
    variable: 'BELLHOP_PUBLIC_URL',
    flag: '--public-url <url>',
    description: 'the address under which others reach the service, behind a proxy',
    defaults: { dev: undefined, serve: undefined },
    commands: both,
  },
  {
    name: 'operatorPort',
    variable: 'BELLHOP_OPERATOR_PORT',
    flag: '--operator-port <port>',
    description: 'a port of its own for the operator API and metrics',
    defaults: { dev: 'the same port', serve: 'the same port' },
    commands: both,
  },
  {
    name: 'operatorHost',
    variable: 'BELLHOP_OPERATOR_HOST',
    flag: '--operator-host <address>',
    description: 'the address that port listens on',
    defaults: { dev: 'the same address', serve: 'the same address' },
    commands: both,
  },
  {
    name: 'logLevel',
    variable: 'BELLHOP_LOG_LEVEL',
    flag: '--log-level <level>',
    description: `${logLevels.join(', ')}`,
    defaults: { dev: 'error', serve: 'info' },
    commands: both,
  },
  {
    name: 'insecureTargets',
    variable: 'BELLHOP_ALLOW_INSECURE_TARGETS',
    description: 'which webhook URLs may be http or private addresses: none, loopback or all',
    defaults: { dev: 'loopback', serve: 'none' },
    commands: both,
  },
  {
    name: 'role',
    variable: 'BELLHOP_ROLE',
    flag: '--role <role>',
    description: 'what this process does: all, api (answers calls) or worker (delivers)',
    defaults: { dev: undefined, serve: 'all' },
    commands: ['serve'],
  },
  ...engineSettingsTable,
  ...securitySettingsTable,
];

/** Values of flags by the setting's name, as commander hands them over. */
export type FlagValues = Readonly<Partial<Record<keyof Settings, string>>>;

export function readSettings(command: CommandName, flags: FlagValues, env: NodeJS.ProcessEnv): Settings {
  const given = (name: keyof Settings): Given | undefined => {
    const setting = settingsTable.find((candidate) => candidate.name === name);
    if (setting === undefined || !setting.commands.includes(command)) return undefined;
    const flag = flags[name];
    if (flag !== undefined) return { value: flag, source: setting.flag?.split(' ')[0] ?? name };
    const value = env[setting.variable];
    return value ? { value, source: setting.variable } : undefined;
  };
  const dev = command === 'dev';
  return Object.freeze({
    port: port(given('port')) ?? 8080,
    host: host(given('host')) ?? '127.0.0.1',
    dataDir: resolve(dataDir(given('dataDir')) ?? '.bellhop'),
    databaseUrl: databaseUrl(given('databaseUrl')),
    databaseWaitMs: waitMs(given('databaseWaitMs')) ?? 30_000,
    operatorToken: operatorToken(given('operatorToken')),
    publicUrl: publicUrl(given('publicUrl')),
    operatorPort: port(given('operatorPort')),
    operatorHost: operatorHost(given('operatorHost'), given('operatorPort')),
    logLevel: oneOf(given('logLevel'), logLevels) ?? (dev ? 'error' : 'info'),
    insecureTargets: targets(given('insecureTargets')) ?? (dev ? 'loopback' : 'none'),
    role: oneOf(given('role'), roles) ?? 'all',
    ...readEngineSettings(given),
    ...readSecuritySettings(given),
  });
}

function port(given: Given | undefined): number | undefined {
  if (given === undefined) return undefined;
  const number = Number(given.value);
  if (!/^\d{1,5}$/.test(given.value) || number > 65_535) {
    throw usageError(`${given.source} must be a port number from 0 to 65535, not "${given.value}".`);
  }
  return number;
}

function host(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (!/^[A-Za-z0-9._:-]+$/.test(given.value)) {
    throw usageError(
      `${given.source} must be an address or a host name, not "${given.value}".`,
      'For example 127.0.0.1.',
    );
  }
  return given.value;
}

function operatorHost(given: Given | undefined, port: Given | undefined): string | undefined {
  if (given !== undefined && port === undefined) {
    throw usageError(`${given.source} says where BELLHOP_OPERATOR_PORT listens, which is not set.`, 'Give both.');
  }
  return host(given);
}

function dataDir(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (given.value === '' || given.value.includes('\0')) throw usageError(`${given.source} must name a folder.`);
  return given.value;
}

function databaseUrl(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  const url = URL.canParse(given.value) ? new URL(given.value) : undefined;
  // The value is not repeated: it can hold a password.
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw usageError(
      `${given.source} must be a PostgreSQL address.`,
      'For example postgres://user:password@host:5432/bellhop.',
    );
  }
  return given.value;
}

function waitMs(given: Given | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^\d{1,8}$/.test(given.value)) {
    throw usageError(`${given.source} must be a whole number of milliseconds, not "${given.value}".`);
  }
  return Number(given.value);
}

function operatorToken(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(given.value)) {
    throw usageError(
      `${given.source} may hold only letters, digits and - . _ ~ + / (and = at its end).`,
      'For example the output of: openssl rand -hex 32',
    );
  }
  return given.value;
}

function publicUrl(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined;
  const url = URL.canParse(given.value) ? new URL(given.value) : undefined;
  // Every path of the service starts at its root, and signatures cover the path as it was called: behind a prefix neither
  // links nor signatures would fit. The value is not repeated: it can hold a password.
  if (!url || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    throw usageError(
      `${given.source} must be http or https, a host and a port if need be: no path, query, fragment or user.`,
      'For example https://webhooks.example.com.',
    );
  }
  return url.origin;
}

function targets(given: Given | undefined): InsecureTargets | undefined {
  if (given?.value === 'true') return 'all';
  if (given?.value === 'false') return 'none';
  return oneOf(given, insecureTargets);
}

function oneOf<const T extends string>(given: Given | undefined, allowed: readonly T[]): T | undefined {
  if (given === undefined) return undefined;
  const found = allowed.find((value) => value === given.value);
  if (found === undefined) {
    throw usageError(`${given.source} must be one of ${allowed.join(', ')}, not "${given.value}".`);
  }
  return found;
}
