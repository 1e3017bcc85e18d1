// The named orders: which events share a key, and that it is the order in which they run.
import { eventTypes, example } from '@bellhop/events';
import { describe, expect, it } from 'vitest';
import { createHandler, memoryInbox } from './index.ts';
import { keyBy } from './order.ts';
import { createSender, eventOf } from './sender.fixture.ts';

const sender = await createSender();

function of(type: string, object: Record<string, unknown>) {
  return { ...eventOf('USER.CREATED'), type, object };
}

describe('order by object', () => {
  it.each(eventTypes)('%s: the key is what the example is made about', (type) => {
    // Instruments are named by an ISIN, everything else by a UUID.
    const objectId = type.startsWith('INSTRUMENT.') ? 'DE0007664005' : '120c5382-d400-4a8e-95fc-d297903f3568';
    const event = { ...example(type, { objectId }), webhook_id: 'w' };
    expect(keyBy('object')(event)).toBe(objectId);
  });

  it('joins a cancellation that was rejected with its order, and a failed change of data with its user', () => {
    const byObject = keyBy('object');
    expect(byObject(of('ORDER_CANCELLATION.REJECTED', { order_id: 'o1' }))).toBe(
      byObject(of('ORDER.NEW', { id: 'o1' })),
    );
    expect(byObject(of('USER.DATA_CHANGE_FAILED', { user_id: 'u1' }))).toBe(byObject(of('USER.CREATED', { id: 'u1' })));
  });

  it('takes object.id of types that nobody has heard of, and has no order for what names nothing', () => {
    const byObject = keyBy('object');
    expect(byObject(of('VOUCHER.ISSUED', { id: 'v1' }))).toBe('v1');
    expect(byObject(of('POSITION.SPLIT', { account_id: 'a1', id: 'p1' }))).toBe('a1');
    expect(byObject(of('constructor.NEW', { id: 'c1' }))).toBe('c1');
    for (const id of [undefined, '', 7, null]) expect(byObject(of('VOUCHER.ISSUED', { id }))).toBeNull();
  });
});

describe('order by user', () => {
  it('is that of object.user_id, or of the user itself', () => {
    const byUser = keyBy('user');
    expect(byUser(of('ORDER.NEW', { id: 'o1', user_id: 'u1' }))).toBe('u1');
    expect(byUser(of('USER.CREATED', { id: 'u1' }))).toBe('u1');
    expect(byUser(of('USER.DATA_CHANGE_FAILED', { user_id: 'u1' }))).toBe('u1');
    expect(byUser(of('USER_CHECK.PASSED', { id: 'c1', user_id: 'u1' }))).toBe('u1');
  });

  it('is that of the object where no single user is named', () => {
    const byUser = keyBy('user');
    expect(byUser(of('EXECUTION.FILLED', { id: 'e1', order_id: 'o1' }))).toBe('e1');
    expect(byUser(of('ACCOUNT.CREATED', { id: 'a1', users: [{ id: 'u1', type: 'OWNER' }] }))).toBe('a1');
    expect(byUser(of('POSITION.UPDATED', { account_id: 'a1' }))).toBe('a1');
  });
});

describe('the order of a handler', () => {
  async function keysOf(options: Omit<Parameters<typeof createHandler>[0], 'inbox'>, events: readonly object[]) {
    const handler = createHandler({ keys: sender.keys, ...options }).on(
      'USER.CREATED',
      { order: 'none' },
      () => undefined,
    );
    const { headers, body } = await sender.prepare('/hook', events);
    expect((await handler.receive({ method: 'POST', url: '/hook', headers, body })).status).toBe(200);
    return (await handler.inbox.list()).items.map(({ key }) => key);
  }

  it('is by object unless it says otherwise, and a listener may say otherwise', async () => {
    const [order, user] = [eventOf('ORDER.NEW'), eventOf('USER.CREATED')];
    expect(await keysOf({}, [order, user])).toEqual([order.object['id'], null]);
    expect(await keysOf({ order: 'webhook' }, [order, user])).toEqual([order.webhook_id, null]);
    expect(await keysOf({ order: 'user' }, [order, user])).toEqual([order.object['user_id'], null]);
    expect(await keysOf({ order: 'none' }, [order, user])).toEqual([null, null]);
    expect(await keysOf({ order: ({ type }) => type }, [order, user])).toEqual(['ORDER.NEW', null]);
  });

  it('that throws stores nothing and is told of, and the sender comes again', async () => {
    const rejected: unknown[] = [];
    const handler = createHandler({
      keys: sender.keys,
      order: () => {
        throw new Error('of the order');
      },
      hooks: { onRejected: ({ reason, cause }) => rejected.push([reason, cause]) },
    });
    const { headers, body } = await sender.prepare('/hook', [eventOf('USER.CREATED'), eventOf('ORDER.NEW')]);
    expect((await handler.receive({ method: 'POST', url: '/hook', headers, body })).status).toBe(500);
    expect(rejected).toEqual([['internal_error', new Error('of the order')]]);
    expect(await handler.inbox.list()).toEqual({ items: [] });
  });

  it('that gives no string and no null is refused by its name, whatever the inbox', async () => {
    const rejected: unknown[] = [];
    const order: () => string = JSON.parse.bind(undefined, '5');
    const handler = createHandler({
      keys: sender.keys,
      order,
      hooks: { onRejected: ({ cause }) => rejected.push(String(cause)) },
    });
    const { headers, body } = await sender.prepare('/hook', [eventOf('ORDER.NEW')]);
    expect((await handler.receive({ method: 'POST', url: '/hook', headers, body })).status).toBe(500);
    expect(rejected).toEqual(['TypeError: The order function must give a string or null, not 5']);
  });

  it('is warned about once where listeners would want another one than who received', async () => {
    const inbox = memoryInbox();
    const receiver = createHandler({ keys: sender.keys, inbox });
    const events = [eventOf('ORDER.NEW'), eventOf('ORDER.FILLED')];
    const { headers, body } = await sender.prepare('/hook', events);
    expect((await receiver.receive({ method: 'POST', url: '/hook', headers, body })).status).toBe(200);
    const warnings: unknown[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const worker = createHandler({ keys: sender.keys, inbox }).on('*', { order: ({ type }) => type }, () => undefined);
    await worker.drain();
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(warnings).toMatchObject([
      { code: 'BELLHOP_ORDER_DIFFERS', message: expect.stringContaining('would get the key ORDER.') },
    ]);
  });

  it('of a name that there is not is refused at once', () => {
    const asked: { order?: 'object' } = JSON.parse('{"order":"toString"}');
    expect(() => createHandler({ keys: sender.keys, ...asked })).toThrow(/order is 'object', 'webhook'.*"toString"/);
    const handler = createHandler({ keys: sender.keys });
    expect(() => handler.on('ORDER.NEW', asked, () => undefined)).toThrow(TypeError);
    expect(handler.types()).toEqual([]);
  });
});
