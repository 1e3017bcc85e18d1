import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../store/database.ts';
import { ensurePartitions, migrate } from '../store/migrate.ts';
import { openPglite } from '../store/pglite.ts';
import { createSignals } from '../store/signals.ts';
import { createPostgresLog } from './postgres-log.ts';
import type { PublishPort } from './publish.ts';
import { publishNdjson } from './publish-ndjson.ts';

let database: Database;
let port: PublishPort;

beforeAll(async () => {
  database = await openPglite();
  await migrate(database);
  await ensurePartitions(database, 3);
  const signals = await createSignals(database);
  port = {
    log: createPostgresLog({ database, signals }),
    // Any tenant is known; its first hexadecimal digit chooses the partition.
    partitionOf: async (clientId) => Number.parseInt(clientId.slice(0, 1), 16) % 3,
    now: () => new Date(),
  };
});
afterAll(() => database.close());

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe('a stream of events', () => {
  it('is read the same wherever the network cuts it', async () => {
    const clientIds = Array.from({ length: 4 }, () => randomUUID());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(3), fc.string({ unit: 'grapheme', maxLength: 20 })), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', '\n'),
        async (items, sizes, tail) => {
          const events = items.map(([owner, text]) => ({ client_id: clientIds[owner], id: randomUUID(), text }));
          const lines = events.map(({ client_id, id, text }) =>
            JSON.stringify({ client_id, id, type: 'A.B', object: { text } }),
          );
          const bytes = Buffer.from(lines.join('\n') + tail);
          const result = await publishNdjson(port, cut(bytes, sizes), { returnIds: true });
          expect(result).toEqual({ accepted: events.length, duplicates: 0, ids: events.map(({ id }) => id) });
          const rows = await database.query<{ id: string; body: string }>(
            'select id, body from events where id = any($1::uuid[])',
            [events.map(({ id }) => id)],
          );
          const stored = new Map(rows.map((row) => [row.id, JSON.parse(row.body).object.text]));
          expect(stored).toEqual(new Map(events.map(({ id, text }) => [id, text])));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('names the first bad line wherever the network cuts it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(20),
        fc.constantFrom('{', '[]', '\xff', '{"client_id":1}', 'null', '{}'),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
        async (before, bad, sizes) => {
          const line = () => `{"client_id":"${randomUUID()}","type":"A.B","object":{}}\n`;
          const good = Array.from({ length: before }, line).join('');
          // latin1, so that one of them is no UTF-8.
          const bytes = Buffer.from(`${good}${bad}\n${line()}`, 'latin1');
          const result = await publishNdjson(port, cut(bytes, sizes), { returnIds: false });
          expect(result).toMatchObject({ accepted: before, duplicates: 0, failure: { line: before + 1 } });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is not read ahead of the database: two chunks at most wait in memory', async () => {
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const blocked: PublishPort = {
      ...port,
      async partitionOf(clientId) {
        await gate;
        return port.partitionOf(clientId);
      },
    };
    const clientId = randomUUID();
    const lines = 10_000;
    let read = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      for (; read < lines; read++) yield Buffer.from(`{"client_id":"${clientId}","type":"A.B","object":{}}\n`);
    }
    const published = publishNdjson(blocked, source(), { returnIds: false });
    let before = -1;
    while (before !== read) {
      before = read;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(read).toBeGreaterThan(900);
    expect(read).toBeLessThan(2_100);
    open?.();
    expect(await published).toEqual({ accepted: lines, duplicates: 0 });
  });
});
