// Operator API, what is going on: one look at the whole service, and the same as a stream of server-sent events, about one
// a second while somebody listens. An event of type `trouble` says that the database could not be asked: what was shown
// before is old then. Whoever reads it is asked for once a minute again: it ends with the session or token, and a session
// whose page reads it is in use.

import { z } from 'zod';
import type { Live } from '../../observe/live.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { proveOperator } from '../operator-access.ts';
import { type Route, route } from '../route.ts';

const time = z.iso.datetime();
const proveEveryMs = 60_000;

const blockedSchema = z.strictObject({
  webhook_id: z.uuid(),
  title: z.string(),
  url: z.string(),
  client_id: z.uuid(),
  tenant: z.string(),
  blocked_since: time,
  reason: z.string().nullable(),
  status: z.int().nullable(),
  attempts: z.int(),
  next_attempt_at: time.nullable(),
  muted_until: time.nullable(),
  oldest_at: time.nullable().describe('When the oldest undelivered event was appended.'),
  events: z.int().describe('Matching events that wait, the blocked package included.'),
  at_least: z.boolean().describe('More events than were counted.'),
});

const overviewSchema = z.strictObject({
  at: time,
  webhooks: z.strictObject({
    total: z.int(),
    retrying: z.int(),
    behind: z.int().describe('Enabled, not blocked, with undelivered events: waiting or catching up.'),
    flowing: z.int(),
    disabled: z.int(),
    muted: z.int().describe('Of those retrying: a person has seen them.'),
  }),
  oldest_at: time.nullable().describe('When the oldest event was appended that an enabled webhook has not delivered.'),
  unowned_partitions: z.int().describe('Partitions without a live worker: nothing of theirs is delivered.'),
  rates: z
    .strictObject({
      over_seconds: z.number(),
      published: z.number(),
      delivered: z.number(),
      failed_attempts: z.number(),
    })
    .describe('Per second; delivered counts events times webhooks.'),
  blocked: z.array(blockedSchema).describe('Blocked the longest first, at most 50.'),
});

export function showOverview({ at, standing, blocked, rates }: Live): z.infer<typeof overviewSchema> {
  return {
    at: at.toISOString(),
    webhooks: {
      total: standing.total,
      retrying: standing.blocked,
      behind: standing.behind,
      flowing: standing.enabled - standing.blocked - standing.behind,
      disabled: standing.total - standing.enabled,
      muted: standing.muted,
    },
    oldest_at: standing.oldestAt?.toISOString() ?? null,
    unowned_partitions: standing.unownedPartitions,
    rates: {
      over_seconds: rates.overSeconds,
      published: rates.published,
      delivered: rates.delivered,
      failed_attempts: rates.failedAttempts,
    },
    blocked: blocked.map((row) => ({
      webhook_id: row.id,
      title: row.title,
      url: row.url,
      client_id: row.client_id,
      tenant: row.tenant,
      blocked_since: row.blocked_since.toISOString(),
      reason: row.blocked_reason,
      status: row.blocked_status,
      attempts: row.attempts,
      next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
      muted_until: row.muted_until?.toISOString() ?? null,
      oldest_at: row.oldest_at?.toISOString() ?? null,
      events: row.events,
      at_least: row.at_least,
    })),
  };
}

export function streamRoutes(deps: ApiDependencies): Route[] {
  const { live, logger, stopping, now } = deps;
  return [
    route({
      method: 'GET',
      path: '/operator/overview',
      access: 'operator',
      operationId: 'getOverview',
      summary: 'What is flowing, what is stuck, since when',
      responses: { 200: { description: 'As it is now', schema: overviewSchema } },
      handle: async () => ({ status: 200, body: showOverview(await live.current()) }),
    }),

    route({
      method: 'GET',
      path: '/operator/stream',
      access: 'operator',
      operationId: 'getStream',
      summary: 'The overview as server-sent events of type overview, about one a second',
      responses: { 200: { description: 'text/event-stream', schema: null } },
      async handle({ headers: asked, signal }) {
        const encoder = new TextEncoder();
        let provedAtMs = now();
        let isOpen = true;
        let end = (): void => {};
        const body = new ReadableStream<Uint8Array>(
          {
            start(controller) {
              const send = (event: string, data: unknown): void => {
                // A reader that does not read gets the newest numbers when it does, not all of them.
                if ((controller.desiredSize ?? 0) <= 0) return;
                controller.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
              };
              const trouble = (error: unknown): void => {
                logger.warn({ err: error }, 'the overview could not be read');
                if (isOpen) send('trouble', { detail: 'The database does not answer' });
              };
              const close = (): void => {
                if (!isOpen) return;
                end();
                controller.close();
              };
              const prove = async (): Promise<void> => {
                if (now() - provedAtMs < proveEveryMs) return;
                provedAtMs = now();
                const proved = await proveOperator(deps, { method: 'GET', headers: asked });
                if (!proved.ok) close();
              };
              const unwatch = live.watch((seen) => {
                send('overview', showOverview(seen));
                prove().catch(trouble);
              }, trouble);
              end = () => {
                isOpen = false;
                unwatch();
                stopping?.removeEventListener('abort', close);
                signal.removeEventListener('abort', end);
              };
              controller.enqueue(encoder.encode('retry: 1000\n\n'));
              stopping?.addEventListener('abort', close, { once: true });
              signal.addEventListener('abort', end, { once: true });
            },
            cancel: () => end(),
          },
          { highWaterMark: 8 },
        );
        const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
        return { status: 200, response: new Response(body, { headers }) };
      },
    }),
  ];
}
