import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventLog } from '../log/event-log.ts';
import { openPglite } from '../store/pglite.ts';
import { systemClock } from './clock.ts';
import { startDelivery } from './delivery.fixture.ts';
import { LaneReader, type ReadFrom } from './lane-reader.ts';
import { cutPackage, type Filter } from './package.ts';
import { Ring, RingBudget } from './ring.ts';
import { SharedReads } from './shared-reads.ts';

describe('a lane that catches up', () => {
  let delivery: Awaited<ReturnType<typeof startDelivery>>;
  let tenant: string;
  let ids: string[];
  let head: number;
  let reads = 0;
  const all: Filter = { type: ['ALL'], excludeType: undefined };

  beforeAll(async () => {
    delivery = await startDelivery(await openPglite(), { partitions: 1 });
    tenant = await delivery.tenant();
    const other = await delivery.tenant();
    ids = [];
    for (let batch = 0; batch < 8; batch += 1) {
      ids.push(
        ...(await delivery.publish(
          tenant,
          Array.from({ length: 25 }, (_, n) => (n % 2 ? 'A.A' : 'B.B')),
        )),
      );
      await delivery.publish(other, ['A.A', 'A.A']);
    }
    const [row] = await delivery.database.query<{ head: number }>('select head from partitions where id = 0');
    head = row?.head ?? 0;
  });
  afterAll(() => delivery.database.close());

  function newReader(): LaneReader {
    return new LaneReader(tenant, surroundings());
  }

  function surroundings(sharedBytes = 1024 * 1024): ReadFrom {
    const log: Pick<EventLog, 'read'> = {
      read(...args) {
        reads += 1;
        return delivery.log.read(...args);
      },
    };
    reads = 0;
    const ring = new Ring(head, new RingBudget(1024));
    const sharedReads = new SharedReads({ log, clock: systemClock, maxBytes: sharedBytes });
    return { partition: 0, ring, log, sharedReads, clock: systemClock };
  }

  /** Package by package from a position to the end, as a lane goes. */
  async function walk(reader: LaneReader, filter: Filter, maxBytes: number, from = 0): Promise<string[][]> {
    const packages: string[][] = [];
    for (let after = from; ; ) {
      const { events, end } = await reader.older(after, filter, maxBytes);
      const { cut } = cutPackage(events, filter, maxBytes);
      if (!cut) {
        expect(end).toBe(head);
        return packages;
      }
      reader.keep(filter, events.slice(0, cut.count));
      const sent = await reader.eventsOf(cut);
      packages.push(sent.map(({ body }) => String(JSON.parse(body).id)));
      after = cut.last;
    }
  }

  it('gets every matching event once, in order, with one read for many small packages', async () => {
    const packages = await walk(newReader(), all, 100);
    expect(packages).toEqual(ids.map((id) => [id]));
    expect(reads).toBeLessThan(ids.length / 10);
  });

  it('cuts the same packages whatever was read ahead', async () => {
    for (const maxBytes of [100, 400, 1_000, 5_000, 20_000, 65_536]) {
      const together = await walk(newReader(), all, maxBytes);
      const apart: string[][] = [];
      for (let after = 0; ; ) {
        const { events } = await newReader().older(after, all, maxBytes);
        const { cut } = cutPackage(events, all, maxBytes);
        if (!cut) break;
        apart.push(events.slice(0, cut.count).map(({ body }) => String(JSON.parse(body).id)));
        after = cut.last;
      }
      expect(together).toEqual(apart);
      expect(together.flat()).toEqual(ids);
    }
  });

  it('uses nothing of another filter or of an earlier position', async () => {
    const reader = newReader();
    const onlyA: Filter = { type: ['A'], excludeType: undefined };
    await reader.older(0, all, 100);
    expect((await walk(reader, onlyA, 100)).flat()).toEqual(ids.filter((_, index) => (index % 25) % 2 === 1));
    const { events } = await reader.older(0, all, 100);
    await reader.older(events[1]?.offset ?? 0, all, 100);
    expect((await walk(reader, all, 100)).flat()).toEqual(ids);
  });

  it('reads the log once for all lanes of a tenant that catch up together, and again when it must', async () => {
    for (const [sharedBytes, most] of [
      [1024 * 1024, 8],
      [1, Number.POSITIVE_INFINITY],
    ] as const) {
      const around = surroundings(sharedBytes);
      const walks = Array.from({ length: 20 }, (_, index) =>
        walk(new LaneReader(tenant, around), all, [100, 1_000, 65_536][index % 3] ?? 100),
      );
      for (const packages of await Promise.all(walks)) expect(packages.flat()).toEqual(ids);
      expect(reads).toBeLessThanOrEqual(most);
      expect(around.sharedReads.bytes).toBeLessThanOrEqual(sharedBytes);
    }
  });

  it('rebuilds a cut that it did not keep, with and without what was read before', async () => {
    for (const sharedBytes of [1024 * 1024, 1]) {
      const reader = new LaneReader(tenant, surroundings(sharedBytes));
      const { events } = await reader.older(0, all, 5_000);
      const { cut } = cutPackage(events, all, 5_000);
      if (!cut) throw new Error('There are events.');
      reader.keep(all, events.slice(0, cut.count));
      reader.forget();
      const before = reads;
      expect((await reader.eventsOf(cut)).map(({ offset }) => offset)).toEqual(
        events.slice(0, cut.count).map(({ offset }) => offset),
      );
      expect(reads - before).toBe(sharedBytes === 1 ? 1 : 0);
    }
  });

  it('shows what was appended after a read that had reached the end', async () => {
    const around = surroundings();
    expect((await walk(new LaneReader(tenant, around), all, 1_000)).flat()).toEqual(ids);
    ids.push(...(await delivery.publish(tenant, ['A.A', 'B.B'])));
    const [row] = await delivery.database.query<{ head: number }>('select head from partitions where id = 0');
    head = row?.head ?? 0;
    // The ring's end is a later one now, as after events that left it.
    const later = { ...surroundings(), sharedReads: around.sharedReads };
    expect((await walk(new LaneReader(tenant, later), all, 1_000)).flat()).toEqual(ids);
  });
});
