// Texts that are given on stdin or as a file. They are UTF-8: what is not is refused, never replaced.

import { readFile } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Context } from './commands/context.ts';
import { CliError, exitCodes, usageError } from './exit.ts';
import { reasonOf } from './system-error.ts';

/** `-` is stdin. */
export async function readInput(file: string, { output, signal }: Context): Promise<string> {
  if (file === '-') {
    if (process.stdin.isTTY) output.note('reading from the terminal; Ctrl-D ends, Ctrl-C leaves');
    return decoded(await untilStopped(process.stdin, signal), 'stdin');
  }
  const bytes = await readFile(file).catch((error: unknown) => {
    throw usageError(`${file} cannot be read (${reasonOf(error)}).`);
  });
  return decoded(bytes, file);
}

async function untilStopped(stdin: Readable, signal: AbortSignal): Promise<Buffer> {
  try {
    return await buffer(addAbortSignal(signal, stdin));
  } catch (error) {
    if (signal.aborted) throw new CliError(exitCodes.interrupted, 'Stopped; nothing was sent.');
    throw error;
  }
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${name} is not UTF-8.`);
  }
}
