// `bellhop profile`: what is in the configuration file. Secrets are never shown.

import { askYes, canAsk } from '../ask.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { type Config, configPath, readConfig, type StoredProfile, writeConfig } from '../profiles/config-file.ts';
import { resolveTarget } from '../profiles/target.ts';
import { printFacts, printTable } from '../table.ts';
import type { Context } from './context.ts';
import { publicFacts } from './whoami.ts';

export async function listProfiles(flags: { readonly json?: boolean }, context: Context): Promise<ExitCode> {
  const { output, env } = context;
  const { profiles, current } = await readConfig(env);
  const inUse = await resolveTarget({}, env).catch((error: unknown) => {
    if (error instanceof CliError) return undefined;
    throw error;
  });
  const found = Object.entries(profiles).map(([name, profile]) => ({ name, ...publicProfile(profile) }));
  if (inUse?.profile === 'local' && profiles['local'] === undefined) {
    found.unshift({
      name: 'local',
      ...publicProfile({
        environment: 'local',
        base_url: inUse.baseUrl,
        client_id: inUse.clientId,
        key_id: inUse.keyId,
        private_key_file: inUse.privateKeyFile,
      }),
      has_client_secret: true,
      has_operator_token: true,
    });
  }
  if (flags.json) {
    output.line(JSON.stringify({ current: current ?? null, in_use: inUse?.profile ?? null, profiles: found }));
    return exitCodes.ok;
  }
  if (found.length === 0) {
    output.note(`No profile in ${configPath(env)}. Make one: bellhop login. Or start a local service: bellhop dev`);
    return exitCodes.ok;
  }
  await printTable(
    output,
    ['', 'NAME', 'ENVIRONMENT', 'BASE URL', 'CLIENT ID'],
    found.map(({ name, environment, base_url, client_id }) => [
      name === inUse?.profile ? '*' : '',
      name,
      environment,
      base_url,
      client_id,
    ]),
  );
  if (inUse?.profile === 'local' && current !== undefined && current !== 'local') {
    output.note(`${inUse.source} is nearer than the current profile ${current}: use --profile ${current} here.`);
  }
  return exitCodes.ok;
}

export async function useProfile(name: string, context: Context): Promise<ExitCode> {
  const { output, env } = context;
  const config = await readConfig(env);
  known(config, name);
  await writeConfig(env, { ...config, current: name });
  output.note(`${output.noteColors.green('✓')} current profile: ${name}`);
  const inUse = await resolveTarget({}, env);
  if (inUse.profile !== name) output.note(`${inUse.source} comes first here: use --profile ${name} in this folder.`);
  return exitCodes.ok;
}

export async function showProfile(
  name: string | undefined,
  flags: { readonly json?: boolean },
  context: Context,
): Promise<ExitCode> {
  const target = await resolveTarget(name === undefined ? {} : { profile: name }, context.env);
  const facts = publicFacts(target, context.env);
  if (flags.json) context.output.line(JSON.stringify(facts));
  else
    printFacts(
      context.output,
      Object.entries(facts).map(([field, value]) => [field, String(value)]),
    );
  return exitCodes.ok;
}

export async function removeProfile(
  name: string,
  flags: { readonly yes?: boolean },
  context: Context,
): Promise<ExitCode> {
  const { output, env } = context;
  const config = await readConfig(env);
  known(config, name);
  if (!flags.yes) {
    if (!canAsk(env))
      throw new CliError(exitCodes.declined, `Removing profile ${name} was not confirmed.`, 'Add --yes.');
    if (!(await askYes(`Forget profile ${name}?`)))
      throw new CliError(exitCodes.declined, 'Declined; nothing was changed.');
  }
  const { [name]: removed, ...profiles } = config.profiles;
  await writeConfig(env, { current: config.current === name ? undefined : config.current, profiles });
  output.note(
    `${output.noteColors.green('✓')} removed ${name}${removed === undefined ? '' : `; ${removed.private_key_file} stays`}`,
  );
  return exitCodes.ok;
}

function known({ profiles }: Config, name: string): void {
  if (profiles[name] !== undefined) return;
  const names = Object.keys(profiles).join(', ') || 'none';
  throw usageError(`There is no profile ${name}. Known: ${names}.`, `Make it: bellhop login ${name}`);
}

function publicProfile(profile: StoredProfile) {
  const { environment, base_url, client_id, key_id, private_key_file } = profile;
  return {
    environment,
    base_url,
    client_id,
    key_id,
    private_key_file,
    has_client_secret: profile.client_secret !== undefined,
    has_operator_token: profile.operator_token !== undefined,
  };
}
