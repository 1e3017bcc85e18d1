// Every operation in every state of a lane (design.md, "Decided"), by a real worker that posts to real receivers. The table
// says what the endpoint acknowledges, in order; a state or an operation without a cell does not compile.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase, needsPostgres, postgresUrl } from '../../../../test/support/postgres.ts';
import type { Database } from '../store/database.ts';
import { openPglite } from '../store/pglite.ts';
import { openPostgres } from '../store/postgres.ts';
import {
  type Cell,
  type Matrix,
  type Operation,
  operations,
  type State,
  startMatrix,
  states,
} from './lane-matrix.fixture.ts';

type Group = keyof Cell['groups'];

interface Expected {
  /** Acknowledged by the receiver of the first URL, in order. */
  readonly a: readonly Group[];
  /** Acknowledged by the receiver of the URL that a PATCH gives. */
  readonly b?: readonly Group[];
  /** What the endpoint answers to the request that it holds back; 200 unless said. */
  readonly held?: 200 | 500;
  /** When the next attempt starts, where that takes long enough to tell. */
  readonly next?: 'at once' | 'on time';
  /** There is nothing to do it to: the API says 409 and nothing changes. */
  readonly refused?: true;
  /** Acknowledged as long as it is paused, before it is enabled again. */
  readonly paused?: readonly Group[];
  /** Only the package that was cut before keeps several events. */
  readonly single?: true;
  readonly parks?: true;
}

const everything: Expected = { a: ['before', 'first', 'rest', 'after'] };
const refused: Expected = { ...everything, refused: true };
const again: Expected = { a: ['before', 'before', 'first', 'rest', 'after'] };
const nothingMore: Expected = { a: ['before'] };
const moved: Expected = { a: ['before'], b: ['first', 'after'] };

const table: Record<Operation, Record<State, Expected>> = {
  // A new URL applies to the next attempt, also of the pending package, and an edit retries at once.
  'PATCH url': {
    idle: { a: ['before'], b: ['after'] },
    collecting: { ...moved, next: 'on time' },
    sending: { ...moved, held: 500 },
    retrying: { ...moved, next: 'at once' },
    'sending again': { ...moved, held: 500, next: 'at once' },
    'catching up': { a: ['before', 'first'], b: ['rest', 'after'] },
  },
  // Filters apply to what was never attempted, from the cursor on: that of an idle lane is the end of the log.
  'PATCH type': {
    idle: { a: ['before', 'after with USER'] },
    collecting: { a: ['before', 'first with USER', 'after with USER'], next: 'on time' },
    sending: { a: ['before', 'first', 'after with USER'] },
    retrying: { a: ['before', 'first', 'after with USER'], next: 'at once' },
    'sending again': { a: ['before', 'first', 'after with USER'] },
    'catching up': { a: ['before', 'first', 'rest with USER', 'after with USER'] },
  },
  // The pending package keeps its cut, whatever the limit is now.
  'PATCH config': {
    idle: { ...everything, single: true },
    collecting: { ...everything, single: true, next: 'at once' },
    sending: { ...everything, single: true, held: 500 },
    retrying: { ...everything, single: true, next: 'at once' },
    'sending again': { ...everything, single: true, held: 500, next: 'at once' },
    'catching up': { ...everything, single: true },
  },
  // Paused: no attempts, the queue goes on growing; what is in flight counts.
  disable: {
    idle: { ...everything, paused: ['before'] },
    collecting: { ...everything, paused: ['before'] },
    sending: { ...everything, paused: ['before', 'first'] },
    retrying: { ...everything, paused: ['before'] },
    'sending again': { ...everything, paused: ['before', 'first'] },
    'catching up': { ...everything, paused: ['before', 'first'] },
  },
  // Resumes from the cursor, with the pending package at once.
  enable: {
    idle: everything,
    collecting: { ...everything, next: 'on time' },
    sending: { ...everything, held: 500 },
    retrying: { ...everything, next: 'at once' },
    'sending again': { ...everything, held: 500, next: 'at once' },
    'catching up': everything,
  },
  // At most the request in flight still arrives.
  delete: {
    idle: nothingMore,
    collecting: nothingMore,
    sending: nothingMore,
    retrying: nothingMore,
    'sending again': nothingMore,
    'catching up': nothingMore,
  },
  // Stands outside the lane.
  'test trigger': {
    idle: everything,
    collecting: { ...everything, next: 'on time' },
    sending: everything,
    retrying: { ...everything, next: 'on time' },
    'sending again': everything,
    'catching up': everything,
  },
  // Each attempt is signed anew, with the key that is active then.
  'key rotation': {
    idle: everything,
    collecting: { ...everything, next: 'on time' },
    sending: { ...everything, held: 500 },
    retrying: { ...everything, next: 'on time' },
    'sending again': { ...everything, held: 500, next: 'on time' },
    'catching up': everything,
  },
  'retry now': {
    idle: refused,
    collecting: { ...refused, next: 'on time' },
    sending: refused,
    retrying: { ...everything, next: 'at once' },
    // It is being retried: a second package would be in flight.
    'sending again': everything,
    'catching up': refused,
  },
  // The cursor passes what blocks, and nothing else.
  skip: {
    idle: refused,
    collecting: { ...refused, next: 'on time' },
    sending: refused,
    retrying: { a: ['before', 'after'], parks: true },
    'sending again': { a: ['before', 'after'], parks: true },
    'catching up': refused,
  },
  // From the cursor's new place on; the pending package is cancelled and a late answer moves nothing.
  replay: {
    idle: again,
    collecting: { ...again, next: 'at once' },
    sending: again,
    retrying: { ...again, next: 'at once' },
    'sending again': again,
    'catching up': again,
  },
};

const databases = [
  {
    name: 'the embedded database',
    skip: false,
    open: async () => ({ database: await openPglite(), drop: async () => {} }),
  },
  {
    name: `PostgreSQL ${needsPostgres}`,
    skip: !postgresUrl(),
    open: async () => {
      const fresh = await freshDatabase();
      return { database: await openPostgres({ url: fresh.url }), drop: fresh.drop };
    },
  },
];

/** What they find in flight is cut off, and nobody waits for its answer. */
const cutsOff: readonly Operation[] = ['delete', 'replay', 'skip'];

async function live(matrix: Matrix, state: State, operation: Operation): Promise<void> {
  const expected = table[operation][state];
  const cell = await matrix.open(state, operation);
  const rowBefore = await cell.row();
  await cell.operate(operation);
  expect(cell.wasRefused).toBe(expected.refused ?? false);
  if (operation === 'test trigger') await atTheTestTrigger(cell, rowBefore);
  await cell.publishAfter();
  await cell.release(expected.held ?? 200, cutsOff.includes(operation) && !expected.refused);

  const ids = (groups: readonly Group[]) => groups.flatMap((group) => cell.groups[group]);
  const acknowledged = () => cell.acknowledged(cell.a).flatMap((received) => received.ids);
  if (expected.paused) {
    await cell.passedBy();
    expect(acknowledged()).toEqual(ids(expected.paused));
    await cell.patch({ enabled: true });
  }
  if (operation === 'delete') {
    await cell.passedBy();
    expect(await cell.row()).toBeUndefined();
    expect(cell.later()).toEqual([]);
  } else {
    await cell.settled();
    expect(await cell.row()).toMatchObject({
      pending_id: null,
      attempts: 0,
      blocked_since: null,
      next_attempt_at: null,
    });
  }
  expect(acknowledged()).toEqual(ids(expected.a));
  expect(cell.acknowledged(cell.b).flatMap((received) => received.ids)).toEqual(ids(expected.b ?? []));
  if (expected.next) expect(await cell.nextWas()).toBe(expected.next);
  expect((await cell.parked()).map((row) => row.event_count)).toEqual(expected.parks ? [cell.groups.first.length] : []);
  await checkPackages(cell, operation, expected);
}

/** One attempt beside the lane; the row stays as it was. */
async function atTheTestTrigger(cell: Cell, rowBefore: Record<string, unknown> | undefined): Promise<void> {
  await cell.a.until(() => cell.tests().length === 1);
  const standing = ['pending_id', 'pending_first', 'attempts', 'next_attempt_at', 'blocked_since', 'position_version'];
  const row = await cell.row();
  for (const column of standing) expect(row?.[column]).toEqual(rowBefore?.[column]);
  expect(cell.tests()[0]?.ids).toHaveLength(1);
}

const keyIdOf = (headers: Record<string, unknown>) => /keyid="([^"]+)"/.exec(String(headers['signature-input']))?.[1];

async function checkPackages(cell: Cell, operation: Operation, expected: Expected): Promise<void> {
  const all = [...cell.a.packages, ...cell.b.packages];
  for (const received of all) {
    expect(await cell.verifies(received)).toBe(true);
    const payload: { webhook_id: string }[] = JSON.parse(received.body).payload;
    expect(payload.map(({ webhook_id }) => webhook_id)).toEqual(payload.map(() => cell.webhookId));
  }
  expect(cell.tests()).toHaveLength(operation === 'test trigger' ? 1 : 0);

  // What failed goes out again as it was, until it succeeds.
  if (!cutsOff.includes(operation)) {
    const deliveries = all.filter((received) => !cell.tests().includes(received));
    for (const [index, { status, body }] of deliveries.entries()) {
      if (status !== 200) expect(deliveries[index + 1]?.body).toBe(body);
    }
  }
  if (expected.single) {
    const fresh = cell.later().filter(({ body }) => body !== cell.firstBody);
    expect(fresh.map(({ ids }) => ids.length)).toEqual(fresh.map(() => 1));
    expect(fresh.length).toBeGreaterThan(0);
  }
  if (operation === 'key rotation') {
    const keyBefore = keyIdOf(cell.a.packages[0]?.headers ?? {});
    expect(cell.later().length).toBeGreaterThan(0);
    for (const { headers } of cell.later()) expect(keyIdOf(headers)).not.toBe(keyBefore);
  }
}

for (const { name, skip, open } of databases) {
  describe.skipIf(skip)(`a lane on ${name}`, () => {
    let database: Database;
    let drop: () => Promise<void>;
    let matrix: Matrix;
    const lives = new Map<string, Promise<void>>();

    beforeAll(async () => {
      ({ database, drop } = await open());
      matrix = await startMatrix(database);
      // All at once: most of a cell's life is waiting. Each is awaited by its own test.
      for (const state of states) {
        for (const operation of operations) {
          const lived = live(matrix, state, operation);
          lived.catch(() => {});
          lives.set(`${state}/${operation}`, lived);
        }
      }
    });
    afterAll(async () => {
      await Promise.allSettled(lives.values());
      await matrix.close();
      await database.close();
      await drop();
    });

    for (const state of states) {
      it.each(operations)(`that is ${state} does as the table says at: %s`, async (operation) => {
        await lives.get(`${state}/${operation}`);
      });
    }

    it('has a cell for every state and operation', () => {
      expect(lives.size).toBe(states.length * operations.length);
    });
  });
}
