// What a command gets from the program around it.

import type { Output } from '../output.ts';

export interface Context {
  readonly output: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Aborts when the user asks the program to stop. */
  readonly signal: AbortSignal;
  /** Milliseconds since the process started. */
  readonly elapsedMs: () => number;
  readonly version: string;
}
