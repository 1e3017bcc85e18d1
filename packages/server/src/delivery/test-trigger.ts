// The test trigger: one attempt with one event made for the occasion, signed and posted like any delivery, also while the
// webhook is disabled. It stands outside the lane: not queued, never retried, and it does not touch the blocked state.
// Its outcome is read from the attempts (`kind: test`).
//
// Nobody knows yet how the endpoint behaves, so it takes its slot where slow and failing webhooks do, and a tenant has few
// under way at a time: a call that costs its caller nothing must not hold slots or memory by the hundred.

import { catalogueExample } from '@bellhop/events';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
import type { Database } from '../store/database.ts';
import { insertAttempt } from './ledger.ts';
import type { Sender } from './outcome.ts';
import { buildPackage } from './package.ts';
import { readWebhook, type WebhookRow } from './webhook-row.ts';

/** `too_many`: nothing was committed or sent, because the tenant has so many under way. */
export type TestStart = 'started' | 'too_many';

/** Of one tenant, at this process. */
export const maxTestsUnderWay = 4;

export interface TestTrigger {
  /**
   * Resolves once the attempt is on its way; a webhook that is gone by now is none of its business. `commit` is what must be
   * durable before anything is sent, so that a repeated call finds it: where it fails nothing is sent.
   */
  trigger(webhookId: string, commit?: () => Promise<void>): Promise<TestStart>;
  /** Resolves when no attempt is on its way any more; what takes longer than `graceMs`, when given, is given up. */
  drained(graceMs?: number): Promise<void>;
}

export function createTestTrigger(options: {
  readonly database: Database;
  readonly sender: Sender;
  readonly now: () => number;
  readonly onError: (error: unknown, where: string) => void;
}): TestTrigger {
  const { database, sender, now, onError } = options;
  const running = new Set<Promise<void>>();
  const underWay = new Map<string, number>();
  const stopping = new AbortController();

  async function attempt(row: WebhookRow): Promise<void> {
    const event = testEventBody(row, now());
    const body = buildPackage([{ offset: 0, body: event, bytes: event.length }], row.id);
    const { signal } = stopping;
    const outcome = await sender.post({ url: row.url, clientId: row.client_id, body, suspect: true, signal });
    await insertAttempt(database, {
      id: uuidv7(),
      webhookId: row.id,
      clientId: row.client_id,
      partition: row.partition,
      kind: 'test',
      packageId: uuidv7(),
      attempt: 1,
      firstOffset: null,
      lastOffset: null,
      eventCount: 1,
      bytes: body.length,
      url: row.url,
      outcome,
    });
  }

  /** False when the tenant has as many as it may. */
  function enter(clientId: string): boolean {
    const count = underWay.get(clientId) ?? 0;
    if (count >= maxTestsUnderWay) return false;
    underWay.set(clientId, count + 1);
    return true;
  }

  function leave(clientId: string): void {
    const count = underWay.get(clientId) ?? 0;
    if (count > 1) underWay.set(clientId, count - 1);
    else underWay.delete(clientId);
  }

  return {
    async trigger(webhookId, commit) {
      const row = await readWebhook(database, webhookId);
      if (row && !enter(row.client_id)) return 'too_many';
      try {
        await commit?.();
      } catch (error) {
        if (row) leave(row.client_id);
        throw error;
      }
      if (!row) return 'started';
      const task: Promise<void> = attempt(row)
        .catch((error: unknown) => onError(error, `test of webhook ${webhookId}`))
        .finally(() => {
          leave(row.client_id);
          running.delete(task);
        });
      running.add(task);
      return 'started';
    },
    async drained(graceMs) {
      const timer = graceMs === undefined ? undefined : setTimeout(() => stopping.abort(), graceMs);
      await Promise.all(running);
      clearTimeout(timer);
    },
  };
}

/** The first-party example of the first subscribed category that has one, else of USER, as a new event. */
function testEventBody(row: WebhookRow, nowMs: number): string {
  const wanted = row.type.includes('ALL') ? ['USER'] : [...row.type, 'USER'];
  const example = wanted.map((category) => catalogueExample(category)).find((found) => found !== undefined);
  return JSON.stringify({
    id: uuidv4(),
    created_at: new Date(nowMs).toISOString(),
    type: example?.type,
    object: example?.object,
  });
}
