// 32 writers at once, several processes' worth, whose commits take a random time, while readers follow the log: an offset
// becomes visible only after all lower ones, or a reader would pass an event by and never see it.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewEvent } from '../../packages/server/src/log/event-log.ts';
import { createPostgresLog } from '../../packages/server/src/log/postgres-log.ts';
import type { Database } from '../../packages/server/src/store/database.ts';
import { ensurePartitions, migrate } from '../../packages/server/src/store/migrate.ts';
import { openPostgres } from '../../packages/server/src/store/postgres.ts';
import { createSignals } from '../../packages/server/src/store/signals.ts';
import { type FreshDatabase, freshDatabase, needsPostgres, postgresUrl } from '../support/postgres.ts';
import { drawChance, totalRounds } from './seed.ts';

const chance = drawChance();
const writers = 32;
const partitions = [0, 1];
const batchesEach = 3 * totalRounds;

describe.skipIf(!postgresUrl())(`${writers} writers with random commit delays ${needsPostgres}`, () => {
  let fresh: FreshDatabase;
  const databases: Database[] = [];

  beforeAll(async () => {
    fresh = await freshDatabase();
    const open = async () => {
      const database = await openPostgres({ url: fresh.url, maxConnections: 2 });
      databases.push(database);
      return database;
    };
    const first = await open();
    await migrate(first);
    await ensurePartitions(first, partitions.length);
    // The commit itself is what takes the time: a deferred trigger runs in it, under the partition's lock.
    await first.query(`create function take_a_while() returns trigger language plpgsql as $$ begin
      if random() < 0.3 then perform pg_sleep(random() * 0.005); end if; return null; end $$`);
    await first.query(`create constraint trigger slow_commit after insert on events deferrable initially deferred
      for each row when (new.event_offset % 7 = 0) execute function take_a_while()`);
    while (databases.length < writers) await open();
  });

  afterAll(async () => {
    await Promise.all(databases.map((database) => database.close()));
    await fresh?.drop();
  });

  it('never make a reader skip an event', async () => {
    const clientId = randomUUID();
    const written = new Map(partitions.map((partition) => [partition, new Set<string>()]));
    const seen = new Map<string, string[]>();
    let skipped = 0;
    let unordered = 0;
    let done = false;

    const logs = await Promise.all(
      databases.map(async (database) => createPostgresLog({ database, signals: await createSignals(database) })),
    );
    const write = async (log: (typeof logs)[number]) => {
      for (let batch = 0; batch < batchesEach; batch += 1) {
        const partition = chance.pick(partitions);
        const events = Array.from({ length: chance.between(1, 5) }, (): NewEvent => {
          const id = randomUUID();
          return { clientId, id, type: 'ORDER.FILLED', body: `{"id":"${id}"}` };
        });
        await log.append(partition, events);
        for (const { id } of events) written.get(partition)?.add(id);
      }
    };
    // Each has a position only, like a tail: what appears below it is never read.
    const read = async (name: string, partition: number, log: (typeof logs)[number]) => {
      const ids: string[] = [];
      seen.set(name, ids);
      for (let after = 0; ; ) {
        const last = done;
        const page = await log.read(partition, after, { limit: chance.between(1, 50), maxBytes: 1_000_000 });
        for (const event of page.events) {
          if (event.offset <= after) unordered += 1;
          after = event.offset;
          ids.push(event.id);
        }
        if (last && page.events.length === 0) return;
      }
    };

    const readers = partitions.flatMap((partition) =>
      logs.slice(0, 3).map((log, index) => ({ partition, name: `${partition}/${index}`, log })),
    );
    const reading = Promise.all(readers.map(({ name, partition, log }) => read(name, partition, log)));
    await Promise.all(logs.map(write));
    done = true;
    await reading;

    for (const { partition, name } of readers) {
      const got = new Set(seen.get(name));
      for (const id of written.get(partition) ?? []) if (!got.has(id)) skipped += 1;
    }
    const events = [...written.values()].reduce((sum, ids) => sum + ids.size, 0);
    console.info(
      `faults: ${writers} concurrent writers (BELLHOP_FAULT_SEED=${chance.seed})\n` +
        `  events ${events}, readers ${readers.length}, skipped ${skipped}, out of order ${unordered}`,
    );
    expect({ skipped, unordered }).toEqual({ skipped: 0, unordered: 0 });
    expect(events).toBeGreaterThan(writers * batchesEach);
  });
});
