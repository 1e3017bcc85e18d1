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
  /** Milliseconds since 1970. */
  readonly createdAtMs?: number;
  /** The events about the same order so far. */
  readonly after?: readonly Draft[];
}

const webhookId = randomUUID();

export function order(options: OrderOptions = {}): Draft {
  const { type = 'ORDER.NEW', createdAtMs = Date.now(), after = [] } = options;
  const { id, object } = example(type, { after, now: () => createdAtMs });
  const created_at = new Date(createdAtMs).toISOString();
  return { id, created_at, type, object: { ...object }, webhook_id: webhookId };
}

/** `count` events of `objects` orders in turn, oldest first. */
export function orders(count: number, objects = count): Draft[] {
  const nowMs = Date.now();
  const made: Draft[] = [];
  for (let at = 0; at < count; at += 1) {
    const before = made[at - objects];
    made.push(
      order({
        createdAtMs: nowMs - count + at,
        type: before === undefined ? 'ORDER.NEW' : 'ORDER.PROCESSING',
        after: before === undefined ? [] : [before],
      }),
    );
  }
  return made;
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
