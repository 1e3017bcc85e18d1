// `bellhop dev`: the service for development. Makes credentials once, keeps them in dev.json, and shows the tutorial while
// it really happens: a handler of ours is registered, tested and fed over the wire. Then it stays up with a trickle of
// events until it is told to stop. With --no-demo it only serves.

import { relative } from 'node:path';
import type { Service, ServiceConfig } from '@bellhop/server';
import { type Checklist, createChecklist } from '../demo/checklist.ts';
import { startLiveLine } from '../demo/live-line.ts';
import { createOperatorApi } from '../demo/operator-api.ts';
import { createTraffic } from '../demo/traffic.ts';
import { trickle } from '../demo/trickle.ts';
import { type Demo, runTutorial, startHandler } from '../demo/tutorial.ts';
import { type DevCredentials, devFilePath, makeDevCredentials, readDevCredentials, writeDevFile } from '../dev-file.ts';
import { type ExitCode, exitCodes } from '../exit.ts';
import { plural } from '../plural.ts';
import { runService, untilAborted } from '../running-service.ts';
import { type FlagValues, readSettings, type Settings } from '../settings.ts';
import type { Context } from './context.ts';
import { serviceSettings } from './serve.ts';

export interface DevFlags extends FlagValues {
  readonly demo?: boolean;
}

export async function dev(flags: DevFlags, context: Context): Promise<ExitCode> {
  const { demo: withDemo = true, ...values } = flags;
  const { output } = context;
  const settings = readSettings('dev', values, context.env);
  warnOfTargets(settings, context);
  const known = await readDevCredentials(settings.dataDir);
  const credentials = withToken(known ?? (await makeDevCredentials(settings.operatorToken)), settings.operatorToken);

  const where =
    settings.databaseUrl === undefined ? `the embedded database in ${shown(settings.dataDir)}` : 'PostgreSQL';
  output.line(`${output.colors.bold('bellhop')} ${context.version}, starting on ${where}`);
  const checklist = createChecklist(output);
  const demo = withDemo ? await startHandler(context.elapsedMs) : undefined;
  if (demo) checklist.done('handler listening', demo.endpoint.url);

  const config: ServiceConfig = {
    ...serviceSettings(settings),
    operatorToken: credentials.operatorToken,
    dev: true,
    role: 'all',
  };
  try {
    return await runService(config, context.signal, {
      async beforeReady(service) {
        await prepareTenant(service, settings, credentials);
        if (demo && !context.signal.aborted) announceTenant(checklist, credentials, known !== undefined);
      },
      async whileUp(service, signal) {
        if (signal.aborted) return exitCodes.ok;
        warnOfOthers(settings, context);
        announceReady(service, context);
        if (demo === undefined) {
          explain(service, settings, context);
          await untilAborted(signal);
          output.note('stopping');
          return exitCodes.ok;
        }
        return runDemo({ service, settings, credentials, demo, checklist, context }, signal);
      },
      afterClose: async () => {
        output.note('stopped; the next start goes on with the same credentials and data');
      },
    });
  } finally {
    // After the service: what it had in flight is still answered.
    await demo?.close();
  }
}

interface RunningDemo {
  readonly service: Service;
  readonly settings: Settings;
  readonly credentials: DevCredentials;
  readonly demo: Demo;
  readonly checklist: Checklist;
  readonly context: Context;
}

async function runDemo(running: RunningDemo, signal: AbortSignal): Promise<ExitCode> {
  const { service, settings, credentials, demo, checklist, context } = running;
  const { output, elapsedMs } = context;
  const client = await demo.connect(service.url, credentials);
  const api = createOperatorApi(service.operatorUrl, credentials.operatorToken);
  const went = await runTutorial({ client, demo, api, checklist, baseUrl: service.operatorUrl }, signal);
  let exitCode: ExitCode = exitCodes.ok;
  if (!signal.aborted) {
    if (!went) {
      exitCode = exitCodes.failed;
      output.note(output.noteColors.red('The tutorial stopped at the step above; the service stays up.'));
    }
    explain(service, settings, context);
    const live = startLiveLine(output, demo.receipts.counts, elapsedMs);
    const traffic = createTraffic(() => crypto.randomUUID(), Math.random);
    if (went) await trickle({ traffic, api, clientId: credentials.clientId, output }, signal);
    else await untilAborted(signal);
    live.stop();
  }
  const { events, packages } = demo.receipts.counts();
  output.note(`stopping; delivered and verified: ${plural(events, 'event')} in ${plural(packages, 'package')}`);
  return exitCode;
}

/** A token of the environment wins over the one that was made, and becomes the one in the file. */
function withToken(credentials: DevCredentials, operatorToken: string | undefined): DevCredentials {
  return operatorToken === undefined ? credentials : { ...credentials, operatorToken };
}

async function prepareTenant(service: Service, settings: Settings, credentials: DevCredentials): Promise<void> {
  const { clientId, clientSecret, keyId, publicKey, scopes } = credentials;
  await service.ensureTenant({ clientId, clientSecret, name: 'bellhop dev', scopes, keys: [{ keyId, publicKey }] });
  await writeDevFile(settings.dataDir, credentials, service.url);
}

function announceReady(service: Service, { output }: Context): void {
  output.note(`${output.noteColors.green('ready')}  ${service.url}`);
}

function announceTenant(checklist: Checklist, credentials: DevCredentials, known: boolean): void {
  const what = `client ${credentials.clientId}, P-521 key ${credentials.keyId}`;
  checklist.done('key pair made, tenant created', known ? `${what} (found again in dev.json)` : what);
}

function explain(service: Service, settings: Settings, { output }: Context): void {
  const { bold, dim } = output.colors;
  const file = shown(devFilePath(settings.dataDir));
  output.line();
  output.line(` ${bold('base URL')}        ${service.url}   API description: ${service.url}/openapi.json`);
  output.line(
    ` ${bold('dashboard')}       ${service.operatorUrl}/dashboard   sign in with the operator token, or: bellhop open`,
  );
  if (service.operatorUrl !== service.url) output.line(` ${bold('operator API')}    ${service.operatorUrl}`);
  output.line(` ${bold('credentials')}     ${file}   client id, secret, key and operator token`);
  output.line(
    ` ${bold('operator token')}  ${dim(`export TOKEN=$(node -p 'JSON.parse(fs.readFileSync("${file}")).operator_token')`)}`,
  );
  output.line(
    ` ${bold('next')}            build your own handler: bellhop init --env local, docs/tutorial.md   ${dim('(Ctrl-C stops)')}`,
  );
  output.line();
}

/** Relative where that is shorter: people copy these. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== '' && !short.startsWith('..') ? short : path;
}

/** Once it listens: before, it may yet fail to. */
function warnOfOthers(settings: Settings, { output }: Context): void {
  if (!/^(127\.|::1$|localhost$)/.test(settings.host)) {
    output.note(
      output.noteColors.red(
        `WARNING  bellhop dev listens on ${settings.host}: others can reach a service made for development.`,
      ),
    );
  }
}

function warnOfTargets(settings: Settings, { output }: Context): void {
  if (settings.insecureTargets === 'all') {
    output.note(
      output.noteColors.red(
        'WARNING  BELLHOP_ALLOW_INSECURE_TARGETS=all: webhooks may point at http and private addresses.',
      ),
    );
  }
}
