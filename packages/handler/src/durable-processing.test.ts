import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WebhookEvent } from '@bellhop/events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SqliteInbox, SqliteInboxOptions, SqliteTx } from './inbox/sqlite.ts';
import { sqliteInbox } from './inbox/sqlite.ts';
import type { Handler, HandlerOptions, Hooks, Inbox } from './index.ts';
import { createHandler, latest, memoryInbox, ParkError } from './index.ts';
import { createSender, eventOf } from './sender.fixture.ts';

const sender = await createSender();
let folder = '';
let files = 0;
const opened: SqliteInbox[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'handler-durable-'));
});
afterAll(async () => {
  for (const inbox of opened) inbox.close();
  await rm(folder, { recursive: true });
});

function freshFile(): string {
  files += 1;
  return join(folder, `${files}.db`);
}

function open(file = freshFile(), options?: SqliteInboxOptions): SqliteInbox {
  const inbox = sqliteInbox(file, options);
  opened.push(inbox);
  return inbox;
}

function handlerOn<Tx>(inbox: Inbox<Tx>, options: Partial<HandlerOptions> = {}): Handler<Tx> {
  return createHandler({ keys: sender.keys, hooks: { onFailed: () => undefined }, ...options, inbox });
}

async function deliver(handler: Pick<Handler<never>, 'receive'>, ...events: WebhookEvent[]): Promise<void> {
  const { headers, body } = await sender.prepare('/hook', events);
  expect(await handler.receive({ method: 'POST', url: '/hook', headers, body })).toMatchObject({ status: 200 });
}

const step = (id: string, n: number): WebhookEvent => ({ ...eventOf('ORDER.NEW'), object: { id, n } });

describe('an event that cannot be processed', () => {
  it('blocks its key without end unless the handler says otherwise, and anyone can see and end that', async () => {
    const handler = handlerOn(open(), { retry: { firstDelayMs: 0 } });
    const ran: unknown[] = [];
    handler.on('*', (event, { attempt }) => {
      if (event.object['n'] === 1 && attempt <= 30) throw new Error('not yet');
      ran.push([event.object['n'], attempt]);
    });
    await deliver(handler, step('a', 1), step('a', 3));
    await handler.drain();
    expect(ran).toEqual([
      [1, 31],
      [3, 1],
    ]);
  });

  it('is parked at once by a ParkError, and after maxAttempts where that is chosen, and its key goes on', async () => {
    const parked: unknown[] = [];
    const hooks: Hooks = {
      onFailed: () => undefined,
      onParked: ({ attempt, error }) => parked.push([attempt, String(error)]),
    };
    const handler = handlerOn(open(), { retry: { firstDelayMs: 0, maxAttempts: 3 }, hooks });
    const ran: unknown[] = [];
    handler
      .on('ORDER.NEW', { onExhausted: 'park' }, (event) => {
        const { n } = JSON.parse(JSON.stringify(event.object));
        if (n === 1) throw new ParkError('hopeless');
        if (n === 2) throw new Error('always');
        ran.push(n);
      })
      .fallback(() => undefined);
    const [first, second, third] = [step('a', 1), step('a', 2), step('a', 3)];
    await deliver(handler, first, second, third);
    await handler.drain();
    expect(ran).toEqual([3]);
    expect(parked).toEqual([
      [1, 'ParkError: hopeless'],
      [3, 'Error: always'],
    ]);
    expect(await handler.inbox.stats()).toMatchObject({ parked: 2, waiting: 0, blockedKeys: 0 });
    const { items } = await handler.inbox.list({ states: ['parked'] });
    expect(items.map(({ event, note, attempts }) => [event.id, note, attempts])).toEqual([
      [first.id, 'hopeless', 1],
      [second.id, 'always', 3],
    ]);
    expect(await handler.inbox.skip(first.id, 'known to be wrong')).toBe(true);
    expect(await handler.inbox.retry({}, { dryRun: true })).toEqual({ count: 1 });
  });

  it('is parked without a run when each run before took its process down', async () => {
    const inbox = open(freshFile(), { leaseMs: 1 });
    const event = step('a', 1);
    const far = new Date(Date.now() + 60_000);
    const parked: unknown[] = [];
    const hooks: Hooks = { onParked: ({ attempt }) => parked.push(attempt) };
    const handler = handlerOn(inbox, { onExhausted: 'park', retry: { maxAttempts: 2 }, hooks, now: () => Number(far) });
    handler.on('*', () => expect.unreachable('it would take this process down as well'));
    await inbox.store([{ event, key: 'a', receivedAt: new Date() }]);
    for (let crash = 0; crash < 2; crash += 1) {
      const { jobs } = await inbox.claim({ limit: 1, now: new Date(Date.now() + crash * 1_000) });
      expect(jobs).toHaveLength(1);
    }
    await handler.drain();
    expect(parked).toEqual([3]);
    expect(await inbox.stats(far)).toMatchObject({ parked: 1 });
  });
});

describe('several handlers on one inbox', () => {
  it('never run an event twice at a time, though its listener takes longer than the lease', async () => {
    const file = freshFile();
    const [one, two] = [open(file, { leaseMs: 30 }), open(file, { leaseMs: 30 })];
    // Time goes on with each renewal and not otherwise, so that no stall of the machine ends a lease.
    let nowMs = Date.now();
    const now = () => nowMs;
    let starts = 0;
    let renewals = 0;
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const watched: Inbox<SqliteTx> = {
      ...one,
      async renew(jobs, at) {
        await one.renew?.(jobs, at);
        renewals += 1;
        nowMs = Math.max(nowMs, at.getTime() + 10);
      },
    };
    const work = async () => {
      starts += 1;
      await ended;
    };
    await using first = handlerOn(watched, { now }).on('*', work);
    await using second = handlerOn(two, { now }).on('*', work);
    await first.start();
    await deliver(first, step('a', 1));
    // Six renewals are twice the lease.
    await expect.poll(() => renewals, { timeout: 20_000 }).toBeGreaterThanOrEqual(6);
    await second.drain();
    expect(starts).toBe(1);
    end();
    await first.drain();
    expect(starts).toBe(1);
    expect(await one.stats(new Date())).toMatchObject({ waiting: 0, running: 0 });
  });

  it('go on with what another one has stored', async () => {
    const file = freshFile();
    const receiver = handlerOn(open(file));
    const seen: string[] = [];
    await using worker = handlerOn(open(file)).on('*', (event) => void seen.push(event.id));
    await worker.start();
    const event = step('a', 1);
    await deliver(receiver, event);
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([event.id]);
  });
});

describe('replay', () => {
  it('runs what is done once more and says so to the listener', async () => {
    const handler = handlerOn(open());
    const seen: unknown[] = [];
    handler.on('ORDER.*', (event, { replay }) => void seen.push([event.id, replay])).fallback(() => undefined);
    const [a, b] = [step('a', 1), step('a', 2)];
    await deliver(handler, a, b, eventOf('USER.CREATED'));
    await handler.drain();
    expect(await handler.inbox.replay({ type: 'ORDER.*' }, { dryRun: true })).toEqual({ count: 2 });
    expect(await handler.inbox.replay({ type: 'ORDER.*' })).toEqual({ count: 2 });
    await handler.drain();
    expect(seen).toEqual([
      [a.id, false],
      [b.id, false],
      [a.id, true],
      [b.id, true],
    ]);
  });

  it('wants a criterion, and skip a reason', async () => {
    const handler = handlerOn(memoryInbox());
    await expect(handler.inbox.replay({})).rejects.toThrow(TypeError);
    await expect(handler.inbox.skip('a', '')).rejects.toThrow(TypeError);
    await expect(handler.inbox.list({ limit: 0 })).rejects.toThrow(TypeError);
  });
});

describe('latest()', () => {
  for (const [name, make] of [
    ['in memory', () => memoryInbox()],
    ['in SQLite', () => open()],
  ] as const) {
    it(`drops an older state of the same object, by instant and not by text, ${name}`, async () => {
      const inbox: Inbox<unknown> = make();
      const handler = handlerOn(inbox);
      const [seen, stale]: [unknown[], unknown[]] = [[], []];
      const state = (id: string, updated_at: string, n: number) => ({
        ...eventOf('ORDER.NEW'),
        object: { ...eventOf('ORDER.NEW').object, id, updated_at, n },
      });
      handler.on(
        'ORDER.*',
        latest((event) => void seen.push(Reflect.get(event.object, 'n')), {
          onStale: (event) => stale.push(Reflect.get(event.object, 'n')),
        }),
      );
      await deliver(
        handler,
        state('a', '2026-05-01T10:00:00.5Z', 1),
        state('a', '2026-05-01T12:00:00.499999999+02:00', 2),
        state('a', '2026-05-01T10:00:00.500000000Z', 3),
        state('a', '2026-05-01T10:00:00.50001Z', 4),
        state('b', '2026-01-01T00:00:00Z', 5),
        {
          ...eventOf('ORDER.NEW'),
          object: { id: 'a', updated_at: 'yesterday', n: 6 },
          created_at: '2020-01-01T00:00:00Z',
        },
        { ...eventOf('ORDER.NEW'), object: { updated_at: '2020-01-01T00:00:00Z', n: 7 } },
      );
      await handler.drain();
      expect([...seen].sort()).toEqual([1, 3, 4, 5, 7]);
      expect(stale.sort()).toEqual([2, 6]);
    });
  }

  it('keeps apart what the listener says is not the same thing', async () => {
    const handler = handlerOn(open());
    const seen: string[] = [];
    handler.on(
      'POSITION.UPDATED',
      latest(({ object }) => void seen.push(object.quantity), {
        id: ({ object }) => `${object.account_id}/${object.instrument.uuid}`,
      }),
    );
    const position = (uuid: string, created_at: string, quantity: string) => ({
      ...eventOf('POSITION.UPDATED'),
      created_at,
      object: { account_id: 'a', instrument: { uuid }, quantity },
    });
    await deliver(
      handler,
      position('x', '2026-05-01T10:00:01Z', '1'),
      position('y', '2026-05-01T10:00:00Z', '2'),
      position('x', '2026-05-01T10:00:00Z', '3'),
    );
    await handler.drain();
    expect(seen).toEqual(['1', '2']);
  });

  it('forgets what a failed run would have remembered', async () => {
    const handler = handlerOn(open(), { retry: { firstDelayMs: 0 } });
    const seen: unknown[] = [];
    handler.on(
      '*',
      latest((event, { attempt }) => {
        seen.push(Reflect.get(event.object, 'n'));
        if (attempt === 1) throw new Error('once');
      }),
    );
    await deliver(handler, { ...eventOf('ORDER.NEW'), object: { id: 'a', updated_at: '2026-01-01T00:00:00Z', n: 1 } });
    await handler.drain();
    expect(seen).toEqual([1, 1]);
  });
});
