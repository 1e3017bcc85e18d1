// The test build's own record of what it did: `--effects-url` answers [{"id","type","at"}] in the order of processing.
// Waits until everything that was acknowledged is there, or until nothing more comes.

import { CliError, exitCodes, usageError } from '../exit.ts';

export interface Effect {
  readonly id: string;
  readonly type: string;
  readonly at: string;
}

const pollMs = 200;
/** Nothing new for this long: nothing more will come. */
const quietMs = 4_000;
/** A second effect of the same event may come a little later. */
const settleMs = 1_000;

export async function readEffects(url: URL): Promise<readonly Effect[]> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  } catch (cause) {
    throw new CliError(exitCodes.unreachable, `--effects-url ${url.href} does not answer.`, undefined, { cause });
  }
  const value: unknown = await response.json().catch(() => undefined);
  if (!response.ok || !Array.isArray(value) || !value.every(isEffect)) {
    throw usageError(
      `--effects-url ${url.href} answered ${response.status}, not a list of effects.`,
      'It answers [{"id","type","at"}] in the order of processing.',
    );
  }
  return value;
}

/** The effects once all of `ids` are among them; else what is there when nothing more comes or the time is over. */
export async function awaitEffects(url: URL, ids: readonly string[], limitMs: number): Promise<readonly Effect[]> {
  const endAt = performance.now() + limitMs;
  let quietAt = performance.now() + quietMs;
  let known = -1;
  for (;;) {
    const effects = await readEffects(url);
    const seen = new Set(effects.map(({ id }) => id));
    if (effects.length !== known) {
      known = effects.length;
      quietAt = performance.now() + quietMs;
    }
    const isComplete = ids.every((id) => seen.has(id));
    if (isComplete) await pause(Math.min(settleMs, Math.max(0, endAt - performance.now())));
    if (isComplete) return readEffects(url);
    if (performance.now() > Math.min(endAt, quietAt)) return effects;
    await pause(pollMs);
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

function isEffect(value: unknown): value is Effect {
  if (typeof value !== 'object' || value === null) return false;
  const { id, type, at }: { id?: unknown; type?: unknown; at?: unknown } = value;
  return typeof id === 'string' && typeof type === 'string' && typeof at === 'string';
}
