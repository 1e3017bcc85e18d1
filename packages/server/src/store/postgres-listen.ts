// LISTEN on a connection of its own, made again whenever it breaks. Best effort by nature: what is sent while there is no
// connection is lost, and `onReconnected` says so.

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectionSettings, toDatabaseError } from './postgres-connection.ts';

const firstRetryMs = 20;
const maxRetryMs = 1_000;

/** Resolves when it listens for the first time; what it gives ends it. */
export async function listenTo(
  url: string,
  channel: string,
  onPayload: (payload: string) => void,
  onReconnected: () => void,
): Promise<() => Promise<void>> {
  const stopping = new AbortController();

  /** `broken` resolves when the connection is gone. */
  async function open(): Promise<{ client: pg.Client; broken: Promise<void> }> {
    const client = new pg.Client(connectionSettings({ url }));
    const broken = new Promise<void>((resolve) => {
      client.on('error', () => resolve());
      client.on('end', () => resolve());
    });
    client.on('notification', ({ payload = '' }) => onPayload(payload));
    try {
      await client.connect();
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
      return { client, broken };
    } catch (error) {
      await close(client);
      throw toDatabaseError(error);
    }
  }

  async function reopen(): Promise<Awaited<ReturnType<typeof open>> | undefined> {
    for (let retryMs = firstRetryMs; !stopping.signal.aborted; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
      try {
        return await open();
      } catch {
        // The statements of everybody else tell that the database is away; here it is waited for, as long as it takes.
        const delayMs = retryMs * (0.5 + Math.random() / 2);
        await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
    return undefined;
  }

  let current: Awaited<ReturnType<typeof open>> | undefined = await open();
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
  const watching = (async () => {
    while (current && !stopping.signal.aborted) {
      await Promise.race([current.broken, stopped]);
      await close(current.client);
      current = await reopen();
      if (current && !stopping.signal.aborted) onReconnected();
    }
    if (current) await close(current.client);
  })();

  return async () => {
    stopping.abort();
    await watching;
  };
}

/** Of a connection that may be broken already. */
async function close(client: pg.Client): Promise<void> {
  client.removeAllListeners('notification');
  await client.end().catch(() => {});
}
