import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generateSigningKey } from '@bellhop/signatures';
import { describe, expect, it } from 'vitest';
import { needBuild } from '../../../../test/support/build.ts';
import { createHandler, toFetch, toNode } from '../index.ts';
import { serve } from '../sender.fixture.ts';
import { deliver, example, fakeClock, signedDelivery, testKeys, testService } from './index.ts';

describe('signed deliveries', () => {
  it.each([6, 15] as const)('of version %s are taken by a handler with testKeys', async (version) => {
    const seen: string[] = [];
    const handler = createHandler({ keys: testKeys }).on('ORDER.FILLED', ({ object }) => void seen.push(object.id));
    const order = example('ORDER.FILLED', { set: { id: '11111111-1111-4111-8111-111111111111' } });
    expect(await deliver(handler, [order], { version })).toMatchObject({ status: 200, reason: undefined });
    await handler.drain();
    expect(seen).toEqual(['11111111-1111-4111-8111-111111111111']);
  });

  it('are what Request takes, and go over HTTP too', async () => {
    const handler = createHandler({ keys: testKeys });
    const delivery = await signedDelivery([example('USER.CREATED')], { url: 'https://receiver.test/in?tenant=1' });
    const response = await toFetch(handler)(new Request(delivery.url, delivery));
    expect(response.status).toBe(200);
    await using server = await serve(toNode(handler));
    expect((await deliver(server.url, [example('USER.CREATED')])).status).toBe(200);
    await handler.drain();
  });

  it('say why they were refused', async () => {
    const clock = fakeClock();
    const handler = createHandler({ keys: testKeys, now: clock.now });
    const stranger = await generateSigningKey('stranger', 'ecdsa-p521');
    const events = [example('ORDER.FILLED')];
    expect(await deliver(handler, events, { key: stranger, now: clock.now })).toMatchObject({
      status: 401,
      reason: 'unknown_key',
    });
    expect(await deliver(handler, events, { now: () => clock.now() - 3_600_000 })).toMatchObject({ reason: 'expired' });
    const once = { now: clock.now, nonce: 'once' };
    expect(await deliver(handler, events, once)).toMatchObject({ status: 200 });
    expect(await deliver(handler, events, once)).toMatchObject({ reason: 'replayed' });
    clock.advance(1);
    expect(JSON.parse((await deliver(handler, events, { now: clock.now })).body)).toEqual({ stored: 0, duplicates: 1 });
    expect(() => clock.advance(-1)).toThrow(TypeError);
    expect(() => fakeClock('soon')).toThrow(TypeError);
    await expect(signedDelivery([])).rejects.toThrow(TypeError);
  });
});

describe('the service in memory', () => {
  it('keeps the order, blocks on a failure and comes again with the same events after the waits of the contract', async () => {
    let isDown = true;
    const service = testService();
    const seen: string[] = [];
    const handler = createHandler({ keys: service.keys, now: service.clock.now }).on('ORDER.*', ({ id }) => {
      seen.push(id);
    });
    service.deliverTo({
      receive: async (request) => (isDown ? { status: 503, headers: {}, body: '' } : handler.receive(request)),
    });
    const events = ['ORDER.NEW', 'ORDER.PROCESSING', 'ORDER.FILLED'] as const;
    const published = events.map((type) => example(type, { now: service.clock.now }));
    service.publish(...published);
    expect(await service.deliver()).toMatchObject([{ status: 503, attempt: 1 }]);
    expect(await service.deliver()).toEqual([]);
    expect(service.waiting()).toBe(3);

    await service.settle({
      afterEach: async () => {
        isDown = service.attempts.length < 18;
      },
    });
    expect(service.waiting()).toBe(0);
    const times = service.attempts.map(({ atSeconds }) => atSeconds);
    expect(times.map((at, index) => at - (times[index - 1] ?? 0)).slice(1)).toEqual([
      1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 600, 600, 600, 600, 600,
    ]);
    const ids = published.map(({ id }) => id);
    expect(new Set(service.attempts.map((attempt) => attempt.ids.join()))).toEqual(new Set([ids.join()]));
    await handler.drain();
    expect(seen).toEqual(ids);
    expect(JSON.parse((await service.repeatLast()).body)).toEqual({ stored: 0, duplicates: 3 });
  });

  it('cuts packages at the limit, sends a larger event alone, and sorts a package by created_at', async () => {
    const service = testService({ maxPackageBytes: 3_000 });
    const handler = createHandler({ keys: service.keys, now: service.clock.now });
    service.deliverTo(handler);
    const at = (id: string, created_at: string, note = '') => ({ id, created_at, type: 'A.B', object: { note } });
    service.publish(
      at('late', '2026-01-01T00:00:00.2Z'),
      at('early', '2026-01-01T00:00:00.15Z'),
      at('large', '2026-01-01T00:00:00Z', 'x'.repeat(5_000)),
      at('last', '2026-01-01T00:00:00Z'),
    );
    expect((await service.deliver()).map(({ ids }) => ids)).toEqual([['early', 'late'], ['large'], ['last']]);
    await handler.drain();
  });

  it('gives up loudly in a test whose handler never takes a package', async () => {
    const service = testService({ target: { receive: async () => ({ status: 302, headers: {}, body: '' }) } });
    service.publish(example('ORDER.FILLED'));
    await expect(service.settle({ maxAttempts: 3 })).rejects.toThrow(/refused a package 3 times, last with 302/);
    expect(service.attempts).toHaveLength(3);
    await expect(testService().repeatLast()).rejects.toThrow(TypeError);
  });

  // What the how-to showed had no drain(): its listener never ran.
  it('runs as docs/how-to/frameworks.md shows it, listeners included', async () => {
    needBuild();
    const file = fileURLToPath(new URL('../../../../docs/how-to/test-handler.mjs', import.meta.url));
    expect(await promisify(execFile)(process.execPath, [file])).toEqual({ stdout: '', stderr: '' });
  });
});
