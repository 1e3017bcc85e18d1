// Hints between the parts of the service, in this process at once and to other processes by NOTIFY, coalesced to one
// message per 10 ms and sent from outside any transaction (NOTIFY inside the append transaction serialises all partitions).
//
// A hint may be lost with the process that owed it or while a connection is down: whoever waits for one also looks by
// itself, at events once a second, at webhooks after a reconnect and every half minute, at signing keys after a reconnect
// and every minute. Nothing depends on it but speed. Who hears of a changed webhook says when its lane follows the change, so
// that the API can wait for that before it answers; changes are numbered, for an answer to an earlier one proves nothing.

import { EventEmitter } from 'node:events';
import type { StoredBatch } from '../log/event-log.ts';
import type { Database } from './database.ts';

export interface WebhookHint {
  readonly partition: number;
  readonly webhookId: string;
}

/** A hint as it is heard. */
export interface WebhookChange extends WebhookHint {
  /** The process that waits for `webhookFollowed`, and its number of the change: later ones have higher ones. */
  readonly from: string;
  readonly change: number;
}

export interface Signals {
  /** After a commit that appended events; `stored` reaches listeners in this process only. */
  appended(partition: number, stored?: StoredBatch): void;
  onAppended(listener: (partition: number, stored?: StoredBatch) => void): () => void;
  /** After a commit that changed, created or deleted a webhook, moved its cursor, or asked for a retry. */
  webhookChanged(hint: WebhookHint): number;
  onWebhookChanged(listener: (change: WebhookChange) => void): () => void;
  /** The webhook's lane does as the change, and all before it, say from now on. */
  webhookFollowed(change: WebhookChange): void;
  /** Of changes that this process made. */
  onWebhookFollowed(listener: (webhookId: string, change: number) => void): () => void;
  /** After a commit that withdrew a signing key or made another one active. */
  signingKeysChanged(): void;
  onSigningKeysChanged(listener: () => void): () => void;
  /** The connection that listens was made anew: what was said meanwhile is lost. */
  onReconnected(listener: () => void): () => void;
  close(): Promise<void>;
}

const channel = 'bellhop_hints';
const coalesceMs = 10;
const retryMs = 1_000;
/** NOTIFY payloads end at 8,000 bytes; a webhook hint and its answer take under 60 each, in the first million changes. */
const maxHintsPerMessage = 60;

export async function createSignals(
  database: Database,
  options: { readonly onError?: (error: unknown) => void } = {},
): Promise<Signals> {
  const emitter = new EventEmitter().setMaxListeners(0);
  const partitions = new Set<number>();
  const webhooks = new Map<string, { readonly partition: number; readonly change: number }>();
  /** The last change of each, by who made it and the webhook. */
  const followed = new Map<string, number>();
  let changes = 0;
  let owesKeys = false;
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();
  let closed = false;

  // PGlite has no other process to tell.
  const remote = database.kind === 'postgres';
  const origin = crypto.randomUUID().slice(0, 8);
  const unlisten = remote ? await database.listen(channel, receive, () => emitter.emit('reconnected')) : async () => {};

  function receive(payload: string): void {
    const [from, appended = '', changed = '', keys = '', answers = ''] = payload.split(' ');
    if (from === origin) return;
    for (const partition of appended.split(',').filter(Boolean)) emitter.emit('appended', Number(partition));
    for (const item of changed.split(',').filter(Boolean)) {
      const [partition = '', webhookId = '', change = ''] = item.split(':');
      emitter.emit('webhook', { partition: Number(partition), webhookId, from, change: Number(change) });
    }
    for (const item of answers.split(',').filter(Boolean)) {
      const [to, webhookId = '', change = ''] = item.split(':');
      if (to === origin) emitter.emit('followed', webhookId, Number(change));
    }
    if (keys !== '') emitter.emit('keys');
  }

  function schedule(afterMs = coalesceMs): void {
    if (!remote || timer || closed) return;
    timer = setTimeout(() => {
      timer = undefined;
      sending = sending.then(flush);
    }, afterMs);
  }

  async function flush(): Promise<void> {
    const appended = [...partitions];
    const changed = [...webhooks].slice(0, maxHintsPerMessage);
    const keys = owesKeys;
    partitions.clear();
    owesKeys = false;
    for (const [webhookId] of changed) webhooks.delete(webhookId);
    const answers = [...followed].slice(0, maxHintsPerMessage);
    for (const [who] of answers) followed.delete(who);
    if (webhooks.size > 0 || followed.size > 0) schedule();
    const named = changed.map(([id, { partition, change }]) => `${partition}:${id}:${change}`).join(',');
    const answered = answers.map(([who, change]) => `${who}:${change}`).join(',');
    const payload = `${origin} ${appended.join(',')} ${named} ${keys ? 'keys' : ''} ${answered}`;
    try {
      await database.notify(channel, payload);
    } catch (error) {
      options.onError?.(error);
      // Owed until it is sent, unless the process ends first.
      for (const partition of appended) partitions.add(partition);
      for (const [id, hint] of changed) if (!webhooks.has(id)) webhooks.set(id, hint);
      for (const [who, change] of answers) if (!followed.has(who)) followed.set(who, change);
      owesKeys ||= keys;
      schedule(retryMs);
    }
  }

  return {
    appended(partition, stored) {
      emitter.emit('appended', partition, stored);
      partitions.add(partition);
      schedule();
    },
    onAppended(listener) {
      emitter.on('appended', listener);
      return () => emitter.off('appended', listener);
    },
    webhookChanged({ partition, webhookId }) {
      changes += 1;
      const change = changes;
      webhooks.set(webhookId, { partition, change });
      schedule();
      emitter.emit('webhook', { partition, webhookId, from: origin, change });
      return change;
    },
    onWebhookChanged(listener) {
      emitter.on('webhook', listener);
      return () => emitter.off('webhook', listener);
    },
    webhookFollowed({ webhookId, from, change }) {
      if (from === origin) return void emitter.emit('followed', webhookId, change);
      followed.set(`${from}:${webhookId}`, change);
      schedule();
    },
    onWebhookFollowed(listener) {
      emitter.on('followed', listener);
      return () => emitter.off('followed', listener);
    },
    signingKeysChanged() {
      emitter.emit('keys');
      owesKeys = true;
      schedule();
    },
    onSigningKeysChanged(listener) {
      emitter.on('keys', listener);
      return () => emitter.off('keys', listener);
    },
    onReconnected(listener) {
      emitter.on('reconnected', listener);
      return () => emitter.off('reconnected', listener);
    },
    async close() {
      closed = true;
      if (timer) {
        clearTimeout(timer);
        timer = undefined;
        await flush();
      }
      await sending;
      await unlisten();
      emitter.removeAllListeners();
    },
  };
}
