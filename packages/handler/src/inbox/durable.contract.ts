// What every inbox promises that outlives its process and may be shared: leases, nonces, retention. `open` opens another one
// on the same data, with a clock of the test's own.
import { expect, it } from 'vitest';
import { entry, storeAndCount } from './inbox.contract.ts';
import type { Inbox } from './inbox.ts';
import type { SqlInboxOptions } from './sql-inbox.ts';

const epoch = Date.UTC(2026, 0, 1);
const at = (ms: number): Date => new Date(epoch + ms);

export interface Shared {
  open(options?: SqlInboxOptions): Inbox<unknown>;
}

export function durableContract(make: () => Promise<Shared>): void {
  it('gives a claim whose lease ran out to somebody else, and takes no word from the late one', async () => {
    const shared = await make();
    const [one, two] = [shared.open({ leaseMs: 1_000 }), shared.open({ leaseMs: 1_000 })];
    await one.store([entry('a1', 'a'), entry('a2', 'a')]);
    const [late] = (await one.claim({ limit: 5, now: at(0) })).jobs;
    if (late === undefined) throw new Error('nothing was claimed');
    expect((await two.claim({ limit: 5, now: at(999) })).jobs).toEqual([]);
    const [next, ...more] = (await two.claim({ limit: 5, now: at(1_000) })).jobs;
    expect([next, ...more]).toMatchObject([{ event: { id: 'a1' }, attempt: 2 }]);
    expect(await one.complete(late, async () => 'done')).toBe(false);
    await one.fail(late, { error: 'late', retryAt: at(0) });
    await one.park(late, { error: 'late' });
    expect(await two.stats(at(0))).toMatchObject({ running: 1, waiting: 1, parked: 0, retrying: 0 });
    if (next !== undefined) expect(await two.complete(next, async () => 'done')).toBe(true);
  });

  it('keeps a claim that is renewed, but not one that is over', async () => {
    const shared = await make();
    const inbox = shared.open({ leaseMs: 1_000 });
    await inbox.store([entry('a'), entry('b')]);
    const { jobs } = await inbox.claim({ limit: 5, now: at(0) });
    const [kept, released] = jobs;
    if (kept === undefined || released === undefined) throw new Error('two were stored');
    await inbox.release(released);
    await inbox.renew?.(jobs, at(900));
    const ids = (await inbox.claim({ limit: 5, now: at(1_800) })).jobs.map(({ event }) => event.id);
    expect(ids).toEqual([released.event.id]);
    expect(await inbox.complete(kept, async () => 'done')).toBe(true);
  });

  it('lets several claim at once: every event goes to one of them, one of a key at a time', async () => {
    const shared = await make();
    const inboxes = [shared.open(), shared.open(), shared.open()];
    const keys = ['a', 'b', 'c', 'd', null];
    const entries = Array.from({ length: 60 }, (_, index) => entry(`e${index}`, keys[index % keys.length] ?? null));
    await shared.open().store(entries);
    const running = new Set<string>();
    const done: string[] = [];
    await Promise.all(
      inboxes.map(async (inbox) => {
        while (done.length < entries.length) {
          const { jobs } = await inbox.claim({ limit: 3, now: at(0) });
          await Promise.all(
            jobs.map(async (job) => {
              if (job.key !== null) {
                expect(running.has(job.key)).toBe(false);
                running.add(job.key);
              }
              const isMine = await inbox.complete(job, async () => {
                if (job.key !== null) running.delete(job.key);
                done.push(job.event.id);
                return 'done';
              });
              expect(isMine).toBe(true);
            }),
          );
        }
      }),
    );
    expect([...done].sort()).toEqual(entries.map(({ event }) => event.id).sort());
    for (const key of ['a', 'b', 'c', 'd']) {
      const inOrder = entries.filter((one) => one.key === key).map(({ event }) => event.id);
      expect(done.filter((id) => inOrder.includes(id))).toEqual(inOrder);
    }
  });

  it('stores an event once when several store it at once, in any order', async () => {
    const shared = await make();
    const entries = Array.from({ length: 40 }, (_, index) => entry(`e${index}`));
    const inboxes = [entries, [...entries].reverse(), entries.slice(10), [...entries].reverse()].map((some) => ({
      some,
      inbox: shared.open(),
    }));
    const results = await Promise.all(inboxes.map(({ inbox, some }) => storeAndCount(inbox, some)));
    expect(results.reduce((sum, { stored }) => sum + stored, 0)).toBe(40);
    expect(await shared.open().stats(at(0))).toMatchObject({ waiting: 40 });
    expect((await shared.open().list({})).items).toHaveLength(40);
  });

  it('takes the text of an event as it was received, also when it has line breaks', async () => {
    const inbox = (await make()).open();
    const spread = entry('spread');
    const plain = entry('plain');
    const object = { total: 1e300, text: 'line\nbreak \u2028 ü' };
    const events = [spread, plain].map((one, index) => {
      const event = { ...one.event, object };
      return { ...one, event, text: JSON.stringify(event, null, index === 0 ? 2 : 0) };
    });
    await inbox.store([...events, entry('after')]);
    const { items } = await inbox.list({});
    expect(items.map(({ event }) => event)).toEqual([...events.map(({ event }) => event), entry('after').event]);
  });

  it('stores through several while several claim: nothing is overlooked, and each key keeps its order', async () => {
    const shared = await make();
    const inboxes = [shared.open(), shared.open(), shared.open()];
    const rounds = 8;
    const keys = Array.from({ length: 4 }, (_, sender) => [`k${sender}-one`, `k${sender}-two`]);
    const sent = new Map<string, string[]>(keys.flat().map((key) => [key, []]));
    const total = rounds * keys.length * 3;
    // As the provider does: the next package of a webhook when the one before is acknowledged, by whom it may be.
    const sending = keys.map(async ([one = '', two = ''], sender) => {
      for (let round = 0; round < rounds; round += 1) {
        const entries = [one, two, one].map((key, index) => entry(`${key}-${round}-${index}`, key));
        for (const { key, event } of entries) sent.get(key ?? '')?.push(event.id);
        const result = await inboxes[(sender + round) % inboxes.length]?.store(entries);
        expect(result).toEqual({ stored: 3, duplicates: 0 });
      }
    });
    const done = new Map<string, string[]>(keys.flat().map((key) => [key, []]));
    let count = 0;
    const processing = inboxes.slice(1).map(async (inbox) => {
      while (count < total) {
        const { jobs } = await inbox.claim({ limit: 4, now: at(0) });
        // An inbox may answer without waiting for anything, and then nothing else would run.
        await new Promise(setImmediate);
        for (const job of jobs) {
          await inbox.complete(job, async () => {
            done.get(job.key ?? '')?.push(job.event.id);
            count += 1;
            return 'done';
          });
        }
      }
    });
    await Promise.all([...sending, ...processing]);
    expect(done).toEqual(sent);
  });

  it('shares nonces, and forgets them when their time is over', async () => {
    const shared = await make();
    let nowMs = epoch;
    const now = () => nowMs;
    const [one, two] = [shared.open({ now }).nonces, shared.open({ now }).nonces];
    const forgetAfter = epoch / 1000 + 60;
    expect(await one?.remember('key', 'nonce', forgetAfter)).toBe(true);
    expect(await two?.remember('key', 'nonce', forgetAfter)).toBe(false);
    expect(await two?.remember('other key', 'nonce', forgetAfter)).toBe(true);
    const answers = await Promise.all(
      [one, two, one, two].map((nonces) => nonces?.remember('key', 'race', forgetAfter)),
    );
    expect(answers.filter((isNew) => isNew)).toHaveLength(1);
    nowMs += 120_000;
    expect(await one?.remember('key', 'nonce', forgetAfter + 120)).toBe(true);
  });

  it('forgets what was closed longer ago than the retention, batch by batch, and nothing that is open', async () => {
    const shared = await make();
    let nowMs = epoch;
    const inbox = shared.open({ retentionMs: 1_000, now: () => nowMs });
    const entries = Array.from({ length: 700 }, (_, index) => entry(`e${index}`));
    await inbox.store(entries);
    const { jobs } = await inbox.claim({ limit: 699, now: at(0) });
    await Promise.all(jobs.map((job) => inbox.complete(job, async () => 'done')));
    nowMs += 1_000;
    expect(await inbox.sweep?.(at(1_000))).toBe(false);
    expect(await storeAndCount(inbox, entries)).toEqual({ stored: 0, duplicates: 700 });
    expect(await inbox.sweep?.(at(1_001))).toBe(true);
    expect(await inbox.sweep?.(at(1_001))).toBe(false);
    expect(await inbox.list({ limit: 10 })).toMatchObject({ items: [{ state: 'waiting' }] });
    expect(await storeAndCount(inbox, entries)).toEqual({ stored: 699, duplicates: 1 });
  });
}
