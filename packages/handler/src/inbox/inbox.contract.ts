// What every inbox promises (inbox.ts), as one suite for all adapters. `make` gives a fresh, empty inbox.
import type { WebhookEvent } from '@bellhop/events';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Inbox, InboxEvent, Job, StoreResult } from './inbox.ts';

const epoch = Date.UTC(2026, 0, 1);
const at = (ms: number): Date => new Date(epoch + ms);

export function entry(id: string, key: string | null = null): InboxEvent {
  const event: WebhookEvent = {
    id,
    created_at: '2026-01-01T00:00:00.123456789Z',
    type: 'ORDER.FILLED',
    object: { id: key, nested: { list: [1, 'two', null] } },
    webhook_id: 'w',
  };
  return { event, key, receivedAt: at(0) };
}

/** What was stored, also by an inbox that finds out later what it knew. */
export async function storeAndCount(inbox: Inbox<unknown>, events: readonly InboxEvent[]): Promise<StoreResult> {
  const { stored, duplicates } = await inbox.store(events);
  await inbox.list({ limit: 10_000 });
  const { duplicates: later = 0 } = await inbox.claim({ limit: 0, now: at(0) });
  return { stored: stored - later, duplicates: duplicates + later };
}

const ids = (jobs: readonly Job[]): string[] => jobs.map((job) => job.event.id);

export function inboxContract(make: () => Promise<Inbox<unknown>>, numRuns = 100): void {
  const finish = async (inbox: Inbox<unknown>, jobs: readonly Job[]): Promise<void> => {
    for (const job of jobs) expect(await inbox.complete(job, async () => 'done')).toBe(true);
  };

  it('hands out an event as it was stored', async () => {
    const inbox = await make();
    const stored = entry('a', 'k');
    await inbox.store([stored]);
    const { jobs } = await inbox.claim({ limit: 10, now: at(1) });
    expect(jobs).toMatchObject([{ event: stored.event, key: 'k', attempt: 1, replay: false, receivedAt: at(0) }]);
  });

  it('stores an id once: inside a package, while open and when done', async () => {
    const inbox = await make();
    expect(await storeAndCount(inbox, [entry('a'), entry('a'), entry('b')])).toEqual({ stored: 2, duplicates: 1 });
    expect(await storeAndCount(inbox, [entry('a'), entry('c')])).toEqual({ stored: 1, duplicates: 1 });
    await finish(inbox, (await inbox.claim({ limit: 10, now: at(0) })).jobs);
    expect(await storeAndCount(inbox, [entry('a'), entry('b'), entry('c')])).toEqual({ stored: 0, duplicates: 3 });
    expect((await inbox.claim({ limit: 10, now: at(0) })).jobs).toEqual([]);
  });

  it('claims one event of a key at a time, in the order of storing, and events without a key freely', async () => {
    const inbox = await make();
    await inbox.store([entry('a1', 'a'), entry('a2', 'a'), entry('b1', 'b'), entry('n1'), entry('n2')]);
    const first = await inbox.claim({ limit: 10, now: at(0) });
    expect(ids(first.jobs).sort()).toEqual(['a1', 'b1', 'n1', 'n2']);
    expect((await inbox.claim({ limit: 10, now: at(0) })).jobs).toEqual([]);
    await finish(inbox, first.jobs);
    expect(ids((await inbox.claim({ limit: 10, now: at(0) })).jobs)).toEqual(['a2']);
  });

  it('claims no more than asked for', async () => {
    const inbox = await make();
    await inbox.store([entry('a'), entry('b'), entry('c')]);
    expect((await inbox.claim({ limit: 2, now: at(0) })).jobs).toHaveLength(2);
    expect((await inbox.claim({ limit: 2, now: at(0) })).jobs).toHaveLength(1);
  });

  it('keeps a failed event at the head of its key until it is due, and blocks no other key', async () => {
    const inbox = await make();
    await inbox.store([entry('a1', 'a'), entry('a2', 'a'), entry('b1', 'b')]);
    const { jobs } = await inbox.claim({ limit: 10, now: at(0) });
    for (const job of jobs) {
      if (job.key === 'a') await inbox.fail(job, { error: 'no', retryAt: at(1_000) });
      else await finish(inbox, [job]);
    }
    const early = await inbox.claim({ limit: 10, now: at(999) });
    expect(early).toEqual({ jobs: [], nextDueAt: at(1_000) });
    expect(await inbox.stats(at(500))).toEqual({
      waiting: 1,
      running: 0,
      retrying: 1,
      parked: 0,
      blockedKeys: 1,
      oldestMs: 500,
    });
    const due = await inbox.claim({ limit: 10, now: at(1_000) });
    expect(due.jobs).toMatchObject([{ event: { id: 'a1' }, attempt: 2 }]);
    await finish(inbox, due.jobs);
    expect((await inbox.claim({ limit: 10, now: at(1_000) })).jobs).toMatchObject([
      { event: { id: 'a2' }, attempt: 1 },
    ]);
  });

  it('marks nothing when the work throws, and says what it threw', async () => {
    const inbox = await make();
    await inbox.store([entry('a', 'k')]);
    const [job] = (await inbox.claim({ limit: 1, now: at(0) })).jobs;
    if (job === undefined) throw new Error('nothing was claimed');
    await expect(inbox.complete(job, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
    await inbox.fail(job, { error: 'boom', retryAt: at(0) });
    expect(ids((await inbox.claim({ limit: 1, now: at(0) })).jobs)).toEqual(['a']);
  });

  it('gives a released event back without counting an attempt', async () => {
    const inbox = await make();
    await inbox.store([entry('a', 'k')]);
    for (const job of (await inbox.claim({ limit: 1, now: at(0) })).jobs) await inbox.release(job);
    expect((await inbox.claim({ limit: 1, now: at(0) })).jobs).toMatchObject([{ event: { id: 'a' }, attempt: 1 }]);
  });

  it('takes no word from a claim that is over', async () => {
    const inbox = await make();
    await inbox.store([entry('a', 'k')]);
    const [late] = (await inbox.claim({ limit: 1, now: at(0) })).jobs;
    if (late === undefined) throw new Error('nothing was claimed');
    await inbox.release(late);
    const [holder] = (await inbox.claim({ limit: 1, now: at(0) })).jobs;
    if (holder === undefined) throw new Error('nothing was claimed');
    expect(await inbox.complete(late, async () => 'done')).toBe(false);
    await inbox.fail(late, { error: 'late', retryAt: at(0) });
    await inbox.release(late);
    expect((await inbox.claim({ limit: 1, now: at(0) })).jobs).toEqual([]);
    await finish(inbox, [holder]);
  });

  it('keeps a copy: nobody changes a stored event from outside or from an earlier attempt', async () => {
    const inbox = await make();
    const given = entry('a', 'k');
    await inbox.store([given]);
    given.event.object['nested'] = 'changed outside';
    const [job] = (await inbox.claim({ limit: 1, now: at(0) })).jobs;
    if (job === undefined) throw new Error('nothing was claimed');
    job.event.object['nested'] = 'changed by a listener';
    await inbox.fail(job, { error: 'no', retryAt: at(0) });
    expect((await inbox.claim({ limit: 1, now: at(0) })).jobs[0]?.event).toEqual(entry('a', 'k').event);
  });

  it('under any schedule hands out every event, in order per key, never two of a key at once', async () => {
    const step = fc.oneof(
      fc.record({
        do: fc.constant('store' as const),
        keys: fc.array(fc.constantFrom('a', 'b', null), { minLength: 1, maxLength: 4 }),
      }),
      fc.record({ do: fc.constant('claim' as const), limit: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constantFrom('complete' as const, 'fail' as const, 'release' as const), pick: fc.nat() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const inbox = await make();
        const stored: InboxEvent[] = [];
        const done: string[] = [];
        const held: Job[] = [];
        for (const now of steps) {
          if (now.do === 'store') {
            const entries = now.keys.map((key, index) => entry(`${stored.length + index}`, key));
            stored.push(...entries);
            await inbox.store(entries);
          } else if (now.do === 'claim') {
            held.push(...(await inbox.claim({ limit: now.limit, now: at(0) })).jobs);
            const keys = held.flatMap((job) => (job.key === null ? [] : [job.key]));
            expect(new Set(keys).size).toBe(keys.length);
          } else {
            const [job] = held.splice(now.pick % Math.max(1, held.length), 1);
            if (job === undefined) continue;
            if (now.do === 'release') await inbox.release(job);
            if (now.do === 'fail') await inbox.fail(job, { error: 'no', retryAt: at(0) });
            if (now.do === 'complete') {
              await finish(inbox, [job]);
              done.push(job.event.id);
            }
          }
        }
        for (const job of held) await inbox.release(job);
        for (;;) {
          const { jobs } = await inbox.claim({ limit: 5, now: at(0) });
          if (jobs.length === 0) break;
          await finish(inbox, jobs);
          done.push(...ids(jobs));
        }
        expect([...done].sort()).toEqual(stored.map(({ event }) => event.id).sort());
        for (const key of ['a', 'b']) {
          const inOrder = stored.filter((one) => one.key === key).map(({ event }) => event.id);
          expect(done.filter((id) => inOrder.includes(id))).toEqual(inOrder);
        }
      }),
      { numRuns },
    );
  });

  const claimOne = async (inbox: Inbox<unknown>, ms = 0): Promise<Job> => {
    const [job] = (await inbox.claim({ limit: 1, now: at(ms) })).jobs;
    if (job === undefined) throw new Error('nothing was claimed');
    return job;
  };

  it('goes past a crowd behind a claimed event to the events of other keys', async () => {
    const inbox = await make();
    const crowd = Array.from({ length: 150 }, (_, index) => entry(`a${index}`, 'a'));
    await inbox.store([...crowd, entry('b', 'b')]);
    const { jobs } = await inbox.claim({ limit: 2, now: at(0) });
    expect(ids(jobs)).toEqual(['a0', 'b']);
    await finish(inbox, jobs);
    const order: string[] = [];
    for (;;) {
      const { jobs: next } = await inbox.claim({ limit: 5, now: at(0) });
      if (next.length === 0) break;
      order.push(...ids(next));
      await finish(inbox, next);
    }
    expect(order).toEqual(crowd.slice(1).map(({ event }) => event.id));
  });

  it('keeps ids, types and keys that are long, empty or full of control characters', async () => {
    const inbox = await make();
    const odd = [
      'x'.repeat(5_000),
      'y'.repeat(5_000),
      'nul \u0000',
      'nul \u0001',
      'line\nline',
      '"\\{}',
      'a\ud800',
      'a\ud801',
    ];
    const entries = odd.map((text) => {
      const one = entry(text, text);
      return { ...one, event: { ...one.event, type: text, object: { text } } };
    });
    const empty = { ...entry('empty key', ''), receivedAt: at(0) };
    expect(await storeAndCount(inbox, [...entries, empty])).toEqual({ stored: 9, duplicates: 0 });
    expect(await storeAndCount(inbox, [...entries, empty])).toEqual({ stored: 0, duplicates: 9 });
    const { jobs } = await inbox.claim({ limit: 20, now: at(0) });
    expect(jobs.map((job) => job.event)).toEqual([...entries, empty].map(({ event }) => event));
    await finish(inbox, jobs);
    expect(await inbox.stats(at(0))).toMatchObject({ waiting: 0, running: 0 });
  });

  it('parks a dead letter with its error, lets its key go on, and opens it again behind it', async () => {
    const inbox = await make();
    await inbox.store([entry('a1', 'a'), entry('a2', 'a'), entry('a3', 'a')]);
    await inbox.park(await claimOne(inbox), { error: 'hopeless' });
    expect(await inbox.stats(at(0))).toMatchObject({ waiting: 2, parked: 1, blockedKeys: 0 });
    expect(await inbox.list({ states: ['parked'] })).toMatchObject({
      items: [{ event: { id: 'a1' }, state: 'parked', note: 'hopeless', attempts: 1, retryAt: null }],
    });
    expect(await storeAndCount(inbox, [entry('a1', 'a')])).toEqual({ stored: 0, duplicates: 1 });
    const running = await claimOne(inbox);
    expect(running.event.id).toBe('a2');
    expect(await inbox.retry({ ids: ['a1'] }, at(0), { dryRun: true })).toEqual({ count: 1 });
    expect(await inbox.stats(at(0))).toMatchObject({ parked: 1 });
    expect(await inbox.retry({}, at(0), {})).toEqual({ count: 1 });
    await finish(inbox, [running]);
    const order: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      // Far ahead: what is opened again is due at the clock of this machine.
      const job = await claimOne(inbox, 1e13);
      order.push(job.event.id);
      await finish(inbox, [job]);
    }
    expect(order).toEqual(['a3', 'a1']);
  });

  it('says which keys are blocked, by what and how many wait; a retry makes the failed event due', async () => {
    const inbox = await make();
    await inbox.store([entry('a1', 'a'), entry('a2', 'a'), entry('a3', 'a'), entry('n'), entry('b', 'b')]);
    const { jobs } = await inbox.claim({ limit: 5, now: at(0) });
    for (const job of jobs) {
      if (job.event.id !== 'b') await inbox.fail(job, { error: `no ${job.event.id}`, retryAt: at(9_000) });
      else await finish(inbox, [job]);
    }
    const [blocked, ...more] = await inbox.blockedKeys(10);
    expect(more).toEqual([]);
    expect(blocked).toMatchObject({ key: 'a', id: 'a1', type: 'ORDER.FILLED', note: 'no a1', attempts: 1, waiting: 2 });
    expect(blocked?.retryAt).toEqual(at(9_000));
    expect(await inbox.retry({ key: 'a' }, at(5), { dryRun: true })).toEqual({ count: 1 });
    expect(await inbox.retry({ key: 'a' }, at(5), {})).toEqual({ count: 1 });
    const due = await inbox.claim({ limit: 5, now: at(5) });
    expect(due.jobs).toMatchObject([{ event: { id: 'a1' }, attempt: 2 }]);
    await finish(inbox, due.jobs);
    expect(await inbox.blockedKeys(10)).toEqual([]);
  });

  it('replays what is done once more, in its order, behind what is open, after a rehearsal that changes nothing', async () => {
    const inbox = await make();
    await inbox.store([entry('a1', 'a'), entry('a2', 'a'), entry('b1', 'b')]);
    for (;;) {
      const { jobs } = await inbox.claim({ limit: 5, now: at(0) });
      if (jobs.length === 0) break;
      await finish(inbox, jobs);
    }
    await inbox.store([entry('a3', 'a')]);
    const far = 1e13;
    for (const filter of [{ key: 'a' }, { type: 'ORDER.*', key: 'a' }, { ids: ['a1', 'a2'], since: at(0) }]) {
      expect(await inbox.replay(filter, at(0), { dryRun: true })).toEqual({ count: 2 });
    }
    for (const filter of [{ type: 'ORDER.NEW' }, { ids: [] }, { since: at(1) }, { until: at(0) }, { type: 'USER.*' }]) {
      expect(await inbox.replay(filter, at(0), { dryRun: true })).toEqual({ count: 0 });
    }
    expect(await inbox.stats(at(0))).toMatchObject({ waiting: 1 });
    expect(await inbox.replay({ key: 'a' }, at(0), {})).toEqual({ count: 2 });
    const seen: unknown[] = [];
    for (;;) {
      const { jobs } = await inbox.claim({ limit: 5, now: at(far) });
      if (jobs.length === 0) break;
      seen.push(...jobs.map((job) => [job.event.id, job.replay, job.attempt]));
      await finish(inbox, jobs);
    }
    expect(seen).toEqual([
      ['a3', false, 1],
      ['a1', true, 1],
      ['a2', true, 1],
    ]);
  });

  it('skips an event anywhere in its key, but none that runs or is closed', async () => {
    const inbox = await make();
    await inbox.store([entry('a1', 'a'), entry('a2', 'a'), entry('a3', 'a'), entry('a4', 'a')]);
    const running = await claimOne(inbox);
    await inbox.claim({ limit: 5, now: at(0) });
    expect(await inbox.skip('a1', 'runs')).toBe(false);
    expect(await inbox.skip('a3', 'not wanted')).toBe(true);
    expect(await inbox.skip('a3', 'again')).toBe(false);
    expect(await inbox.skip('nobody', 'unknown')).toBe(false);
    await inbox.fail(running, { error: 'no', retryAt: at(9_000) });
    expect(await inbox.skip('a1', 'blocks')).toBe(true);
    const rest: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const job = await claimOne(inbox);
      rest.push(job.event.id);
      await finish(inbox, [job]);
    }
    expect(rest).toEqual(['a2', 'a4']);
    const { items } = await inbox.list({ states: ['skipped'] });
    expect(items.map(({ event, note }) => [event.id, note])).toEqual([
      ['a1', 'blocks'],
      ['a3', 'not wanted'],
    ]);
  });

  it('lists in the order of storing, page by page', async () => {
    const inbox = await make();
    await inbox.store(['a', 'b', 'c', 'd', 'e'].map((id) => entry(id)));
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = await inbox.list({ limit: 2, states: ['waiting'], ...(after === undefined ? {} : { after }) });
      pages.push(page.items.map(({ event }) => event.id));
      after = page.after;
    } while (after !== undefined);
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(await inbox.list({ states: [] })).toEqual({ items: [] });
    await expect(inbox.list({ after: 'x' })).rejects.toThrow(TypeError);
  });

  it('purges what is closed, and takes its ids for new ones then', async () => {
    const inbox = await make();
    await inbox.store([entry('a'), entry('b')]);
    await finish(inbox, [await claimOne(inbox)]);
    const later = new Date(Date.now() + 1e6);
    expect(await inbox.purge(new Date(0), {})).toEqual({ count: 0 });
    expect(await inbox.purge(later, { dryRun: true })).toEqual({ count: 1 });
    expect(await inbox.purge(later, {})).toEqual({ count: 1 });
    expect(await storeAndCount(inbox, [entry('a'), entry('b')])).toEqual({ stored: 1, duplicates: 1 });
  });

  it('remembers instants with the work that marked them, or not at all', async () => {
    const inbox = await make();
    await inbox.store([entry('a'), entry('b')]);
    const job = await claimOne(inbox);
    const undone = inbox.complete(job, async (_tx, marks) => {
      expect(await marks.advance('x', '2030-01-01T00:00:00Z')).toBe(true);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    const answers: boolean[] = [];
    await inbox.complete(job, async (_tx, marks) => {
      for (const instant of [
        '2026-01-01T00:00:00.5Z',
        '2026-01-01T00:00:00.499999999Z',
        '2026-01-01T01:00:00.500+01:00',
        '2026-01-01T00:00:00.500000001Z',
      ]) {
        answers.push(await marks.advance('x', instant));
      }
      return 'done';
    });
    await inbox.complete(await claimOne(inbox), async (_tx, marks) => {
      answers.push(
        await marks.advance('x', '2026-01-01T00:00:00.5Z'),
        await marks.advance('y', '0001-01-01T00:00:00Z'),
      );
      return 'done';
    });
    expect(answers).toEqual([true, false, true, true, false, true]);
  });
}
