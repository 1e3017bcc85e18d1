// The steady trickle after the tutorial: a few events a second through the operator API, until told to stop. An answer that
// does not come is said once, not at every beat; the events of that beat are published again with the same ids, so that
// none is lost or doubled.

import { setTimeout as sleep } from 'node:timers/promises';
import type { UndeliveredEvent } from '@bellhop/events';
import type { Output } from '../output.ts';
import type { OperatorApi } from './operator-api.ts';
import type { Traffic } from './traffic.ts';

const beatMs = 600;
const eventsPerBeat = 2;
const pauseAfterFailureMs = 2_000;

export async function trickle(
  options: { readonly traffic: Traffic; readonly api: OperatorApi; readonly clientId: string; readonly output: Output },
  signal: AbortSignal,
): Promise<void> {
  const { traffic, api, clientId, output } = options;
  let failing = false;
  let events: UndeliveredEvent[] | undefined;
  while (!signal.aborted) {
    events ??= traffic.next(eventsPerBeat);
    try {
      await api.publish(clientId, events);
      events = undefined;
      if (failing) output.note('publishing again');
      failing = false;
    } catch (error) {
      if (!failing && !signal.aborted) output.note(`publishing failed, trying again: ${messageOf(error)}`);
      failing = true;
    }
    await sleep(failing ? pauseAfterFailureMs : beatMs, undefined, { signal }).catch(() => undefined);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
