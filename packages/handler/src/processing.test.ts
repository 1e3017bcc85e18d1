import type { WebhookEvent } from '@bellhop/events';
import { describe, expect, it } from 'vitest';
import type { Handler, HandlerOptions, Hooks, Inbox } from './index.ts';
import { createHandler, memoryInbox, RetryLaterError } from './index.ts';
import { createSender, eventOf } from './sender.fixture.ts';

const sender = await createSender();

type Options = Partial<HandlerOptions> & { inbox?: Inbox<undefined> };

function handlerWith(options: Options = {}): Handler<undefined> {
  return createHandler({ keys: sender.keys, inbox: memoryInbox(), ...options });
}

async function deliver(handler: Handler<undefined>, ...events: WebhookEvent[]): Promise<void> {
  const { headers, body } = await sender.prepare('/hook', events);
  expect(await handler.receive({ method: 'POST', url: '/hook', headers, body })).toMatchObject({ status: 200 });
}

/** A promise to be settled by the test. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe('which listener runs', () => {
  it('is the one of the type, else of the category, else *, else the fallback, and only that one', async () => {
    const ran: string[] = [];
    const handler = handlerWith()
      .on('*', () => void ran.push('*'))
      .on('ORDER.*', () => void ran.push('ORDER.*'))
      .on('ORDER.FILLED', () => void ran.push('ORDER.FILLED'))
      .fallback((event, { why }) => void ran.push(`fallback ${event.type} ${why}`));
    await deliver(
      handler,
      { ...eventOf('ORDER.FILLED'), object: {} },
      { ...eventOf('ORDER.NEW'), object: {} },
      { ...eventOf('ORDER.NEW'), type: 'ORDER.NEWER_THAN_THE_CATALOGUE', object: {} },
      { ...eventOf('USER.CREATED'), object: {} },
      { ...eventOf('USER.CREATED'), type: 'VOUCHER.ISSUED', object: {} },
    );
    await handler.drain();
    expect(ran.sort()).toEqual(['*', 'ORDER.*', 'ORDER.*', 'ORDER.FILLED', 'fallback VOUCHER.ISSUED unheard']);
    expect(handler.types()).toEqual(['*', 'ORDER.*', 'ORDER.FILLED']);
  });

  it('is none for an event nobody asked for: it is ignored, known and told of, never an error', async () => {
    const processed: string[] = [];
    const hooks: Hooks = { onProcessed: ({ type, outcome }) => processed.push(`${type} ${outcome}`) };
    const handler = handlerWith({ hooks }).on('ORDER.FILLED', () => undefined);
    await deliver(handler, eventOf('USER.CREATED'), eventOf('ORDER.FILLED'));
    await handler.drain();
    expect(processed.sort()).toEqual(['ORDER.FILLED done', 'USER.CREATED ignored']);
    expect(await handler.inbox.stats()).toMatchObject({ waiting: 0, running: 0, retrying: 0 });
  });

  it('is decided at registration: a second one for a pattern, a malformed pattern or a late one throws', async () => {
    const handler = handlerWith().on(['ORDER.NEW', 'ORDER.FILLED'], () => undefined);
    const nothing = () => undefined;
    expect(() => handler.on('ORDER.FILLED', nothing)).toThrow(/already/);
    expect(() => handler.on(['USER.CREATED', 'USER.CREATED'], nothing)).toThrow(/already/);
    expect(() => handler.on([], nothing)).toThrow(TypeError);
    // @ts-expect-error not a pattern, for callers without types
    expect(() => handler.on('ORDER.F*', nothing)).toThrow(TypeError);
    // @ts-expect-error not a pattern, for callers without types
    expect(() => handler.on('ORDER', nothing)).toThrow(TypeError);
    expect(handler.types()).toEqual(['ORDER.NEW', 'ORDER.FILLED']);
    expect(() => handler.fallback(nothing).fallback(nothing)).toThrow(TypeError);
    await handler.start();
    expect(() => handler.on('USER.CREATED', nothing)).toThrow(/before start/);
    await handler.stop();
  });
});

describe('order and concurrency', () => {
  it('keep the order of a key while other keys overtake', async () => {
    const ran: string[] = [];
    const first = gate();
    const handler = handlerWith().on('*', async (event) => {
      if (event.object['step'] === 'a1') await first.opened;
      ran.push(String(event.object['step']));
      if (event.object['step'] === 'b2') first.open();
    });
    const step = (key: string, name: string) => ({ ...eventOf('ORDER.NEW'), object: { id: key, step: name } });
    await deliver(handler, step('a', 'a1'), step('a', 'a2'), step('b', 'b1'), step('b', 'b2'));
    await handler.drain();
    expect(ran).toEqual(['b1', 'b2', 'a1', 'a2']);
  });

  it('run at most as many listeners at a time as allowed', async () => {
    let running = 0;
    let most = 0;
    const handler = handlerWith({ concurrency: 3 }).on('*', async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
    });
    await deliver(handler, ...Array.from({ length: 20 }, () => eventOf('USER.CREATED')));
    await handler.drain();
    expect(most).toBe(3);
  });

  it('follow the order of the listener, which may be none', async () => {
    const both = gate();
    let running = 0;
    const together = async () => {
      running += 1;
      if (running === 2) both.open();
      await both.opened;
    };
    const handler = handlerWith().on('ORDER.NEW', { order: 'none' }, together);
    const object = { id: 'the same' };
    await deliver(handler, { ...eventOf('ORDER.NEW'), object }, { ...eventOf('ORDER.NEW'), object });
    await handler.drain();
    expect(running).toBe(2);

    const keys: (string | null)[] = [];
    const byUser = handlerWith({ order: () => 'all', hooks: { onProcessed: ({ key }) => keys.push(key) } })
      .on('ORDER.NEW', { order: ({ object }) => `user ${object.user_id}` }, () => undefined)
      .on('USER.CREATED', () => undefined);
    const order = eventOf('ORDER.NEW');
    await deliver(byUser, order, eventOf('USER.CREATED'));
    await byUser.drain();
    expect(keys.sort()).toEqual(['all', `user ${order.object['user_id']}`]);
  });
});

describe('a failing listener', () => {
  it('is run again with a growing wait and blocks only its key', async () => {
    let nowMs = Date.UTC(2026, 0, 1);
    const ran: string[] = [];
    const waits: number[] = [];
    const hooks: Hooks = { onFailed: ({ retryAt }) => waits.push(retryAt.getTime() - nowMs) };
    let isBroken = true;
    const handler = createHandler({ keys: sender.keys, hooks, now: () => nowMs });
    handler.on('*', (event, { attempt }) => {
      if (isBroken && event.object['id'] === 'bad') throw new Error('broken');
      ran.push(`${event.object['id']} ${event.object['n']} attempt ${attempt}`);
    });
    const step = (id: string, n: number) => ({ ...eventOf('ORDER.NEW'), object: { id, n } });
    const created = Math.floor(nowMs / 1000);
    const events = [step('bad', 1), step('bad', 2), step('good', 1), step('good', 2)];
    const { headers, body } = await sender.prepare('/hook', events, { created });
    await handler.receive({ method: 'POST', url: '/hook', headers, body });

    for (let round = 0; round < 12; round += 1) {
      await handler.drain();
      nowMs += waits.at(-1) ?? 0;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map((seconds) => seconds * 1_000));
    expect(ran).toEqual(['good 1 attempt 1', 'good 2 attempt 1']);
    expect(await handler.inbox.stats()).toMatchObject({ waiting: 1, retrying: 1 });
    isBroken = false;
    await handler.drain();
    expect(ran.slice(2)).toEqual(['bad 1 attempt 13', 'bad 2 attempt 1']);
  });

  it('may say when it wants to be run again, and is, without anybody asking', async () => {
    const attempts: number[] = [];
    const delays: number[] = [];
    const hooks: Hooks = {
      onFailed: ({ error }) => delays.push(error instanceof RetryLaterError ? error.delayMs : -1),
    };
    const done = gate();
    const handler = handlerWith({ hooks }).on('*', (_event, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new RetryLaterError(1);
      done.open();
    });
    await handler.start();
    await deliver(handler, eventOf('ORDER.NEW'));
    await done.opened;
    await handler.stop();
    expect([attempts, delays]).toEqual([
      [1, 2, 3],
      [1, 1],
    ]);
  });

  it('is warned about when nobody listens to failures', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const handler = handlerWith().on('*', () => Promise.reject(new Error('of the listener')));
    await deliver(handler, eventOf('ORDER.NEW'));
    await handler.drain();
    expect(await warned).toMatchObject({
      code: 'BELLHOP_LISTENER_FAILED',
      message: expect.stringContaining('of the listener'),
    });
  });

  it('gets the event as it was stored at each attempt, whatever it did to it', async () => {
    const seen: unknown[] = [];
    const handler = handlerWith({ retry: { firstDelayMs: 0 }, hooks: { onFailed: () => undefined } });
    handler.on('*', (event, { attempt, idempotencyKey, replay }) => {
      seen.push([event.object['id'], idempotencyKey === event.id, replay]);
      event.object['id'] = 'changed';
      if (attempt === 1) throw new Error('once');
    });
    const event = eventOf('ORDER.NEW');
    await deliver(handler, event);
    await handler.drain();
    expect(seen).toEqual(Array(2).fill([event.object['id'], true, false]));
  });
});

describe('starting and stopping', () => {
  it('processes in the background after start', async () => {
    const seen = gate();
    await using handler = handlerWith().on('*', seen.open);
    await handler.start();
    await handler.start();
    await deliver(handler, eventOf('ORDER.NEW'));
    await seen.opened;
  });

  it('processes what was stored before start', async () => {
    const seen = gate();
    await using handler = handlerWith().on('*', seen.open);
    await deliver(handler, eventOf('ORDER.NEW'));
    await handler.start();
    await seen.opened;
  });

  it('empties an inbox in memory at stop, because it would be lost', async () => {
    const ran: string[] = [];
    const handler = handlerWith({ concurrency: 1 }).on('*', async (event) => {
      await new Promise(setImmediate);
      ran.push(event.id);
    });
    await handler.start();
    const events = [eventOf('ORDER.NEW'), eventOf('ORDER.NEW'), eventOf('ORDER.NEW')];
    await deliver(handler, ...events);
    await Promise.all([handler.stop(), handler.stop()]);
    expect(ran).toEqual(events.map((event) => event.id));
  });

  it('leaves what waits in a durable inbox for the next start, and ends only what runs', async () => {
    const running = gate();
    const proceed = gate();
    const ran: string[] = [];
    const inbox: Inbox<undefined> = { ...memoryInbox(), durable: true };
    const handler = handlerWith({ concurrency: 1, inbox }).on('*', async (event) => {
      running.open();
      await proceed.opened;
      ran.push(event.id);
    });
    const events = [eventOf('ORDER.NEW'), eventOf('ORDER.NEW')];
    await deliver(handler, ...events);
    await handler.start();
    await running.opened;
    const stopped = handler.stop();
    proceed.open();
    await stopped;
    expect(ran).toEqual([events[0]?.id]);
    expect(await handler.inbox.stats()).toMatchObject({ waiting: 1, running: 0 });
    await handler.start();
    await handler.drain();
    expect(ran).toEqual(events.map((event) => event.id));
    await handler.stop();
  });

  it('aborts a listener that does not end in time, and gives its event back uncounted', async () => {
    const running = gate();
    const attempts: number[] = [];
    const handler = handlerWith().on('*', async (_event, { attempt, signal }) => {
      attempts.push(attempt);
      running.open();
      if (attempts.length === 1) {
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }
    });
    await handler.start();
    await deliver(handler, eventOf('ORDER.NEW'));
    await running.opened;
    await handler.stop({ drainMs: 1 });
    expect(await handler.inbox.stats()).toMatchObject({ waiting: 1, running: 0, retrying: 0 });
    await handler.start();
    await handler.drain();
    expect(attempts).toEqual([1, 1]);
    await handler.stop();
  });

  it('says once that events are stored and nobody processes them', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const handler = handlerWith();
    await deliver(handler, eventOf('ORDER.NEW'));
    await deliver(handler, eventOf('ORDER.NEW'));
    expect(await warned).toMatchObject({ code: 'BELLHOP_HANDLER_NOT_STARTED' });
  });

  it('goes on after the inbox failed, and tells of it; a drain rejects', async () => {
    const inbox = memoryInbox();
    let failures = 2;
    const broken: Inbox<undefined> = {
      ...inbox,
      claim: async (options) => {
        failures -= 1;
        if (failures >= 0) throw new Error('away');
        return inbox.claim(options);
      },
    };
    const told: string[] = [];
    const hooks: Hooks = { onInboxError: ({ operation }) => told.push(operation) };
    const seen = gate();
    await using handler = handlerWith({ inbox: broken, hooks }).on('*', seen.open);
    await deliver(handler, eventOf('ORDER.NEW'));
    await expect(handler.drain()).rejects.toThrow('away');
    await handler.start();
    await seen.opened;
    expect(told).toEqual(['claim', 'claim']);
  });

  it('is not disturbed by a hook that throws', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const hooks: Hooks = {
      onProcessed: () => {
        throw new Error('of the hook');
      },
    };
    const handler = handlerWith({ hooks });
    await deliver(handler, eventOf('ORDER.NEW'));
    await handler.drain();
    expect(await warned).toMatchObject({ code: 'BELLHOP_HOOK_THREW' });
    expect(await handler.inbox.stats()).toMatchObject({ waiting: 0, retrying: 0 });
  });

  it('takes no senseless options', () => {
    expect(() => handlerWith({ concurrency: 0 })).toThrow(TypeError);
    expect(() => handlerWith({ maxBodyBytes: -1 })).toThrow(TypeError);
    expect(() => handlerWith({ retry: { firstDelayMs: -1 } })).toThrow(TypeError);
    // @ts-expect-error for callers without types
    expect(() => createHandler({ keys: undefined })).toThrow(TypeError);
    expect(() => new RetryLaterError(-1)).toThrow(TypeError);
  });
});

describe('a backlog whose listeners wait for nothing', () => {
  it('leaves turns of the event loop to what else there is, such as deliveries', async () => {
    let done = 0;
    const handler = handlerWith().on('*', () => {
      done += 1;
    });
    await deliver(handler, ...Array.from({ length: 500 }, () => eventOf('ORDER.NEW')));
    const drained = handler.drain();
    await new Promise(setImmediate);
    expect(done).toBeLessThan(500);
    await drained;
    expect(done).toBe(500);
  });
});
