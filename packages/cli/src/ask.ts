// Questions to the person at the terminal. A prompt is never the only way: where there is no terminal the command ends with
// the flag or the variable to give instead. Prompts are written to stderr, so that stdout stays the result.

import { Writable } from 'node:stream';
import { CliError, exitCodes } from './exit.ts';
import { wantsColor } from './output.ts';

/** No frame: it would be longer than what it holds. */
const shown = { output: wantsColor(process.stderr, process.env) ? process.stderr : withoutColors(), withGuide: false };

export function canAsk(env: NodeJS.ProcessEnv): boolean {
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true;
  return interactive && !env['CI'] && env['TERM'] !== 'dumb';
}

/** What is wrong with an answer; undefined when nothing is. Whoever answered is asked again at once. */
export type AnswerCheck = (answer: string) => string | undefined;

export async function askText(
  message: string,
  options: {
    readonly initial?: string | undefined;
    readonly placeholder?: string | undefined;
    readonly check?: AnswerCheck | undefined;
  } = {},
): Promise<string> {
  const { text } = await import('@clack/prompts');
  const answer = await text({
    message,
    ...(options.initial === undefined ? {} : { initialValue: options.initial }),
    ...(options.placeholder === undefined ? {} : { placeholder: options.placeholder }),
    validate: (value) => {
      const given = (value ?? '').trim();
      return given === '' ? 'Something is needed here' : options.check?.(given);
    },
    ...shown,
  });
  return typeof answer === 'string' ? answer.trim() : cancelled();
}

export async function askSecret(message: string): Promise<string> {
  const { password } = await import('@clack/prompts');
  const answer = await password({
    message,
    validate: (value) => ((value ?? '') === '' ? 'Something is needed here' : undefined),
    ...shown,
  });
  return typeof answer === 'string' ? answer : cancelled();
}

export async function askChoice<T extends string>(
  message: string,
  choices: readonly { readonly value: T; readonly hint: string }[],
): Promise<T> {
  const { select } = await import('@clack/prompts');
  const answer = await select<string>({
    message,
    options: choices.map(({ value, hint }) => ({ value, label: value, hint })),
    ...shown,
  });
  const chosen = choices.find(({ value }) => value === answer);
  return chosen === undefined ? cancelled() : chosen.value;
}

export async function askYes(message: string, initial = false): Promise<boolean> {
  const { confirm } = await import('@clack/prompts');
  const answer = await confirm({ message, initialValue: initial, ...shown });
  return typeof answer === 'boolean' ? answer : cancelled();
}

function cancelled(): never {
  throw new CliError(exitCodes.declined, 'Cancelled.');
}

/** The library's colours do not ask for NO_COLOR on every Node. Its movements of the cursor stay. */
function withoutColors(): Writable {
  const { stderr } = process;
  const plain = new Writable({
    decodeStrings: false,
    write(text: string | Buffer, _, written) {
      stderr.write(String(text).replaceAll(/\x1b\[[\d;]*m/g, ''));
      written();
    },
  });
  const size = { get: () => stderr.columns };
  stderr.on('resize', () => plain.emit('resize'));
  return Object.defineProperty(plain, 'columns', size);
}
