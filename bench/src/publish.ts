// How many events a second go in, durably and only once? Batches of 100 over HTTP, four at a time, beside the raw insert of
// the same rows into a table with the same indexes, on as many connections and on one, in the same run.

import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { type Bed, makeTenant, startBenchService } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { inFlight, publishBodies, rawEvents, timed } from './events.ts';

const events = 20_000;
const perBatch = 100;
const concurrency = 4;
/** Batches. */
const warmUp = 8;

export const publish: Benchmark = {
  name: 'publish',
  question: 'How many events a second can be published?',
  async variants(bed) {
    return [
      { name: 'raw insert', run: () => rawInsert(bed, concurrency) },
      { name: 'raw insert, one connection', run: () => rawInsert(bed, 1) },
      { name: 'bellhop', run: () => overHttp(bed) },
    ];
  },
  ratios: [
    {
      what: 'publish beside the raw insert',
      of: 'bellhop',
      to: 'raw insert',
      measure: 'eventsPerSecond',
      target: { min: 0.6 },
    },
    {
      what: 'publish beside the raw insert on one connection, as the order of a tenant needs it',
      of: 'bellhop',
      to: 'raw insert, one connection',
      measure: 'eventsPerSecond',
    },
  ],
};

async function rawInsert(bed: Bed, connections: number) {
  const database = await bed.database();
  await database.sql.unsafe(`create table raw_events (
    partition integer not null, event_offset bigint not null, client_id uuid not null, id uuid not null, type text not null,
    body text not null, appended_at timestamptz not null, primary key (partition, event_offset), unique (client_id, id))`);
  const clientId = randomUUID();
  const rows = rawEvents(events);
  const batches = Array.from({ length: events / perBatch }, (_, batch) => ({
    batch,
    rows: rows.slice(batch * perBatch, (batch + 1) * perBatch),
  }));
  const values = Array.from({ length: perBatch }, (_, row) => {
    const at = row * 4;
    return `(0, $${at + 1}::bigint, '${clientId}'::uuid, $${at + 2}::uuid, $${at + 3}::text, $${at + 4}::text, now())`;
  });
  const statement = `insert into raw_events values ${values.join(',')} on conflict (client_id, id) do nothing`;
  const sql = postgres(database.url, { max: connections });
  const insert = async ({ batch, rows: part }: (typeof batches)[number]) => {
    await sql.unsafe(
      statement,
      part.flatMap(({ id, type, body }, row) => [batch * perBatch + row + 1, id, type, body]),
      { prepare: true },
    );
  };
  // Connections and the prepared statement are there before the clock runs.
  await Promise.all(batches.slice(0, concurrency).map(insert));
  const seconds = await timed(() => inFlight(batches.slice(warmUp), connections, insert));
  await sql.end();
  await database.drop();
  return { eventsPerSecond: (events - warmUp * perBatch) / seconds };
}

async function overHttp(bed: Bed) {
  const database = await bed.database();
  const service = await startBenchService(database.url);
  const clientId = await makeTenant(service);
  const bodies = publishBodies(clientId, events, perBatch).map((body) => Buffer.from(body));
  await inFlight(publishBodies(clientId, 2_000, perBatch), concurrency, service.publish);
  const before = await service.usage();
  const seconds = await timed(() => inFlight(bodies, concurrency, service.publish));
  const after = await service.usage();
  await service.close();
  await database.drop();
  return {
    eventsPerSecond: events / seconds,
    serviceCpuMicrosPerEvent: (after.cpuMicros - before.cpuMicros) / events,
  };
}
