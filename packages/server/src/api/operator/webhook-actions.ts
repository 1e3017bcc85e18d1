// Operator API, acting on one webhook: retry now, skip the package that blocks, replay from an earlier point, test, enable,
// disable. Every change is one transaction with its row in the audit trail; the lane hears of it after the commit.

import { parseInstant } from '@bellhop/events';
import { z } from 'zod';
import { maxTestsUnderWay } from '../../delivery/test-trigger.ts';
import { insertAudit } from '../../store/audit.ts';
import type { Queryable } from '../../store/database.ts';
import {
  countMatching,
  findPosition,
  lastOffsetBefore,
  lockPosition,
  logStart,
  moveCursor,
  offsetOfEvent,
  type PositionRow,
  retryNow,
  skipPending,
} from '../../store/webhook-position.ts';
import { updateWebhookIn } from '../../store/webhooks.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { uuidSchema } from '../ids.ts';
import { problem } from '../problem.ts';
import { type Answer, type Route, route } from '../route.ts';
import { followChange } from '../webhook-change.ts';
import { operatorWebhookSchema } from './webhook-view.ts';
import { noWebhook, readOperatorWebhook, webhookParams } from './webhooks.ts';

const webhookAnswer = { 200: { description: 'The webhook as it is now', schema: operatorWebhookSchema } };

const moveSchema = z.strictObject({
  dry_run: z.boolean(),
  cursor: z.int().describe('Where the webhook stands, or would stand.'),
  events: z
    .int()
    .describe('skip: events passed over. replay: matching events behind the cursor, which are sent (again).'),
});

const replaySchema = z.strictObject({
  since: z
    .string()
    .refine((text) => text === 'now' || parseInstant(text) !== undefined, 'must be an RFC 3339 date-time or "now"')
    .optional()
    .describe('Append time.'),
  event_id: uuidSchema.optional(),
  dry_run: z.boolean().optional().describe('true: only counts.'),
});

type Target = { readonly ok: true; readonly offset: number } | { readonly ok: false; readonly answer: Answer };

export function webhookActionRoutes(deps: ApiDependencies): Route[] {
  const { database, testTrigger } = deps;

  const changed = (row: { readonly partition: number; readonly id: string }): Promise<void> =>
    followChange(deps, [{ partition: row.partition, webhookId: row.id }]);

  const audit = (
    tx: Queryable,
    actor: string,
    action: string,
    row: PositionRow,
    before: Record<string, unknown>,
    after: Record<string, unknown>,
  ): Promise<void> =>
    insertAudit(tx, {
      actor,
      action: `webhook.${action}`,
      subject: `webhook:${row.id}`,
      clientId: row.client_id,
      before,
      after,
      at: new Date(deps.now()),
    });

  const current = async (tx: Queryable, id: string): Promise<Answer> => {
    const webhook = await readOperatorWebhook(tx, id, deps.now());
    return webhook ? { status: 200, body: webhook } : noWebhook(id);
  };

  const setEnabled = (enabled: boolean): Route =>
    route({
      method: 'POST',
      path: `/operator/webhooks/{webhook_id}/${enabled ? 'enable' : 'disable'}`,
      access: 'operator',
      operationId: enabled ? 'enableWebhook' : 'disableWebhook',
      summary: enabled ? 'Enable: deliveries go on from the cursor' : 'Disable: no attempts, the queue goes on growing',
      params: webhookParams,
      responses: webhookAnswer,
      async handle({ params, actor, keepAnswer }) {
        const id = params.webhook_id;
        let done: PositionRow | undefined;
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          const before = await findPosition(tx, id);
          if (!before) return noWebhook(id);
          const now = new Date(deps.now());
          if (!(await updateWebhookIn(tx, before.client_id, id, { enabled, now }))) return noWebhook(id);
          await audit(tx, actor, enabled ? 'enable' : 'disable', before, { enabled: before.enabled }, { enabled });
          const result = await current(tx, id);
          await keepAnswer(tx, result);
          done = before;
          return result;
        });
        if (done) await changed(done);
        return answer;
      },
    });

  const replayTarget = async (row: PositionRow, body: z.infer<typeof replaySchema>): Promise<Target> => {
    if (body.event_id !== undefined) {
      const offset = await offsetOfEvent(database, row.client_id, body.event_id);
      if (offset !== undefined) return { ok: true, offset: offset - 1 };
      return {
        ok: false,
        answer: problem('not_found', `event_id: the log holds no event ${body.event_id} of this tenant`),
      };
    }
    const nanos = body.since === undefined || body.since === 'now' ? undefined : parseInstant(body.since);
    const now = deps.now();
    // Rounded down: an event of the same millisecond is sent again rather than left out.
    const since = new Date(nanos === undefined ? now : Math.min(Number(nanos / 1_000_000n), now));
    const start = await logStart(database, row.partition, row.client_id);
    if (since < start) {
      return { ok: false, answer: problem('conflict', `since: the log starts at ${start.toISOString()}`) };
    }
    return { ok: true, offset: await lastOffsetBefore(database, row.partition, since) };
  };

  return [
    route({
      method: 'POST',
      path: '/operator/webhooks/{webhook_id}/retry',
      access: 'operator',
      operationId: 'retryWebhook',
      summary: 'Try the package that blocks again now; 409 when none does',
      params: webhookParams,
      responses: webhookAnswer,
      async handle({ params, actor, keepAnswer }) {
        const id = params.webhook_id;
        let done: PositionRow | undefined;
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          const row = await lockPosition(tx, id);
          if (!row) return noWebhook(id);
          if (!row.enabled) return problem('conflict', 'The webhook is disabled: enabling it tries at once');
          if (!(await retryNow(tx, id, new Date(deps.now()))))
            return problem('conflict', 'No package waits for a retry');
          const facts = { package_id: row.pending_id, attempts: row.attempts };
          await audit(tx, actor, 'retry', row, facts, facts);
          const result = await current(tx, id);
          await keepAnswer(tx, result);
          done = row;
          return result;
        });
        if (done) await changed(done);
        return answer;
      },
    }),

    route({
      method: 'POST',
      path: '/operator/webhooks/{webhook_id}/skip',
      access: 'operator',
      operationId: 'skipPackage',
      summary: 'Pass over the package that blocks; its events are parked; 409 when none does',
      params: webhookParams,
      body: {
        contentTypes: ['application/json'],
        schema: z.strictObject({ dry_run: z.boolean().optional() }).optional(),
        format: 'json',
        required: false,
      },
      responses: { 200: { description: 'What was passed over', schema: moveSchema } },
      async handle({ params, body, actor, keepAnswer }) {
        const id = params.webhook_id;
        const isDryRun = body?.dry_run === true;
        let moved: PositionRow | undefined;
        const answer = await database.transaction(async (tx): Promise<Answer> => {
          const row = await lockPosition(tx, id);
          if (!row) return noWebhook(id);
          if (row.pending_first === null || row.pending_last === null) {
            return problem('conflict', 'No package is blocking: there is nothing to skip');
          }
          const events = await countMatching(
            tx,
            { partition: row.partition, after: row.pending_first - 1, upTo: row.pending_last },
            {
              clientId: row.client_id,
              type: row.pending_type ?? row.type,
              excludeType: row.pending_type ? row.pending_exclude_type : row.exclude_type,
            },
          );
          const result: Answer = { status: 200, body: { dry_run: isDryRun, cursor: row.pending_last, events } };
          if (isDryRun) return result;
          await skipPending(tx, row, events, new Date(deps.now()));
          await audit(
            tx,
            actor,
            'skip',
            row,
            { cursor: row.cursor, package_id: row.pending_id, reason: row.blocked_reason },
            { cursor: row.pending_last, parked: [row.pending_first, row.pending_last], events },
          );
          await keepAnswer(tx, result);
          moved = row;
          return result;
        });
        if (moved) await changed(moved);
        return answer;
      },
    }),

    route({
      method: 'POST',
      path: '/operator/webhooks/{webhook_id}/replay',
      access: 'operator',
      operationId: 'replayWebhook',
      summary: 'Put the cursor before a time or an event: what matches today goes out again; 409 before the log starts',
      params: webhookParams,
      body: { contentTypes: ['application/json'], schema: replaySchema, format: 'json', required: true },
      responses: { 200: { description: 'What goes out, or would', schema: moveSchema } },
      async handle({ params, body, actor, keepAnswer }) {
        const id = params.webhook_id;
        if ((body.since === undefined) === (body.event_id === undefined)) {
          return problem('bad_request', 'since or event_id: exactly one is required');
        }
        const row = await findPosition(database, id);
        if (!row) return noWebhook(id);
        const target = await replayTarget(row, body);
        if (!target.ok) return target.answer;
        const events = await countMatching(
          database,
          { partition: row.partition, after: target.offset, upTo: Number.MAX_SAFE_INTEGER },
          { clientId: row.client_id, type: row.type, excludeType: row.exclude_type },
        );
        const isDryRun = body.dry_run === true;
        const answer: Answer = { status: 200, body: { dry_run: isDryRun, cursor: target.offset, events } };
        if (isDryRun) return answer;
        const moved = await moveCursor(
          database,
          id,
          target.offset,
          new Date(deps.now()),
          async (tx, before, position) => {
            const asked = body.since === undefined ? { event_id: body.event_id } : { since: body.since };
            await audit(
              tx,
              actor,
              'replay',
              before,
              { cursor: position, package_id: before.pending_id },
              { cursor: target.offset, events, ...asked },
            );
            await keepAnswer(tx, answer);
          },
        );
        if (!moved) return noWebhook(id);
        await changed(row);
        return answer;
      },
    }),

    route({
      method: 'POST',
      path: '/operator/webhooks/{webhook_id}/test',
      access: 'operator',
      operationId: 'operatorTestWebhook',
      summary: 'Post one test event; its outcome is read from the attempts of kind test',
      params: webhookParams,
      responses: { 202: { description: 'Under way', schema: null } },
      async handle({ params, actor, keepAnswer }) {
        const row = await findPosition(database, params.webhook_id);
        if (!row) return noWebhook(params.webhook_id);
        const answer: Answer = { status: 202 };
        const started = await testTrigger(row.id, () =>
          database.transaction(async (tx) => {
            await audit(tx, actor, 'test', row, {}, {});
            await keepAnswer(tx, answer);
          }),
        );
        if (started === 'too_many') {
          const detail = `${maxTestsUnderWay} test deliveries of this tenant are under way, wait for one to end`;
          return problem('too_many_requests', detail, { 'retry-after': '1' });
        }
        return answer;
      },
    }),

    setEnabled(true),
    setEnabled(false),
  ];
}
