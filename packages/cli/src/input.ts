// Texts that are given on stdin or as a file. They are UTF-8: what is not is refused, never replaced.

import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { usageError } from './exit.ts';
import { reasonOf } from './system-error.ts';

/** `-` is stdin. */
export async function readInput(file: string): Promise<string> {
  if (file === '-') return decoded(await buffer(process.stdin), 'stdin');
  const bytes = await readFile(file).catch((error: unknown) => {
    throw usageError(`${file} cannot be read (${reasonOf(error)}).`);
  });
  return decoded(bytes, file);
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${name} is not UTF-8.`);
  }
}
