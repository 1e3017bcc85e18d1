// Operator API, the numbers of the charts: what was published and delivered per step, and the sums of the time shown. Long
// times come in longer steps.

import { z } from 'zod';
import { type RollupRow, readRollups, wireBoundsMs } from '../../observe/rollups.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { type Route, route } from '../route.ts';

const minuteMs = 60_000;
const ranges = ['15m', '1h', '24h'] as const;
const shapes = {
  '15m': { minutes: 15, stepMinutes: 1 },
  '1h': { minutes: 60, stepMinutes: 1 },
  '24h': { minutes: 1440, stepMinutes: 10 },
} as const;

const countsSchema = {
  published: z.int(),
  delivered: z.int().describe('Events times webhooks.'),
  packages: z.int(),
  failed_attempts: z.int(),
  wire_p99_ms: z
    .number()
    .nullable()
    .describe('Upper bound of the 99th percentile from due to the POST; null: no package, or over a second.'),
};

const rollupsSchema = z.strictObject({
  range: z.enum(ranges),
  step_seconds: z.int(),
  points: z.array(z.strictObject({ at: z.iso.datetime().describe('Start of the step.'), ...countsSchema })),
  total: z.strictObject({ ...countsSchema, skipped: z.int().describe('Events passed over by a person.') }),
});

function sum(rows: readonly RollupRow[]) {
  const add = (read: (row: RollupRow) => number) => rows.reduce((total, row) => total + read(row), 0);
  const wire = [
    add((row) => row.wire_5),
    add((row) => row.wire_25),
    add((row) => row.wire_100),
    add((row) => row.wire_1000),
    add((row) => row.wire_more),
  ];
  return {
    published: add((row) => row.published_events),
    delivered: add((row) => row.delivered_events),
    packages: add((row) => row.delivered_packages),
    failed_attempts: add((row) => row.failed_attempts),
    wire_p99_ms: percentile(wire, 0.99),
  };
}

function percentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((all, count) => all + count, 0);
  let seen = 0;
  for (const [index, count] of counts.entries()) {
    seen += count;
    if (total > 0 && seen >= total * share) return wireBoundsMs[index] ?? null;
  }
  return null;
}

export function rollupRoutes({ database, rollups, now }: ApiDependencies): Route[] {
  return [
    route({
      method: 'GET',
      path: '/operator/rollups',
      access: 'operator',
      operationId: 'getRollups',
      summary: 'What was published and delivered over time',
      query: z.strictObject({ range: z.enum(ranges).default('1h') }),
      responses: { 200: { description: 'Steps without traffic are zero', schema: rollupsSchema } },
      async handle({ query }) {
        const { minutes, stepMinutes } = shapes[query.range];
        const stepMs = stepMinutes * minuteMs;
        const end = Math.floor(now() / stepMs) * stepMs;
        const start = end - (minutes - stepMinutes) * minuteMs;
        // What this process has counted so far belongs to the last point.
        await rollups.flush();
        const rows = await readRollups(database, new Date(start));
        const byStep = groupByStep(rows, stepMs);
        const points = [];
        for (let at = start; at <= end; at += stepMs) {
          points.push({ at: new Date(at).toISOString(), ...sum(byStep.get(at) ?? []) });
        }
        const [skipped] = await database.query<{ events: number }>(
          'select coalesce(sum(event_count), 0)::integer as events from parked where parked_at >= $1',
          [new Date(start)],
        );
        const total = { ...sum(rows), skipped: skipped?.events ?? 0 };
        return { status: 200, body: { range: query.range, step_seconds: stepMs / 1_000, points, total } };
      },
    }),
  ];
}

function groupByStep(rows: readonly RollupRow[], stepMs: number): Map<number, RollupRow[]> {
  const groups = new Map<number, RollupRow[]>();
  for (const row of rows) {
    const step = Math.floor(row.minute.getTime() / stepMs) * stepMs;
    const group = groups.get(step);
    if (group) group.push(row);
    else groups.set(step, [row]);
  }
  return groups;
}
