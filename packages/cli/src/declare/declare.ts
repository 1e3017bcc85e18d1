// What the declarations of commands share. A declaration holds names, flags and help and nothing else; the command's code is
// loaded when it runs, so that help, completion and --version are fast.

import { type Command, Option } from 'commander';
import type { Context } from '../commands/context.ts';
import type { ExitCode } from '../exit.ts';

/** Turns what a command does into what commander calls. Its arguments are those of the command, flags last but one. */
export type RunCommand = <A extends readonly unknown[]>(
  work: (context: Context, ...args: A) => Promise<ExitCode>,
) => (...args: A) => Promise<void>;

export type Declare = (root: Command, run: RunCommand) => void;

/** For commands that talk to a service. */
export function withTarget(command: Command): Command {
  return command
    .option('-p, --profile <name>', 'profile to use (env BELLHOP_PROFILE)')
    .addOption(new Option('-E, --env <environment>', 'profile of an environment').choices(['sandbox', 'live', 'local']))
    .option('--timeout <duration>', 'of one call, such as 10s')
    .option('--json', 'JSON for scripts, also for errors');
}

/** For commands that change something. */
export function withWrite(command: Command): Command {
  return withTarget(command)
    .option('-y, --yes', 'do not ask before a change on live')
    .option('--show-request', 'print what is sent, as curl and as code');
}

export function examples(command: Command, lines: readonly (readonly [string, string?])[]): Command {
  const width = Math.max(...lines.map(([line, why]) => (why === undefined ? 0 : line.length)));
  const text = lines.map(([line, why]) => `  $ ${why === undefined ? line : `${line.padEnd(width)}   ${why}`}`);
  return command.addHelpText('after', `\nExamples:\n${text.join('\n')}`);
}

export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** `--type ORDER,USER` and `--type ORDER --type USER`. */
export function collectList(value: string, before: readonly string[] | undefined): readonly string[] {
  return [
    ...(before ?? []),
    ...value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  ];
}
