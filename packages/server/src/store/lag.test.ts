import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database, Parameter } from './database.ts';
import { countLags, type LagTarget } from './lag.ts';
import { ensurePartitions, migrate } from './migrate.ts';
import { openPglite } from './pglite.ts';

const clientId = randomUUID();
const events = 40_000;
let database: Database;
/** Offsets above which counting looked, statement by statement. */
const lookedAbove: number[][] = [];
let delayMs = 0;

beforeAll(async () => {
  const real = await openPglite();
  await migrate(real);
  await ensurePartitions(real, 1);
  await real.query(
    `insert into events (partition, event_offset, client_id, id, type, body, appended_at)
     select 0, n, case when n % 4 = 0 then $1::uuid else '00000000-0000-4000-8000-000000000000' end, gen_random_uuid(),
       case when n % 8 = 0 then 'ORDER.NEW' else 'USER.CREATED' end, '{}', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second'
     from generate_series(1, ${events}) n`,
    [clientId],
  );
  database = {
    ...real,
    async query<Row>(text: string, parameters: readonly Parameter[] = []) {
      if (typeof parameters[0] === 'string') {
        const asked: unknown = JSON.parse(parameters[0]);
        if (Array.isArray(asked)) lookedAbove.push(asked.map(({ above }) => Number(above)));
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      return real.query<Row>(text, parameters);
    },
  };
});
afterAll(() => database.close());

function target(fields: Partial<LagTarget> = {}): LagTarget {
  const rest = { client_id: clientId, partition: 0, type: ['ALL'], exclude_type: null };
  return { id: randomUUID(), ...rest, position: 0, head: events, ...fields };
}

async function untilComplete(targets: readonly LagTarget[]) {
  for (let calls = 1; ; calls += 1) {
    const lags = await countLags(database, targets);
    if ([...lags.values()].every(({ isComplete }) => isComplete)) return { lags, calls };
  }
}

describe('counting what waits', () => {
  it('counts by tenant and filter, from the position to the head', async () => {
    const all = target();
    const orders = target({ type: ['ORDER'] });
    const others = target({ exclude_type: ['ORDER'] });
    const late = target({ position: events - 8 });
    const done = target({ position: events });
    const { lags } = await untilComplete([all, orders, others, late, done]);
    const counts = [all, orders, others, late, done].map(({ id }) => lags.get(id)?.events);
    expect(counts).toEqual([events / 4, events / 8, events / 8, 2, 0]);
    expect(lags.get(others.id)?.oldestAt).toEqual(new Date('2026-01-01T00:00:04Z'));
    expect(lags.get(done.id)?.oldestAt).toBeNull();
  });

  it('stops when it takes long, says so, and goes on with the next call', async () => {
    const slow = target();
    delayMs = 100;
    const first = (await countLags(database, [slow])).get(slow.id);
    expect(first?.isComplete).toBe(false);
    expect(first?.events).toBeGreaterThan(0);
    expect(first?.events).toBeLessThan(events / 4);
    const { lags, calls } = await untilComplete([slow]);
    delayMs = 0;
    expect(calls).toBeGreaterThan(1);
    expect(lags.get(slow.id)?.events).toBe(events / 4);
  });

  it('looks at nothing twice while the position stays, and counts anew when it moved or the filter changed', async () => {
    const still = target({ head: events - 40 });
    await untilComplete([still]);
    lookedAbove.length = 0;
    const grown = { ...still, head: events };
    expect((await countLags(database, [grown])).get(still.id)).toMatchObject({ events: events / 4, isComplete: true });
    expect(lookedAbove).toEqual([[events - 40]]);
    const moved = { ...grown, position: events - 4 };
    expect((await countLags(database, [moved])).get(still.id)?.events).toBe(1);
    const filtered = { ...moved, type: ['ORDER'] };
    expect((await countLags(database, [filtered])).get(still.id)?.events).toBe(1);
    expect((await countLags(database, [{ ...filtered, type: ['USER'] }])).get(still.id)?.events).toBe(0);
  });
});
