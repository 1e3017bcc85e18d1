// What a bad handler is: a small server that is wrong in one way, and the probes that have to say so. All others have to
// find nothing.

import { createServer, type RequestListener, type Server } from 'node:http';
import {
  type Answer,
  type Keys,
  type Memory,
  type Message,
  Refused,
  rightSteps,
  type Steps,
  take,
} from './right-handler.ts';

export interface BadHandler {
  readonly name: string;
  /** The mistake, as a sentence. */
  readonly wrong: string;
  /** Exactly the probes that fail. */
  readonly finds: readonly string[];
  /** It serves /effects, and the check reads it. */
  readonly hasEffects?: boolean;
  build(keys: Keys): Server | Promise<Server>;
}

/** For frameworks: the answer to a message, refusals included. */
export async function answerTo(message: Message, memory: Memory, faults: Partial<Steps> = {}): Promise<Answer> {
  try {
    return await take(message, memory, { ...rightSteps, ...faults });
  } catch (error) {
    return { status: error instanceof Refused ? error.status : 500 };
  }
}

export function flat(headers: Iterable<readonly [string, unknown]>): Record<string, string> {
  return Object.fromEntries([...headers].map(([name, value]) => [name, String(value)]));
}

export function serverOf(listener: RequestListener): Server {
  return createServer(listener);
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
