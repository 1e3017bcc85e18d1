// The events that the doctor sends: orders of the catalogue, valid against its schema, each with an id of its own. A test
// build has to record ORDER.* for `--effects-url`. Also the body of a package, as the provider writes it.

import { randomUUID } from 'node:crypto';
import { type EventType, example, type WebhookEvent } from '@bellhop/events';

/** An event under construction: a probe may add what no schema knows. */
export interface Draft extends WebhookEvent {
  readonly object: Record<string, unknown>;
}

export interface OrderOptions {
  readonly type?: EventType;
  readonly objectId?: string;
  /** Milliseconds since 1970. */
  readonly createdAtMs?: number;
}

const webhookId = randomUUID();

export function order(options: OrderOptions = {}): Draft {
  const { type = 'ORDER.NEW', objectId = randomUUID(), createdAtMs = Date.now() } = options;
  const { id, object } = example(type, { objectId, now: () => createdAtMs });
  const created_at = new Date(createdAtMs).toISOString();
  return { id, created_at, type, object: { ...object }, webhook_id: webhookId };
}

/** `count` events of `objects` orders in turn, oldest first. */
export function orders(count: number, objects = count): Draft[] {
  const ids = Array.from({ length: objects }, () => randomUUID());
  const nowMs = Date.now();
  return Array.from({ length: count }, (_, at) =>
    order({
      objectId: ids[at % objects] ?? randomUUID(),
      createdAtMs: nowMs - count + at,
      type: at < objects ? 'ORDER.NEW' : 'ORDER.PROCESSING',
    }),
  );
}

export function packageOf(events: readonly WebhookEvent[]): string {
  return JSON.stringify({ payload: events });
}

/** A package of 100 events, as near to `bytes` as whole executions allow and never above. */
export function packageOfSize(bytes: number): Draft[] {
  const events = orders(100);
  const filled = order({ type: 'ORDER.FILLED' }).object['executions'];
  const execution: unknown = Array.isArray(filled) ? filled[0] : undefined;
  const one = Buffer.byteLength(JSON.stringify(execution)) + 1;
  const free = bytes - Buffer.byteLength(packageOf(events)) - events.length * 16;
  const copies = Math.floor(free / one / events.length);
  for (const [at, event] of events.entries()) {
    const extra = at === 0 ? Math.floor(free / one) - copies * events.length : 0;
    event.object['executions'] = Array.from({ length: copies + extra }, () => execution);
  }
  return events;
}
