// The handler's promises under SIGKILL: two processes share one inbox, senders repeat each package until it is acknowledged,
// and in every round one of the processes dies, at a step chosen at random or from outside at any moment, and is started
// again. In the end every acknowledged event has been processed, in the order of its key, and has had its effect exactly once.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Inbox } from '@bellhop/handler';
import { postgresInbox } from '@bellhop/handler/postgres';
import { sqliteInbox } from '@bellhop/handler/sqlite';
import { publicJwk } from '@bellhop/signatures';
import postgres from 'postgres';
import { describe, expect, it } from 'vitest';
import type { Sender } from '../../packages/handler/src/sender.fixture.ts';
import { createSender } from '../../packages/handler/src/sender.fixture.ts';
import { needBuild } from '../support/build.ts';
import { freshDatabase, needsPostgres, postgresUrl } from '../support/postgres.ts';

const rounds = 20;
const leaseMs = 500;
const webhooks = 3;
const keysOfWebhook = 4;

const steps = [
  ...['request', 'nonce.after', 'store.before', 'store.after', 'answered', 'claim.before', 'claim.after'],
  ...['complete.before', 'listener.before', 'listener.written', 'complete.after', 'fail.before', 'fail.after'],
];

interface Effect {
  readonly id: string;
  readonly key: string;
  readonly n: number;
}

interface Store extends AsyncDisposable {
  /** What a receiver opens. */
  readonly database: string;
  readonly inbox: Omit<Inbox<unknown>, 'complete'>;
  /** In the order of writing. */
  effects(): Promise<readonly Effect[]>;
}

/** Where a receiver kills itself: the step, and at which passage. */
interface Armed {
  readonly step: string;
  readonly count: number;
}

interface Receiver {
  readonly process: ChildProcess;
  readonly url: string;
  readonly ended: Promise<unknown>;
}

async function startReceiver(database: string, sender: Sender, armed?: Armed): Promise<Receiver> {
  const options = JSON.stringify({ database, jwk: publicJwk(sender.key), leaseMs, armed });
  const program = new URL('./receiver.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const port = await Promise.race([once(createInterface(child.stdout), 'line'), ended.then(() => undefined)]);
  // Without a port it died at its step before it listened.
  if (port === undefined && armed === undefined) throw new Error('A receiver ended by itself');
  return { process: child, url: `http://127.0.0.1:${String(port?.[0])}/webhooks`, ended };
}

async function run(store: Store): Promise<void> {
  const sender = await createSender();
  const acknowledged: Effect[] = [];
  const totals = { rounds, packages: 0, events: 0, repeated: 0, kills: {} as Record<string, number> };
  const receivers: Receiver[] = [];
  let isOver = false;
  let isAborted = false;
  let onReplaced = (): void => undefined;
  let replaced = new Promise<void>((resolve) => {
    onReplaced = resolve;
  });
  let onAcknowledged = (): void => undefined;

  /** One webhook: a package at a time, the same again until it is acknowledged, by whichever process answers. */
  async function send(webhook: number): Promise<void> {
    const counters = new Map<string, number>();
    while (!isOver && !isAborted) {
      const events = Array.from({ length: randomInt(1, 8) }, () => {
        const key = `w${webhook}-k${randomInt(keysOfWebhook)}`;
        const n = (counters.get(key) ?? 0) + 1;
        counters.set(key, n);
        const created_at = new Date().toISOString();
        return { id: randomUUID(), created_at, type: 'TRIAL.STEP', object: { id: key, n }, webhook_id: `w${webhook}` };
      });
      for (let attempt = 0; ; attempt += 1) {
        if (isAborted) return;
        const alive = receivers.filter(({ process: { exitCode, signalCode } }) => exitCode === null && !signalCode);
        const target = alive[(webhook + attempt) % Math.max(1, alive.length)];
        if (target === undefined) {
          await replaced;
          continue;
        }
        const answer = await sender.post(target.url, events).catch(() => undefined);
        if (answer?.status === 200) break;
        totals.repeated += 1;
      }
      totals.packages += 1;
      totals.events += events.length;
      acknowledged.push(...events.map(({ id, object }) => ({ id, key: object.id, n: object.n })));
      onAcknowledged();
    }
  }

  /** Every fourth is killed from outside, the last two live on. */
  const armedFor = (round: number): Armed | undefined =>
    round >= rounds || round % 4 === 3
      ? undefined
      : { step: steps[randomInt(steps.length)] ?? 'request', count: randomInt(1, 5) };
  const arms = [armedFor(0), armedFor(1)];
  receivers.push(...(await Promise.all(arms.map((armed) => startReceiver(store.database, sender, armed)))));
  const sending = Array.from({ length: webhooks }, (_, webhook) => send(webhook));
  try {
    for (let round = 0; round < rounds; round += 1) {
      const victim = receivers[round % 2];
      const armed = arms[round % 2];
      if (armed === undefined) {
        let left = randomInt(1, 15);
        await new Promise<void>((resolve) => {
          onAcknowledged = () => {
            left -= 1;
            if (left === 0) resolve();
          };
        });
        victim?.process.kill('SIGKILL');
      }
      await victim?.ended;
      const where = armed?.step ?? 'from outside';
      totals.kills[where] = (totals.kills[where] ?? 0) + 1;
      arms[round % 2] = armedFor(round + 2);
      receivers[round % 2] = await startReceiver(store.database, sender, arms[round % 2]);
      onReplaced();
      replaced = new Promise((resolve) => {
        onReplaced = resolve;
      });
    }
    isOver = true;
    await Promise.all(sending);
    const open = async (): Promise<number> => {
      const { waiting, running, retrying } = await store.inbox.stats(new Date());
      return waiting + running + retrying;
    };
    await expect.poll(open, { timeout: 30_000, interval: 50 }).toBe(0);
  } finally {
    isAborted = true;
    onReplaced();
    await Promise.all(sending);
    for (const receiver of receivers) receiver.process.kill('SIGKILL');
    await Promise.all(receivers.map((receiver) => receiver.ended));
  }

  const effects = await store.effects();
  console.log(JSON.stringify({ ...totals, effects: effects.length }));
  expect(effects.length).toBe(totals.events);
  expect(new Set(effects.map(({ id }) => id))).toEqual(new Set(acknowledged.map(({ id }) => id)));
  const keys = new Set(acknowledged.map(({ key }) => key));
  for (const key of keys) {
    const inOrder = acknowledged.filter((one) => one.key === key).sort((a, b) => a.n - b.n);
    expect(effects.filter((one) => one.key === key)).toEqual(inOrder);
  }
  expect(await store.inbox.list({ states: ['parked', 'ignored', 'skipped'] })).toEqual({ items: [] });
}

describe('the handler, killed in 20 rounds between any two steps', () => {
  it.skipIf(!postgresUrl())(
    `loses, doubles and disorders nothing on PostgreSQL ${needsPostgres}`,
    async () => {
      needBuild();
      const database = await freshDatabase();
      const sql = postgres(database.url, { max: 4 });
      const inbox = postgresInbox(sql);
      await using store: Store = {
        database: database.url,
        inbox,
        effects: () => sql<Effect[]>`select id, key, n from effects order by position`,
        async [Symbol.asyncDispose]() {
          await sql.end();
          await database.drop();
        },
      };
      await inbox.migrate();
      // Without a key on id: a second effect would be there to be seen.
      await sql`create table effects (position bigserial, id text, key text, n int)`;
      await run(store);
    },
    120_000,
  );

  it('loses, doubles and disorders nothing on SQLite', async () => {
    needBuild();
    const folder = await mkdtemp(join(tmpdir(), 'handler-faults-'));
    const database = join(folder, 'inbox.db');
    const inbox = sqliteInbox(database);
    const read = async <T>(
      work: (tx: Parameters<Parameters<typeof inbox.complete>[1]>[0]) => Promise<T>,
    ): Promise<T> => {
      const id = randomUUID();
      const event = { id, created_at: new Date().toISOString(), type: 'READ.NOW', object: {}, webhook_id: 'none' };
      await inbox.store([{ event, key: null, receivedAt: new Date() }]);
      const [job] = (await inbox.claim({ limit: 1, now: new Date() })).jobs;
      if (job === undefined) throw new Error('nothing was claimed');
      let result: { readonly value: T } | undefined;
      await inbox.complete(job, async (tx) => {
        result = { value: await work(tx) };
        return 'done';
      });
      if (result === undefined) throw new Error('nothing was read');
      return result.value;
    };
    await using store: Store = {
      database,
      inbox,
      effects: () =>
        read(async (tx) => {
          const rows = await tx.all('select id, key, n from effects order by position');
          return rows.map(({ id, key, n }) => ({ id: String(id), key: String(key), n: Number(n) }));
        }),
      async [Symbol.asyncDispose]() {
        inbox.close();
        await rm(folder, { recursive: true });
      },
    };
    await read((tx) => tx.run('create table effects (position integer primary key, id text, key text, n int)'));
    await run(store);
  }, 120_000);
});
