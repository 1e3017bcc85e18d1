// Questions to the person at the terminal. A prompt is never the only way: where there is no terminal the command ends with
// the flag or the variable to give instead. Prompts are written to stderr, so that stdout stays the result.

import type { Readable, Writable } from 'node:stream';
import { CliError, exitCodes } from './exit.ts';

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable & { readonly isTTY?: boolean };
}

const terminal: Terminal = { input: process.stdin, output: process.stderr };

export function canAsk(env: NodeJS.ProcessEnv): boolean {
  return terminal.input.isTTY === true && terminal.output.isTTY === true && !env['CI'];
}

export async function askText(
  message: string,
  options: { readonly initial?: string; readonly placeholder?: string } = {},
) {
  const { text } = await import('@clack/prompts');
  const answer = await text({
    message,
    ...(options.initial === undefined ? {} : { initialValue: options.initial }),
    ...(options.placeholder === undefined ? {} : { placeholder: options.placeholder }),
    validate: (value) => ((value ?? '').trim() === '' ? 'Something is needed here' : undefined),
    output: terminal.output,
  });
  return typeof answer === 'string' ? answer.trim() : cancelled();
}

/** May stay empty. */
export async function askSecret(message: string): Promise<string> {
  const { password } = await import('@clack/prompts');
  const answer = await password({ message, output: terminal.output });
  if (typeof answer === 'symbol') return cancelled();
  return answer ?? '';
}

export async function askChoice<T extends string>(
  message: string,
  choices: readonly { readonly value: T; readonly hint: string }[],
): Promise<T> {
  const { select } = await import('@clack/prompts');
  const answer = await select<string>({
    message,
    options: choices.map(({ value, hint }) => ({ value, label: value, hint })),
    output: terminal.output,
  });
  const chosen = choices.find(({ value }) => value === answer);
  return chosen === undefined ? cancelled() : chosen.value;
}

export async function askYes(message: string, initial = false): Promise<boolean> {
  const { confirm } = await import('@clack/prompts');
  const answer = await confirm({ message, initialValue: initial, output: terminal.output });
  return answer === true;
}

function cancelled(): never {
  throw new CliError(exitCodes.declined, 'Cancelled; nothing was changed.');
}
