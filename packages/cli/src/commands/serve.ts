// `bellhop serve`: the service for production. It makes nothing up: the operator token is given, the database is a
// PostgreSQL server unless somebody says --embedded and is told what that means.

import type { ServiceConfig } from '@bellhop/server';
import { engineConfig } from '../engine-settings.ts';
import { type ExitCode, exitCodes, usageError } from '../exit.ts';
import { runService, untilAborted } from '../running-service.ts';
import { securityConfig } from '../security-settings.ts';
import { type FlagValues, readSettings, type Settings } from '../settings.ts';
import { unsafeSettings } from '../unsafe-settings.ts';
import type { Context } from './context.ts';

export interface ServeFlags extends FlagValues {
  readonly embedded?: boolean;
}

export async function serve(flags: ServeFlags, context: Context): Promise<ExitCode> {
  const { embedded = false, ...values } = flags;
  const settings = readSettings('serve', values, context.env);
  const operatorToken = settings.operatorToken;
  if (operatorToken === undefined) {
    throw usageError(
      'bellhop serve needs BELLHOP_OPERATOR_TOKEN, the bearer token of the operator API.',
      'Make one with: openssl rand -hex 32',
    );
  }
  checkDatabase(settings, embedded);
  const { output } = context;
  warn(settings, embedded, context);
  const config: ServiceConfig = { ...serviceSettings(settings), operatorToken, dev: false, role: settings.role };
  return runService(config, context.signal, {
    async whileUp(service, signal) {
      if (signal.aborted) return exitCodes.ok;
      const { green } = output.noteColors;
      output.note(
        `${green('ready')}  ${service.url}  ${settings.role === 'all' ? '' : `role ${settings.role}  `}(pid ${process.pid})`,
      );
      if (service.operatorUrl !== service.url) output.note(`       ${service.operatorUrl}  operator API`);
      await untilAborted(signal);
      output.note('stopping');
      return exitCodes.ok;
    },
    afterClose: async () => output.note('stopped'),
  });
}

/** The settings that the service takes as they are. */
export function serviceSettings(settings: Settings): Omit<ServiceConfig, 'operatorToken' | 'dev' | 'role'> {
  const {
    port,
    host,
    dataDir,
    databaseUrl,
    databaseWaitMs,
    publicUrl,
    operatorPort,
    operatorHost,
    logLevel,
    insecureTargets,
  } = settings;
  return {
    port,
    host,
    dataDir,
    logLevel,
    insecureTargets,
    databaseWaitMs,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(operatorPort === undefined ? {} : { operatorPort }),
    ...(operatorHost === undefined ? {} : { operatorHost }),
    ...engineConfig(settings),
    ...securityConfig(settings),
  };
}

function checkDatabase(settings: Settings, embedded: boolean): void {
  if (embedded && settings.databaseUrl !== undefined) {
    throw usageError('--embedded and a database URL contradict each other.', 'Give one of the two.');
  }
  if (embedded && settings.role !== 'all') {
    throw usageError(`The embedded database serves one process: --role ${settings.role} needs PostgreSQL.`);
  }
  if (!embedded && settings.databaseUrl === undefined) {
    throw usageError(
      'bellhop serve needs a PostgreSQL database: --database-url or BELLHOP_DATABASE_URL.',
      'Or --embedded for the built-in one, which survives a killed process but not a power cut.',
    );
  }
}

function warn(settings: Settings, embedded: boolean, { output, env }: Context): void {
  const { red, yellow } = output.noteColors;
  for (const { level, text } of unsafeSettings(settings, env)) {
    output.note(level === 'warning' ? red(`WARNING  ${text}`) : yellow(text));
  }
  if (embedded) {
    output.note(
      yellow(
        `embedded database in ${settings.dataDir}: survives a killed process, not a power cut or a crash of the machine.`,
      ),
    );
  }
}
