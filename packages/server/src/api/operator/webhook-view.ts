// One webhook as the operator's answers show it, and the word for its state.
//
//   disabled      paused: the queue goes on growing
//   retrying      blocked: a package failed and is tried again at `next_attempt_at`
//   flowing       nothing undelivered
//   waiting       undelivered events are younger than the webhook's `delay`: the package is being collected
//   catching up   undelivered events are older than that

import { z } from 'zod';
import type { OperatorWebhookRow } from '../../store/operator-webhooks.ts';

const webhookStates = ['flowing', 'waiting', 'retrying', 'catching up', 'disabled'] as const;
export type WebhookState = (typeof webhookStates)[number];

/** A checkpoint is up to a second old and a POST takes its time: until then a package counts as on its way. */
const slackMs = 2_000;

const time = z.iso.datetime();

export const operatorWebhookSchema = z.strictObject({
  id: z.uuid(),
  client_id: z.uuid(),
  title: z.string(),
  url: z.string(),
  enabled: z.boolean(),
  type: z.array(z.string()),
  exclude_type: z.array(z.string()).optional(),
  config: z.strictObject({ delay: z.string(), max_package_size: z.int() }),
  created_at: time,
  updated_at: time,
  state: z.enum(webhookStates),
  partition: z.int(),
  cursor: z.int().describe('Every matching event up to this offset is delivered.'),
  head: z.int().describe('The last offset of the partition.'),
  lag: z
    .strictObject({
      events: z.int(),
      seconds: z.number().describe('Age of the oldest undelivered event.'),
      at_least: z.boolean().describe('More events than were counted.'),
    })
    .describe('Matching events that are not delivered.'),
  pending: z
    .strictObject({ package_id: z.uuid().nullable(), first_offset: z.int(), last_offset: z.int() })
    .nullable()
    .describe('The package that failed and stays as it is.'),
  attempts: z.int().describe('Failed attempts of the pending package.'),
  blocked_since: time.nullable(),
  reason: z.string().nullable(),
  status: z.int().nullable().describe('HTTP status of the failed attempt, when there was an answer.'),
  next_attempt_at: time.nullable(),
  muted_until: time.nullable().describe('Until then it counts for no alert.'),
  last_outcome: z
    .strictObject({
      attempt_id: z.uuid(),
      at: time,
      ok: z.boolean(),
      status: z.int().nullable(),
      reason: z.string().nullable(),
      duration_ms: z.int(),
    })
    .nullable(),
});

export function stateOf(webhook: {
  readonly enabled: boolean;
  readonly isBlocked: boolean;
  readonly lagEvents: number;
  readonly lagComplete: boolean;
  readonly oldestAgeMs: number;
  readonly delayMs: number;
}): WebhookState {
  if (!webhook.enabled) return 'disabled';
  if (webhook.isBlocked) return 'retrying';
  if (!webhook.lagComplete) return 'catching up';
  if (webhook.lagEvents === 0) return 'flowing';
  return webhook.oldestAgeMs <= webhook.delayMs + slackMs ? 'waiting' : 'catching up';
}

export function showWebhook(row: OperatorWebhookRow, nowMs: number): z.infer<typeof operatorWebhookSchema> {
  const oldestAgeMs = row.oldest_at ? Math.max(0, nowMs - row.oldest_at.getTime()) : 0;
  const amount = Number.parseInt(row.delay, 10);
  return {
    id: row.id,
    client_id: row.client_id,
    title: row.title,
    url: row.url,
    enabled: row.enabled,
    type: [...row.type],
    ...(row.exclude_type ? { exclude_type: [...row.exclude_type] } : {}),
    config: { delay: row.delay, max_package_size: row.max_package_size },
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    state: stateOf({
      enabled: row.enabled,
      isBlocked: row.blocked_since !== null,
      lagEvents: row.lag_events,
      lagComplete: row.lag_complete,
      oldestAgeMs,
      delayMs: amount * (row.delay.endsWith('m') ? 60_000 : 1_000),
    }),
    partition: row.partition,
    cursor: row.position,
    head: row.head,
    lag: { events: row.lag_events, seconds: oldestAgeMs / 1000, at_least: !row.lag_complete },
    pending:
      row.pending_first === null || row.pending_last === null
        ? null
        : { package_id: row.pending_id, first_offset: row.pending_first, last_offset: row.pending_last },
    attempts: row.attempts,
    blocked_since: row.blocked_since?.toISOString() ?? null,
    reason: row.blocked_reason,
    status: row.blocked_status,
    next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
    muted_until: row.muted_until && row.muted_until.getTime() > nowMs ? row.muted_until.toISOString() : null,
    last_outcome:
      row.last_id === null || row.last_at === null
        ? null
        : {
            attempt_id: row.last_id,
            at: row.last_at.toISOString(),
            ok: row.last_ok === true,
            status: row.last_status,
            reason: row.last_reason,
            duration_ms: row.last_duration_ms ?? 0,
          },
  };
}
