// The webhook of `listen`: found again by its title when an earlier run was killed, made otherwise; its URL is patched and
// it is never deleted while events wait in it.

import { hostname } from 'node:os';
import type { Client, Webhook } from '@bellhop/client';
import { calling } from '../connect.ts';
import { isRecord } from '../json.ts';
import type { Operator } from '../operator.ts';
import type { Target } from '../profiles/target.ts';
import { waitFor } from '../wait.ts';

export interface Wanted {
  readonly title: string;
  readonly url: string;
  readonly categories: readonly string[];
  readonly delay: string;
  readonly maxPackageSize: number;
}

export interface Registration {
  readonly id: string;
  readonly reused: boolean;
  /** Others with the same title, which are left alone. */
  readonly twins: readonly string[];
}

/** The same at every run on this machine: that is how the webhook is found again. */
export function defaultTitle(): string {
  return `bellhop listen on ${hostname()}`.slice(0, 100);
}

export async function register(client: Client, target: Target, wanted: Wanted): Promise<Registration> {
  const fields = {
    title: wanted.title,
    url: wanted.url,
    type: wanted.categories,
    config: { delay: wanted.delay, max_package_size: wanted.maxPackageSize },
  };
  return calling(target, async () => {
    const found: Webhook[] = [];
    for await (const webhook of client.webhooks.iterate({ limit: 1_000 })) {
      if (webhook.title === wanted.title) found.push(webhook);
    }
    const [orphan, ...twins] = found;
    const { id } = orphan ?? (await client.webhooks.create(fields));
    await client.webhooks.update(id, { ...fields, enabled: true });
    return { id, reused: orphan !== undefined, twins: twins.map((twin) => twin.id) };
  });
}

/** The number of events that wait; undefined when nobody can tell. */
async function waitingEvents(operator: Operator | undefined, id: string): Promise<number | undefined> {
  if (operator === undefined) return undefined;
  const webhook = await operator.call('GET', `/operator/webhooks/${id}`);
  const lag = isRecord(webhook['lag']) ? Number(webhook['lag']['events']) : Number.NaN;
  if (Number.isNaN(lag)) return undefined;
  return webhook['pending'] === null ? lag : Math.max(1, lag);
}

/** Waits a little for the queue to run empty; what is left when the time is over. */
export async function drained(operator: Operator, id: string, limitMs: number, signal: AbortSignal): Promise<number> {
  let waiting = 0;
  await waitFor(
    async () => {
      waiting = (await waitingEvents(operator, id)) ?? 0;
      return waiting === 0 ? true : undefined;
    },
    { everyMs: 200, limitMs, signal },
  );
  return waiting;
}
