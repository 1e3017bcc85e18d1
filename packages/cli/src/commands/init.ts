// `bellhop init`: the first day. Keys, the public key to hand over, a profile that was tried, a starter handler. Each step
// looks what is there and overwrites nothing, so it can be run again when the provider has answered with the key id.

import { access, writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { makeFolder } from '@bellhop/server/make-folder';
import { askChoice, askText, askYes, canAsk } from '../ask.ts';
import { CliError, type ExitCode, exitCodes, usageError } from '../exit.ts';
import { type Framework, frameworkOf, frameworks, missingPackages, starter } from '../init/starter.ts';
import { defaultTitle } from '../listen/registration.ts';
import { resolveTarget } from '../profiles/target.ts';
import { isSystemError, reasonOf } from '../system-error.ts';
import type { Context } from './context.ts';
import { makeKeyPair, publicKey } from './keys.ts';
import { checkClientId, defaultKeyFile, login } from './login.ts';

export interface InitFlags {
  readonly env?: 'sandbox' | 'live' | 'local';
  readonly baseUrl?: string;
  readonly clientId?: string;
  readonly keyId?: string;
  readonly privateKeyFile?: string;
  readonly framework?: Framework;
  readonly handler?: boolean;
  readonly storeSecret?: boolean;
}

export async function init(flags: InitFlags, context: Context): Promise<ExitCode> {
  const { output } = context;
  const asking = canAsk(context.env);
  const where = flags.env ?? (flags.baseUrl === undefined ? await askWhere(asking) : undefined);
  const done = (text: string) => output.note(`${output.noteColors.green('✓')} ${text}`);
  if (where === 'local') {
    const target = await resolveTarget({ env: 'local' }, context.env);
    const near = relative(process.cwd(), target.source);
    done(`the local service has made credentials for you: ${near.startsWith('..') ? target.source : near}`);
  } else {
    const ready = await provider(where, flags, asking, context);
    if (!ready) return exitCodes.ok;
  }
  const run =
    flags.handler === false
      ? 'your handler'
      : await writeStarter(flags.framework ?? (await frameworkOf(process.cwd())), asking, context, done);
  const profile = where === undefined ? '' : ` --env ${where}`;
  output.note('Next, in three terminals:');
  output.note(`  ${run}`);
  output.note(`  bellhop listen${profile} -f http://localhost:3000/webhooks`);
  output.note(
    where === 'local' ? '  bellhop trigger ORDER.FILLED' : `  bellhop webhooks test "${defaultTitle()}"${profile}`,
  );
  return exitCodes.ok;
}

async function askWhere(asking: boolean): Promise<'sandbox' | 'live' | 'local'> {
  if (!asking)
    throw usageError('--env sandbox, live or local, or --base-url, is missing.', 'There is no terminal to ask.');
  return askChoice('Which service?', [
    { value: 'local', hint: 'bellhop dev on this machine: no account needed' },
    { value: 'sandbox', hint: "Upvest's sandbox" },
    { value: 'live', hint: 'Upvest, for real' },
  ]);
}

/** False: the provider has to answer first. */
async function provider(
  where: 'sandbox' | 'live' | undefined,
  flags: InitFlags,
  asking: boolean,
  context: Context,
): Promise<boolean> {
  const { output } = context;
  const file = resolve(flags.privateKeyFile ?? defaultKeyFile);
  const shown = relative(process.cwd(), file) || file;
  if (await exists(file)) {
    output.note(`${output.noteColors.green('✓')} private key found: ${shown}`);
  } else {
    const { publicFile } = await makeKeyPair(file, 'ecdsa-p521');
    output.note(
      `${output.noteColors.green('✓')} key pair made: ${shown} (keep it secret and out of version control), ${relative(process.cwd(), publicFile)}`,
    );
  }
  output.note('Hand this public key to your provider; it answers with the key id:');
  await publicKey(file, context);

  const again = `bellhop init ${where === undefined ? `--base-url ${flags.baseUrl}` : `--env ${where}`}${flags.privateKeyFile === undefined ? '' : ` --private-key-file ${shown}`}`;
  let { clientId, keyId } = flags;
  if (asking && (clientId === undefined || keyId === undefined)) {
    if (!(await askYes('Do you have the key id, client id and client secret?', true))) {
      output.note(`When you have them, go on: ${again}`);
      return false;
    }
    clientId ??= await askText('Client id', { check: checkClientId });
    keyId ??= await askText('Key id');
  }
  if (clientId === undefined || keyId === undefined) {
    output.note(`When you have the key id: BELLHOP_CLIENT_SECRET=… ${again} --client-id … --key-id …`);
    return false;
  }
  await login(
    undefined,
    {
      ...(where === undefined ? {} : { env: where }),
      ...(flags.baseUrl === undefined ? {} : { baseUrl: flags.baseUrl }),
      clientId,
      keyId,
      privateKeyFile: file,
      ...(flags.storeSecret === undefined ? {} : { storeSecret: flags.storeSecret }),
    },
    context,
  );
  return true;
}

/** The command that runs it. */
async function writeStarter(
  framework: Framework,
  asking: boolean,
  context: Context,
  done: (text: string) => void,
): Promise<string> {
  const chosen =
    asking && framework === 'node'
      ? await askChoice(
          'Which framework?',
          frameworks.map((value) => ({ value, hint: '' })),
        )
      : framework;
  const { file, text } = starter(chosen);
  try {
    await makeFolder(dirname(resolve(file)), 0o777);
    await writeFile(file, text, { flag: 'wx' });
    done(`starter handler for ${chosen}: ${file}`);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code !== 'EEXIST' || !(await exists(file)))
      throw new CliError(exitCodes.failed, `${file} cannot be written (${reasonOf(error)}).`);
    context.output.note(`${file} is there already and was left alone`);
  }
  const install = missingPackages(process.cwd(), chosen);
  const start = chosen === 'next' ? 'npm run dev' : `node ${file}`;
  return install.length === 0 ? start : `npm install ${install.join(' ')} && ${start}`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
