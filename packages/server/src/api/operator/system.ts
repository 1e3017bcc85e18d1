// Operator API, the service itself: version and settings in force, the database's size, the log's edges, who owns which
// partitions. No secret is among the settings.

import { z } from 'zod';
import type { ApiDependencies } from '../dependencies.ts';
import { type Route, route } from '../route.ts';

const systemSchema = z.strictObject({
  version: z.string(),
  node: z.string(),
  started_at: z.iso.datetime(),
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  database: z.strictObject({
    kind: z.enum(['postgres', 'pglite']),
    version: z.string(),
    bytes: z.int(),
    events_bytes: z.int(),
    attempts_bytes: z.int(),
    accepted_events: z.int().describe('Offsets handed out: events ever accepted, and duplicates.'),
    oldest_event_at: z.iso.datetime().nullable(),
  }),
  workers: z.array(z.strictObject({ id: z.uuid(), seen_seconds_ago: z.number(), partitions: z.int() })),
  partitions: z.strictObject({ total: z.int(), unowned: z.int() }),
  memory_bytes: z.int().describe('Resident set of the process that answers.'),
});

/** As it is now; without secrets. */
export async function readSystem({
  database,
  about,
}: Pick<ApiDependencies, 'database' | 'about'>): Promise<z.infer<typeof systemSchema>> {
  const [row] = await database.query<{
    version: string;
    bytes: number;
    events_bytes: number;
    attempts_bytes: number;
    events: number;
    oldest: Date | null;
    total: number;
    unowned: number;
  }>(
    `select current_setting('server_version') as version, pg_database_size(current_database()) as bytes,
       pg_total_relation_size('events') as events_bytes, pg_total_relation_size('attempts') as attempts_bytes,
       (select coalesce(sum(head), 0)::bigint from partitions) as events,
       (select min(first.appended_at) from partitions p cross join lateral
         (select appended_at from events where partition = p.id order by event_offset limit 1) first) as oldest,
       (select count(*)::integer from partitions) as total,
       (select count(*)::integer from partitions
        where lease_until is null or lease_until < clock_timestamp()) as unowned`,
  );
  if (!row) throw new TypeError('A select without a row');
  const workers = await database.query<{ id: string; seconds: number; partitions: number }>(
    `select w.id, extract(epoch from clock_timestamp() - w.seen_at)::double precision as seconds,
       (select count(*)::integer from partitions p
        where p.owner = w.id and p.lease_until > clock_timestamp()) as partitions
     from workers w order by w.id`,
  );
  return {
    version: about.version,
    node: process.version,
    started_at: about.startedAt.toISOString(),
    settings: about.settings,
    database: {
      kind: database.kind,
      version: row.version,
      bytes: row.bytes,
      events_bytes: row.events_bytes,
      attempts_bytes: row.attempts_bytes,
      accepted_events: row.events,
      oldest_event_at: row.oldest?.toISOString() ?? null,
    },
    workers: workers.map(({ id, seconds, partitions }) => ({
      id,
      seen_seconds_ago: Math.max(0, seconds),
      partitions,
    })),
    partitions: { total: row.total, unowned: row.unowned },
    memory_bytes: process.memoryUsage.rss(),
  };
}

export function systemRoutes(deps: ApiDependencies): Route[] {
  return [
    route({
      method: 'GET',
      path: '/operator/system',
      access: 'operator',
      operationId: 'getSystem',
      summary: 'The service itself: version, settings, database, workers',
      responses: { 200: { description: 'As it is now', schema: systemSchema } },
      async handle() {
        return { status: 200, body: await readSystem(deps) };
      },
    }),
  ];
}
