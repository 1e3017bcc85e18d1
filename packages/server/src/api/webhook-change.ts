// After a committed change of webhooks: their lanes hear of it, wherever they run, and the call is answered when they do as the
// change says. So what was deleted or disabled is posted no more once the caller knows. A worker that does not answer (it
// hangs, it is gone, the connection for hints is down) is waited for half a second and no longer: its lanes then follow with
// its next look at the table, or end with its lease.

import type { Database } from '../store/database.ts';
import type { Signals, WebhookHint } from '../store/signals.ts';

const patienceMs = 500;

export async function followChange(
  { database, signals }: { readonly database: Database; readonly signals: Signals },
  changed: readonly Pick<WebhookHint, 'partition' | 'webhookId'>[],
): Promise<void> {
  if (changed.length === 0) return;
  const waiting = new Set(changed.map(({ webhookId }) => webhookId));
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const forget = signals.onWebhookFollowed((webhookId) => {
    if (waiting.delete(webhookId) && waiting.size === 0) end();
  });
  const timer = setTimeout(end, patienceMs);
  try {
    for (const hint of changed) signals.webhookChanged(hint);
    const owned = await ownedPartitions(
      database,
      changed.map(({ partition }) => partition),
    );
    for (const { partition, webhookId } of changed) if (!owned.has(partition)) waiting.delete(webhookId);
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
