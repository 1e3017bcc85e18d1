// After a committed change of webhooks: their lanes hear of it, wherever they run, and the call is answered when they do as the
// change says. So what was deleted or disabled is posted no more once the caller knows. A worker that does not answer (it
// hangs, it is gone, the connection for hints is down) is waited for half a second and no longer: its lanes then follow with
// its next look at the table, or end with its lease.

import type { Database } from '../store/database.ts';
import type { Signals, WebhookHint } from '../store/signals.ts';

const defaultPatienceMs = 500;

interface FollowOptions {
  readonly database: Database;
  readonly signals: Signals;
  readonly patienceMs?: number;
}

/** Never rejects: what was committed is not to be called failed. */
export async function followChange(
  { database, signals, patienceMs = defaultPatienceMs }: FollowOptions,
  changed: readonly WebhookHint[],
): Promise<void> {
  if (changed.length === 0) return;
  /** The number of the change that each is waited for with. */
  const waiting = new Map<string, number>();
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const arrived = (webhookId: string): void => {
    if (waiting.delete(webhookId) && waiting.size === 0) end();
  };
  const forget = signals.onWebhookFollowed((webhookId, change) => {
    if (change >= (waiting.get(webhookId) ?? Number.POSITIVE_INFINITY)) arrived(webhookId);
  });
  const timer = setTimeout(end, patienceMs);
  try {
    for (const hint of changed) waiting.set(hint.webhookId, signals.webhookChanged(hint));
    // Without an answer of the database nobody knows who runs them: all are waited for.
    const owned = await ownedPartitions(
      database,
      changed.map(({ partition }) => partition),
    ).catch(() => undefined);
    for (const { partition, webhookId } of changed) if (owned?.has(partition) === false) arrived(webhookId);
    if (waiting.size > 0) await ended;
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** Those whose lanes run somewhere. */
async function ownedPartitions(database: Database, partitions: readonly number[]): Promise<ReadonlySet<number>> {
  const rows = await database.query<{ id: number }>(
    'select id from partitions where id = any($1::integer[]) and owner is not null and lease_until > now()',
    [partitions],
  );
  return new Set(rows.map(({ id }) => id));
}
