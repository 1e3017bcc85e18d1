// The command line: puts the declarations together, parses, and turns wrong usage into one line. What a command does is in
// commands/.

import { Command, CommanderError } from 'commander';
import { declareCheck } from './check/declare.ts';
import type { Context } from './commands/context.ts';
import type { Declare, RunCommand } from './declare/declare.ts';
import { declareEvents } from './declare/events.ts';
import { declareFirstDay } from './declare/first-day.ts';
import { declareInbox } from './declare/inbox.ts';
import { declareListen } from './declare/listen.ts';
import { declareProfiles } from './declare/profiles.ts';
import { declareProxy } from './declare/proxy.ts';
import { declareService } from './declare/service.ts';
import { declareTokens } from './declare/tokens.ts';
import { declareWebhooks } from './declare/webhooks.ts';
import { CliError, type ExitCode, exitCodes, exitNameOf, usageError } from './exit.ts';

const declarations: readonly Declare[] = [
  declareService,
  declareFirstDay,
  declareListen,
  declareEvents,
  declareWebhooks,
  declareTokens,
  declareInbox,
  declareProxy,
  declareCheck,
  declareProfiles,
];

const startHere = `
Start here:
  $ bellhop dev --no-demo                              a local service with everything it needs; it stays up
  $ bellhop init --env local                           a handler of yours to begin with
  $ bellhop listen -f http://localhost:3000/webhooks   its events here and, verified, at your handler
  $ bellhop trigger ORDER.FILLED                       make one
In a clone, bellhop is npx bellhop.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 declined, 4 not authorised, 5 not reachable.`;

/** The program with all its commands; `done` hears how a command ended. */
function createProgram(context: Context, done: (exitCode: ExitCode) => void): Command {
  const program = new Command('bellhop')
    .description('Webhooks of the Upvest Investment API: run the service, try it, build against it.')
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', startHere)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.output.line(text.trimEnd()),
      writeErr: (text) => context.output.note(text.trimEnd()),
      // Errors are thrown and printed in one place.
      outputError: () => {},
    });
  program.helpCommand('help [command]', 'show help of a command');
  const run: RunCommand =
    (work) =>
    async (...args) =>
      done(await work(context, ...args));
  for (const declare of declarations) declare(program, run);
  eachCommand(program, (command) => command.option('--no-color', 'no colours (env NO_COLOR)'));
  return program;
}

/** Runs the command that `args` name (without node and script) and tells how the process should end. */
export async function runProgram(args: readonly string[], context: Context): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.ok;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return afterCommander(error, program, args);
    throw error;
  }
  return exitCode;
}

function eachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) eachCommand(child, visit);
}

function afterCommander(error: CommanderError, program: Command, args: readonly string[]): ExitCode {
  if (error.exitCode === 0) return exitCodes.ok;
  // Help that was shown because no command was given: the help is the message.
  if (error.code === 'commander.help') return exitCodes.usage;
  const message = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  throw usageError(
    `${message}${/[.)!?]$/.test(message) ? '' : '.'}`,
    `See: ${['bellhop', ...commandPath(program, args)].join(' ')} --help`,
  );
}

function commandPath(program: Command, args: readonly string[]): readonly string[] {
  const path: string[] = [];
  let at = program;
  for (const arg of args) {
    const next = at.commands.find((command) => command.name() === arg || command.aliases().includes(arg));
    if (next === undefined) continue;
    path.push(next.name());
    at = next;
  }
  return path;
}

export interface Failure {
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
}

export function failureOfError(error: unknown): Failure {
  if (error instanceof CliError) return { message: error.message, hint: error.hint, exitCode: error.exitCode };
  const text = error instanceof Error ? error.message : String(error);
  return {
    message: `unexpected error: ${text.split('\n')[0] ?? ''}`,
    hint: '(BELLHOP_LOG_LEVEL=debug shows where)',
    exitCode: exitCodes.failed,
  };
}

/** One object, for scripts. */
export function failureJson({ message, hint, exitCode }: Failure): string {
  const docs = 'docs/reference/errors.md#exit-codes';
  return JSON.stringify({
    error: { code: exitNameOf(exitCode), message, ...(hint === undefined ? {} : { hint }), docs },
  });
}
