// The provider's side of a run: signs, sends, and keeps the ledger, so that a probe only says what it sends. One stage per
// run and probe; the ledger is shared. No request outlives the run's deadline.

import type { WebhookEvent } from '@bellhop/events';
import { awaitEffects, type Effect } from './effects.ts';
import { type Answer, exchange, type Parcel } from './exchange.ts';
import { Ledger } from './ledger.ts';
import { packageOf } from './orders.ts';
import type { Acknowledgement, Delivery, Stage } from './probe.ts';
import type { Signer } from './signer.ts';
import { isAcknowledged } from './verdict.ts';

export interface World {
  readonly target: URL;
  readonly signer: Signer;
  readonly timeoutMs: number;
  readonly effectsUrl: URL | undefined;
  /** Milliseconds that are left of the run. */
  readonly leftMs: () => number;
  readonly ledger: Ledger;
  acknowledgement: Acknowledgement | undefined;
  /** Read once, when all that has effects is done. */
  effects: Promise<readonly Effect[]> | undefined;
}

export function createWorld(options: Pick<World, 'target' | 'signer' | 'timeoutMs' | 'effectsUrl' | 'leftMs'>): World {
  return { ...options, ledger: new Ledger(), acknowledgement: undefined, effects: undefined };
}

/** `first` may be absent only for the delivery that makes it. */
export function stageFor(world: World, probe: string, first: Answer): Stage {
  const { target, signer, ledger } = world;
  const limited = (timeoutMs: number) => Math.max(1, Math.min(timeoutMs, world.leftMs()));
  return {
    target,
    signer,
    ledger,
    timeoutMs: world.timeoutMs,
    first,
    deliver: (events, how) => deliver(world, probe, events, how),
    sign: (request) => signer.sign({ url: target.href, ...request }),
    async attempt(parcel, events, to = target) {
      const answer = await exchange(to, parcel, limited(world.timeoutMs));
      if (isAcknowledged(answer)) ledger.acknowledged(probe, events);
      else ledger.refused(probe, events, answer.kind === 'answer' ? answer.status : 0);
      return answer;
    },
    send: (parcel, to = target) => exchange(to, parcel, limited(world.timeoutMs)),
    effects() {
      const { effectsUrl } = world;
      if (effectsUrl === undefined) return undefined;
      const ids = ledger.due().map(({ id }) => id);
      world.effects ??= awaitEffects(effectsUrl, ids, Math.min(15_000, world.leftMs()));
      return world.effects;
    },
    measured(acknowledgement) {
      world.acknowledgement = acknowledgement;
    },
  };
}

export async function deliver(
  world: World,
  probe: string,
  events: readonly WebhookEvent[],
  how: Delivery = {},
): Promise<Answer> {
  const { body = packageOf(events), key, version, alter, cuts, pauseMs, connections, optional = false } = how;
  const signed = await world.signer.sign({
    url: world.target.href,
    body,
    ...(key === undefined ? {} : { key }),
    ...(version === undefined ? {} : { version }),
  });
  if (signed === undefined) return { kind: 'broken', code: 'no such key', elapsedMs: 0 };
  await how.ready?.();
  const parcel: Parcel = {
    headers: alter === undefined ? signed : alter(signed),
    body: Buffer.from(body),
    ...(cuts === undefined ? {} : { cuts }),
    ...(pauseMs === undefined ? {} : { pauseMs }),
  };
  const timeoutMs = Math.max(1, Math.min(how.timeoutMs ?? world.timeoutMs, world.leftMs()));
  const answer = await exchange(world.target, parcel, timeoutMs, connections);
  if (isAcknowledged(answer) && !optional) world.ledger.acknowledged(probe, events);
  return answer;
}
