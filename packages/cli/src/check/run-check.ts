// Runs probes against a handler, in an order in which they do not disturb each other:
//
//   first delivery ─ together (concurrently) ─ alone ─ last (what may bring it down) ─ effects
//
// Ends within `limitMs` whatever the handler does: every request has a time limit, and what finds no time left is
// `unknown`, as is all that needs a delivery when the first one was not taken.

import { CliError, exitCodes } from '../exit.ts';
import { readEffects } from './effects.ts';
import type { Answer } from './exchange.ts';
import { order } from './orders.ts';
import type { Acknowledgement, Phase, Probe } from './probe.ts';
import type { Signer } from './signer.ts';
import { createWorld, deliver, stageFor, type World } from './stage.ts';
import { isAcknowledged, unknown, type Verdict } from './verdict.ts';

/** Of probes that say nothing about a handler that takes no delivery. */
export const notYet = 'the first delivery was not acknowledged: correct that first';

/** With the first delivery before it the run stays below 60 s. */
const limitMs = 50_000;
const retryMs = 250;
const unreachableCodes = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'];

export interface CheckOptions {
  readonly target: URL;
  readonly signer: Signer;
  readonly probes: readonly Probe[];
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly effectsUrl?: URL | undefined;
  /** How long a handler that is still starting is waited for. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Hears of each probe as it ends. */
  readonly onOutcome?: (outcome: Outcome, done: number) => void;
}

export interface Outcome {
  readonly probe: Probe;
  readonly verdict: Verdict;
  readonly elapsedMs: number;
}

export interface Report {
  readonly target: string;
  readonly signedBy: string;
  /** In the order of `probes`. */
  readonly outcomes: readonly Outcome[];
  readonly acknowledgement: Acknowledgement | undefined;
  readonly elapsedMs: number;
}

/** Rejects with CliError when nothing can be said: handler, service or effects are not reachable, or it was interrupted. */
export async function runCheck(options: CheckOptions): Promise<Report> {
  const { target, signer, probes, effectsUrl, concurrency, signal } = options;
  // The clock of the run starts when the handler has answered: until then only `waitMs` counts.
  let startedAt: number | undefined;
  const leftMs = () => (startedAt === undefined ? limitMs : limitMs - (performance.now() - startedAt));
  const world = createWorld({ target, signer, timeoutMs: options.timeoutMs, effectsUrl, leftMs });
  const first = await firstDelivery(world, options);
  assertReached(first, target);
  if (effectsUrl !== undefined) await readEffects(effectsUrl);
  startedAt = performance.now();

  const outcomes = new Map<Probe, Outcome>();
  const run = async (probe: Probe) => {
    if (signal?.aborted) throw new CliError(exitCodes.interrupted, 'Interrupted before the check was done.');
    const probeStartedAt = performance.now();
    const verdict = await verdictOf(probe, world, first);
    const outcome = { probe, verdict, elapsedMs: performance.now() - probeStartedAt };
    outcomes.set(probe, outcome);
    options.onOutcome?.(outcome, outcomes.size);
  };
  const phase = (name: Phase) => probes.filter((probe) => probe.phase === name);
  await inTurns(phase('first'), 1, run);
  await inTurns(phase('together'), concurrency, run);
  for (const name of ['alone', 'last', 'effects'] as const) await inTurns(phase(name), 1, run);

  return {
    target: target.href,
    signedBy: signer.name,
    outcomes: probes.flatMap((probe) => outcomes.get(probe) ?? []),
    acknowledgement: world.acknowledgement,
    elapsedMs: performance.now() - startedAt,
  };
}

async function verdictOf(probe: Probe, world: World, first: Answer): Promise<Verdict> {
  if (!isAcknowledged(first) && probe.standsAlone !== true) {
    return unknown(notYet);
  }
  if (world.leftMs() <= 0) return unknown(`no time was left of the ${limitMs / 1000} s`);
  const verdict = await probe.run(stageFor(world, probe.id, first));
  // A request that the end of the run cut short says nothing about the handler.
  return verdict.result === 'fail' && world.leftMs() <= 0
    ? unknown(`no time was left of the ${limitMs / 1000} s`)
    : verdict;
}

async function firstDelivery(world: World, { waitMs = 0, signal }: CheckOptions): Promise<Answer> {
  const waitUntil = performance.now() + waitMs;
  for (;;) {
    const answer = await deliver(world, 'single', [order()]);
    if (!isUnreachable(answer) || performance.now() >= waitUntil || signal?.aborted) return answer;
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

function isUnreachable(answer: Answer): answer is Answer & { kind: 'broken' } {
  return answer.kind === 'broken' && unreachableCodes.includes(answer.code);
}

function assertReached(first: Answer, target: URL): void {
  if (!isUnreachable(first)) return;
  throw new CliError(
    exitCodes.unreachable,
    `The handler at ${target.href} is not reachable (${first.code}).`,
    'Is it running, and is this its port?',
  );
}

async function inTurns<T>(items: readonly T[], concurrency: number, run: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
