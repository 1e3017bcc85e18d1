// How fast does the handler receive? Verify, store durably, answer 200, beside the raw insert of the same rows into a table
// with the same indexes and beside verification alone, all with as many in flight on as many connections, in the same run. The
// limit is the slower of the two. Both have to be done for each package, on the same cores: what that leaves is "by hand",
// verify and then insert, with no handler around it. The raw inserts commit each package by itself, as one does by hand; the
// handler commits together what arrives together, which is how SQLite can come near its limit or past it.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHandler, type Inbox, toNode } from '@bellhop/handler';
import { postgresInbox } from '@bellhop/handler/postgres';
import { sqliteInbox } from '@bellhop/handler/sqlite';
import Database from 'libsql';
import postgres from 'postgres';
import { Pool } from 'undici';
import type { Bed } from './bed.ts';
import type { Benchmark } from './benchmark.ts';
import { inFlight, timed } from './events.ts';
import { type Deliveries, type Delivery, makeDeliveries } from './handler-deliveries.ts';
import type { Measures, RatioSpec } from './rounds.ts';
import { bellhopVerify, verifier, verifyVariants } from './verify-schemes.ts';

const concurrency = 8;
/** Packages by their number of events: about a second of work on PostgreSQL each. SQLite gets half of them. */
const sizes: readonly (readonly [perPackage: number, packages: number])[] = [
  [1, 600],
  [10, 500],
  [100, 160],
];
const overHttpSize = 100;
/** Received and processed to the end, which takes a transaction for each event. */
const processedEvents = 1_600;
/** Sent before the clock runs: connections and prepared statements are there after it. */
const warmUp = 2 * concurrency;

const measure = 'packagesPerSecond';
const target = { min: 0.6 };

export const handler: Benchmark = {
  name: 'handler',
  question: 'How many packages a second can be received: verified, stored, answered 200?',
  caveat:
    'In process except "over HTTP", whose client shares the process. The raw inserts commit each package by itself, the handler commits together what arrives together. http-message-signatures knows version 15 only and gets the digest added; standardwebhooks hashes in JavaScript.',
  packages: ['libsql', 'http-message-signatures', 'standardwebhooks'],
  async variants(bed) {
    const bySize = await Promise.all(sizes.map(([perPackage, packages]) => makeDeliveries(perPackage, packages)));
    const v15 = await makeDeliveries(10, 500, 15);
    const v6 = bySize.find(({ perPackage }) => perPackage === 10) ?? v15;
    return [
      ...bySize.flatMap((deliveries) => {
        const size = `n=${deliveries.perPackage}`;
        const half = { ...deliveries, list: deliveries.list.slice(0, deliveries.list.length / 2) };
        return [
          { name: `limit, ${size}`, run: () => limit(deliveries, () => rawPostgres(bed, deliveries, async () => {})) },
          {
            name: `by hand, ${size}`,
            run: async () => ({ packagesPerSecond: await rawPostgres(bed, deliveries, verifier(deliveries)) }),
          },
          { name: `PostgreSQL, ${size}`, run: () => onPostgres(bed, deliveries, inProcess) },
          { name: `PostgreSQL to the end, ${size}`, run: () => onPostgres(bed, first(deliveries), toTheEnd(bed)) },
          ...(deliveries.perPackage === overHttpSize
            ? [{ name: `PostgreSQL over HTTP, ${size}`, run: () => onPostgres(bed, deliveries, overHttp) }]
            : []),
          { name: `SQLite limit, ${size}`, run: () => limit(half, () => rawSqlite(half)) },
          { name: `SQLite, ${size}`, run: () => onSqlite(half) },
        ];
      }),
      ...verifyVariants(v6, v15, concurrency),
    ];
  },
  ratios: [
    ...sizes.flatMap(([perPackage]): RatioSpec[] => {
      const size = `n=${perPackage}`;
      const beside = 'beside the slower of raw insert and raw verify';
      return [
        { what: `PostgreSQL, ${size}, ${beside}`, of: `PostgreSQL, ${size}`, to: `limit, ${size}`, measure, target },
        besideRatio(`PostgreSQL, ${size}`, `by hand, ${size}`),
        { what: `SQLite, ${size}, ${beside}`, of: `SQLite, ${size}`, to: `SQLite limit, ${size}`, measure, target },
      ];
    }),
    besideRatio(`PostgreSQL over HTTP, n=${overHttpSize}`, `limit, n=${overHttpSize}`),
    besideRatio('verify version 6, bellhop', 'verify version 6, node:crypto alone'),
    besideRatio('verify version 15, bellhop', 'verify version 15, http-message-signatures'),
    besideRatio('verify Standard Webhooks, bellhop', 'verify Standard Webhooks, standardwebhooks'),
  ],
};

function besideRatio(of: string, to: string): RatioSpec {
  return { what: `${of}, beside ${to}`, of, to, measure };
}

async function limit(deliveries: Deliveries, rawInsert: () => Promise<number>): Promise<Measures> {
  const rawInsertPerSecond = await rawInsert();
  const rawVerifyPerSecond = await bellhopVerify(deliveries, concurrency);
  return {
    packagesPerSecond: Math.min(rawInsertPerSecond, rawVerifyPerSecond),
    rawInsertPerSecond,
    rawVerifyPerSecond,
  };
}

/** Packages a second; the first ones are not counted. */
async function rate({ list }: Deliveries, lanes: number, work: (delivery: Delivery) => Promise<void>): Promise<number> {
  const measured = list.slice(warmUp);
  await inFlight(list.slice(0, warmUp), lanes, work);
  return measured.length / (await timed(() => inFlight(measured, lanes, work)));
}

/** Rows as lists of lines in four texts, as the inbox writes them: cheaper than a parameter for each value. */
async function rawPostgres(
  bed: Bed,
  deliveries: Deliveries,
  before: (delivery: Delivery) => Promise<void>,
): Promise<number> {
  const database = await bed.database();
  const sql = postgres(database.url, { max: concurrency });
  await postgresInbox(sql, { table: 'raw' }).migrate();
  const statement = `insert into raw (id, seq, key, type, event, state, received_at, due_at)
    select g.id, $5::bigint + g.position, g.key, g.type, g.event, 'waiting', $6, $6
    from unnest(string_to_array($1, E'\\n'), string_to_array($2, E'\\n'), string_to_array($3, E'\\n'),
      string_to_array($4, E'\\n')) with ordinality as g(id, key, type, event, position)
    on conflict (id) do nothing`;
  let seq = 0;
  const perSecond = await rate(deliveries, concurrency, async (delivery) => {
    await before(delivery);
    const { rows } = delivery;
    seq += 1_000;
    const columns = (['id', 'key', 'type', 'event'] as const).map((name) => rows.map((row) => row[name]).join('\n'));
    await sql.unsafe(statement, [...columns, seq, deliveries.now()], { prepare: true });
  });
  await sql.end();
  await database.drop();
  return perSecond;
}

/** One after the other: SQLite has one writer. */
async function rawSqlite(deliveries: Deliveries): Promise<number> {
  return withFile(async (file) => {
    sqliteInbox(file).close();
    const connection = new Database(file);
    connection.exec('pragma synchronous = full');
    const insert = connection.prepare(`insert into bellhop_inbox (id, seq, key, type, event, state, received_at, due_at)
      values (?, ?, ?, ?, ?, 'waiting', ?, ?) on conflict (id) do nothing`);
    let seq = 0;
    const now = deliveries.now();
    const perSecond = await rate(deliveries, 1, async ({ rows }) => {
      connection.exec('begin immediate');
      for (const { id, key, type, event } of rows) insert.run(id, ++seq, key, type, event, now, now);
      connection.exec('commit');
    });
    connection.close();
    return perSecond;
  });
}

type Receive = (inbox: Inbox<unknown>, deliveries: Deliveries) => Promise<Measures>;

async function onPostgres(bed: Bed, deliveries: Deliveries, receive: Receive): Promise<Measures> {
  const database = await bed.database();
  const sql = postgres(database.url, { max: concurrency });
  const inbox = postgresInbox(sql);
  await inbox.migrate();
  const measures = await receive(inbox, deliveries);
  await sql.end();
  await database.drop();
  return measures;
}

function onSqlite(deliveries: Deliveries): Promise<Measures> {
  return withFile(async (file) => {
    const inbox = sqliteInbox(file);
    const measures = await inProcess(inbox, deliveries);
    inbox.close();
    return measures;
  });
}

const inProcess: Receive = async (inbox, deliveries) => {
  const webhooks = await receiver(inbox, deliveries);
  const packagesPerSecond = await rate(deliveries, concurrency, async (delivery) => {
    const { status, body } = await webhooks.receive(delivery);
    if (status !== 200) throw new Error(`The handler answered ${status}: ${body}`);
  });
  await assertStored(inbox, deliveries);
  return { packagesPerSecond, eventsPerSecond: packagesPerSecond * deliveries.perPackage };
};

/** A listener that does nothing, ten at a time. */
const toTheEnd =
  (bed: Bed): Receive =>
  async (inbox, deliveries) => {
    const { keys, now, list, perPackage } = deliveries;
    let processed = 0;
    const webhooks = createHandler({ keys, inbox, now }).on('*', () => {
      processed += 1;
    });
    const databaseBefore = await bed.databaseCpuMicros();
    const ownBefore = process.cpuUsage();
    const seconds = await timed(async () => {
      await inFlight(list, concurrency, async (delivery) => void (await webhooks.receive(delivery)));
      await webhooks.drain();
    });
    const own = process.cpuUsage(ownBefore);
    const events = list.length * perPackage;
    if (processed !== events) throw new Error(`${processed} events were processed.`);
    const databaseMicros = (await bed.databaseCpuMicros()) - databaseBefore;
    return {
      eventsPerSecond: events / seconds,
      handlerCpuMicrosPerEvent: (own.user + own.system) / events,
      databaseCpuMicrosPerEvent: databaseMicros / events,
    };
  };

function first(deliveries: Deliveries): Deliveries {
  return { ...deliveries, list: deliveries.list.slice(0, Math.ceil(processedEvents / deliveries.perPackage)) };
}

const overHttp: Receive = async (inbox, deliveries) => {
  const webhooks = await receiver(inbox, deliveries);
  const server = createServer(toNode(webhooks));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  const pool = new Pool(`http://127.0.0.1:${address.port}`, { connections: concurrency });
  const packagesPerSecond = await rate(deliveries, concurrency, async ({ method, path, headers, body }) => {
    const answer = await pool.request({ method, path, headers, body });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`The handler answered ${answer.statusCode}.`);
  });
  await pool.close();
  await new Promise((resolve) => server.close(resolve));
  await assertStored(inbox, deliveries);
  return { packagesPerSecond, eventsPerSecond: packagesPerSecond * deliveries.perPackage };
};

async function receiver(inbox: Inbox<unknown>, { keys, now }: Deliveries) {
  const webhooks = createHandler({ keys, inbox, now });
  // Of the empty inbox; what follows is receiving alone, and no warning that nothing is processed.
  await webhooks.drain();
  return webhooks;
}

async function assertStored(inbox: Inbox<unknown>, { list, perPackage }: Deliveries): Promise<void> {
  const { waiting } = await inbox.stats(new Date());
  if (waiting !== list.length * perPackage) throw new Error(`${waiting} events are stored.`);
}

async function withFile<T>(work: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bellhop-bench-'));
  try {
    return await work(join(folder, 'inbox.db'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
