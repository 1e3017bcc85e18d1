import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { type EventSearch, type Pace, searchEvents } from './event-search.ts';
import { ensurePartitions, migrate } from './migrate.ts';
import { openPglite } from './pglite.ts';
import { insertTenant } from './tenants.ts';

const partitions = 3;
const startMs = Date.parse('2026-01-01T00:00:00Z');
const hour = 3_600_000;
/** Windows of a few events, and one window a page: what a large log does to a search. */
const slow: Pace = { budgetMs: 0, firstWindowEvents: 8 };

let database: Database;
const tenants: string[] = [];

beforeAll(async () => {
  database = await openPglite();
  await migrate(database);
  await ensurePartitions(database, partitions);
  for (let n = 0; n < 6; n += 1) {
    const clientId = randomUUID();
    const now = new Date(startMs + n);
    await insertTenant(database, { clientId, name: `t${n}`, scopes: [], secretHash: '', now });
    tenants.push(clientId);
  }
  // A quiet day, a year of nothing, a burst in one millisecond, and an even hour; one partition gets most of it. Every
  // seventh offset is one that a duplicate left unused.
  await database.query(
    `insert into events (partition, event_offset, client_id, id, type, body, appended_at)
     select t.partition, n, t.client_id, gen_random_uuid(),
       case when n % 50 = 3 then 'USER.CREATED' when n % 2 = 0 then 'ORDER.FILLED' else 'ORDER.NEW' end,
       '{"id":"x","created_at":"2026-01-01T00:00:00Z"}',
       $1::timestamptz + case when n < 30 then n * interval '30 minutes'
         when n < 90 then interval '365 days' + n * interval '2 microseconds'
         else interval '365 days' + n * interval '10 seconds' end
     from generate_series(1, 200) n
     join (select *, row_number() over (partition by partition order by created_at) as place from tenants) t
       on place = 1 + n % 2
     where n % 7 <> 0 and (t.partition = 0 or n % 5 = t.partition)`,
    [new Date(startMs)],
  );
});
afterAll(() => database.close());

async function readAll(filter: Omit<EventSearch, 'below'>, pace: Pace) {
  const found: string[] = [];
  let pages = 0;
  let below: EventSearch['below'];
  for (;;) {
    const { rows, more } = await searchEvents(database, { ...filter, below }, pace);
    pages += 1;
    found.push(...rows.map((row) => `${row.partition}/${row.event_offset}`));
    if (!more) return { found, pages };
    for (const row of rows) expect(row.appended_at.getTime()).toBeGreaterThanOrEqual(more.searchedBackTo.getTime());
    below = more.below;
  }
}

/** The same without windows. */
async function expected({ clientId, type, since, until }: Omit<EventSearch, 'below' | 'limit'>): Promise<string[]> {
  const rows = await database.query<{ place: string }>(
    `select partition || '/' || event_offset as place from events
     where ($1::uuid is null or client_id = $1) and ($2::text is null or type = $2 or split_part(type, '.', 1) = $2)
       and ($3::timestamptz is null or appended_at >= $3) and ($4::timestamptz is null or appended_at < $4)
     order by appended_at desc, partition desc, event_offset desc`,
    [clientId ?? null, type ?? null, since ?? null, until ?? null],
  );
  return rows.map(({ place }) => place);
}

describe('searching the log', () => {
  const filters: Record<string, () => Omit<EventSearch, 'below' | 'limit'>> = {
    'without a filter': () => ({}),
    'by a category': () => ({ type: 'ORDER' }),
    'by a rare type': () => ({ type: 'USER.CREATED' }),
    'by a type that never occurs': () => ({ type: 'ORDER.CANCELLED' }),
    'of a tenant': () => ({ clientId: tenants[0] }),
    'of a tenant by type': () => ({ clientId: tenants[3], type: 'ORDER.NEW' }),
    'of a tenant that is not there': () => ({ clientId: randomUUID() }),
    'since the gap': () => ({ since: new Date(startMs + 200 * 24 * hour) }),
    'until the gap': () => ({ until: new Date(startMs + 200 * 24 * hour) }),
    'inside the gap': () => ({
      since: new Date(startMs + 100 * 24 * hour),
      until: new Date(startMs + 200 * 24 * hour),
      type: 'ORDER',
    }),
    'from the burst on': () => ({ since: new Date(startMs + 365 * 24 * hour), type: 'ORDER' }),
  };

  it.each(Object.keys(filters))('%s: in any number of steps each event once, newest first', async (name) => {
    const filter = filters[name]?.() ?? {};
    const all = await expected(filter);
    for (const limit of [6, 1000]) {
      expect((await readAll({ ...filter, limit }, slow)).found).toEqual(all);
    }
    expect((await readAll({ ...filter, limit: 1000 }, { budgetMs: 60_000, firstWindowEvents: 8 })).pages).toBe(1);
  });

  it('stops before the end of the log, says how far it got, and goes on there', async () => {
    const { rows, more } = await searchEvents(database, { type: 'ORDER.CANCELLED', limit: 50 }, slow);
    expect(rows).toEqual([]);
    const backTo = more?.searchedBackTo.getTime() ?? 0;
    expect(backTo).toBeGreaterThan(startMs);
    expect((await readAll({ type: 'ORDER.CANCELLED', limit: 50 }, slow)).pages).toBeGreaterThan(3);
  });
});
