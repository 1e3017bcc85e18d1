// Rules of the contract that no other test shows over the wire: what a subscription selects, what closes a package, what
// the test trigger sends and leaves alone.

import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createPeer, type PeerClient, type PeerReceiver, startPeerReceiver } from './peer.ts';
import { startWireService, type WireService } from './service.ts';

let service: WireService;
let receiver: PeerReceiver;
let peer: PeerClient;
let clientId: string;

beforeAll(async () => {
  [service, receiver] = await Promise.all([startWireService(), startPeerReceiver()]);
  const credentials = await service.tenant();
  clientId = credentials.clientId;
  peer = createPeer(service.url, credentials);
  await peer.authorize('webhooks:admin');
});
const made: string[] = [];
afterEach(async () => {
  receiver.answer = () => 200;
  for (const id of made.splice(0)) expect((await peer.call('DELETE', `/webhooks/${id}`)).status).toBe(204);
});
afterAll(async () => {
  await receiver.close();
  await service.close();
});

async function create(fields: Record<string, unknown> = {}, enabled = true): Promise<string> {
  const answer = await peer.call('POST', '/webhooks', {
    title: 'A',
    url: receiver.url,
    config: { delay: '1s' },
    ...fields,
  });
  expect(answer.status, answer.text).toBe(201);
  const id = String(Object(answer.json).id);
  made.push(id);
  if (enabled) expect((await peer.call('PATCH', `/webhooks/${id}`, { enabled: true })).status).toBe(200);
  return id;
}

function event(type: string) {
  return { id: randomUUID(), created_at: new Date().toISOString(), type, object: {} };
}

interface Arrived {
  readonly id: string;
  readonly type: string;
  readonly webhook_id: string;
}

/** The packages that arrived for a webhook, as the events of each. */
function packagesOf(webhookId: string): Arrived[][] {
  const all = receiver.deliveries.map(({ body }): Arrived[] => JSON.parse(body.toString('utf8')).payload);
  return all.filter((events) => events[0]?.webhook_id === webhookId);
}

function arrived(webhookId: string): Arrived[] {
  return packagesOf(webhookId).flat();
}

describe('a subscription', () => {
  it('selects by category, ALL selects everything but exclude_type, which a list ignores, and copies share an id', async () => {
    const types = {
      all: await create({ type: ['ALL'] }),
      byDefault: await create({}),
      mixed: await create({ type: ['ORDER', 'ALL'] }),
      list: await create({ type: ['USER', 'ORDER'] }),
      prefix: await create({ type: ['USER_CHECK'] }),
      without: await create({ type: ['ALL'], exclude_type: ['ORDER', 'USER_CHECK'] }),
      ignored: await create({ type: ['ORDER'], exclude_type: ['ORDER'] }),
    };
    const published = ['USER.CREATED', 'USER_CHECK.STATUS_UPDATED', 'ORDER.FILLED', 'BRAND_NEW.THING'].map(event);
    await service.publish(clientId, published);
    const idsOf = (...wanted: string[]) =>
      published.filter(({ type }) => wanted.includes(type.split('.')[0] ?? '')).map(({ id }) => id);
    const everything = published.map(({ id }) => id);
    const expected: Record<keyof typeof types, string[]> = {
      all: everything,
      byDefault: everything,
      mixed: everything,
      list: idsOf('USER', 'ORDER'),
      prefix: idsOf('USER_CHECK'),
      without: idsOf('USER', 'BRAND_NEW'),
      ignored: idsOf('ORDER'),
    };
    const seen = () =>
      Object.fromEntries(Object.entries(types).map(([name, id]) => [name, arrived(id).map((each) => each.id)]));
    await expect.poll(seen, { timeout: 20_000 }).toEqual(expected);
    // One more for each, so that whatever was on its way would have come before it.
    const last = ['USER.UPDATED', 'USER_CHECK.STATUS_UPDATED', 'ORDER.NEW'].map(event);
    await service.publish(clientId, last);
    const both = (name: keyof typeof types) => arrived(types[name]).length;
    await expect
      .poll(() => [both('all'), both('list'), both('prefix'), both('without'), both('ignored')], { timeout: 20_000 })
      .toEqual([7, 4, 2, 3, 2]);
  });
});

describe('a package', () => {
  it('collects what is published within the delay of its first event', async () => {
    const id = await create({ config: { delay: '4s' } });
    const events = Array.from({ length: 5 }, () => event('USER.CREATED'));
    for (const each of events) await service.publish(clientId, [each]);
    await expect
      .poll(() => packagesOf(id).map((each) => each.map((one) => one.id)), { timeout: 20_000 })
      .toEqual([events.map((each) => each.id)]);
  });

  it('closes before the delay when the next event would not fit', async () => {
    const id = await create({ config: { delay: '30s', max_package_size: 400 } });
    const events = Array.from({ length: 6 }, () => event('USER.CREATED'));
    await service.publish(clientId, events);
    // All but the last package are full and do not wait.
    await expect.poll(() => arrived(id).length, { timeout: 20_000 }).toBeGreaterThan(3);
    const sent = arrived(id).map((each) => each.id);
    expect(sent).toEqual(events.slice(0, sent.length).map((each) => each.id));
  });
});

describe('the test trigger', () => {
  it.each([
    [['ALL'], 'USER'],
    [['ORDER', 'USER'], 'ORDER'],
    [['PORTFOLIO'], 'USER'],
  ])('for %j sends one event of %s, with a new id each time, also while disabled', async (type, category) => {
    const id = await create({ type }, false);
    for (let count = 1; count <= 2; count++) {
      expect(await peer.call('POST', `/webhooks/${id}/test`)).toMatchObject({ status: 202, text: '' });
      await expect.poll(() => packagesOf(id).length, { timeout: 20_000 }).toBe(count);
    }
    const events = arrived(id);
    expect(events.map((each) => [each.type.split('.')[0], each.webhook_id])).toEqual([
      [category, id],
      [category, id],
    ]);
    expect(new Set(events.map((each) => each.id)).size).toBe(2);
  });

  it('is not tried again when it fails, and neither blocks nor unblocks the webhook', async () => {
    const id = await create();
    receiver.answer = () => 500;
    await peer.call('POST', `/webhooks/${id}/test`);
    await expect.poll(() => packagesOf(id).length, { timeout: 20_000 }).toBe(1);
    const state = async () => Object(await service.operator('GET', `/operator/webhooks/${id}`));
    const tests = async () =>
      Object(await service.operator('GET', `/operator/attempts?webhook_id=${id}&kind=test`)).data;
    await expect.poll(tests, { timeout: 20_000 }).toMatchObject([{ ok: false, kind: 'test' }]);
    expect((await state()).blocked_since).toBeNull();

    await service.publish(clientId, [event('USER.CREATED')]);
    await expect.poll(async () => (await state()).blocked_since, { timeout: 20_000 }).not.toBeNull();
    // The test succeeds, the delivery goes on failing.
    const [testId] = arrived(id);
    receiver.answer = (index) =>
      JSON.parse(receiver.deliveries[index]?.body.toString() ?? '{}').payload[0].object.id ? 200 : 500;
    await peer.call('POST', `/webhooks/${id}/test`);
    await expect
      .poll(async () => (await tests()).map(({ ok }: { ok: boolean }) => ok).sort(), { timeout: 20_000 })
      .toEqual([false, true]);
    expect((await state()).blocked_since).not.toBeNull();
    receiver.answer = () => 200;
    await expect.poll(async () => (await state()).blocked_since, { timeout: 30_000 }).toBeNull();
    expect(arrived(id).filter((each) => each.id === testId?.id)).toHaveLength(1);
  });
});
