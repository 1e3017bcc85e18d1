// The whole loop over the real wire: the real binary, the real client, the real handler. What goes in comes out, validated,
// and a SIGKILL in the middle of it loses nothing.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@bellhop/client';
import { catalogueExample, categories, eventTypes, example } from '@bellhop/events';
import { objectSchema } from '@bellhop/events/schemas';
import { validateEvent } from '@bellhop/events/validate';
import { createHandler, remoteKeys, toNode } from '@bellhop/handler';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startReceiver } from '../../packages/server/src/delivery/delivery.fixture.ts';
import { type DevFile, freePort, type ServiceProcess, startServiceProcess } from './service-process.ts';

let dataDir: string;
let port: number;
let service: ServiceProcess;
const endings: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'bellhop-loop-'));
  port = await freePort();
  service = await startServiceProcess(dataDir, port);
});

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
  await service.kill();
  await rm(dataDir, { recursive: true, force: true });
});

async function clientOf(dev: DevFile) {
  return createClient({
    baseUrl: dev.base_url,
    clientId: dev.client_id,
    clientSecret: dev.client_secret,
    key: { keyId: dev.key_id, privateKey: await readFile(dev.private_key_file, 'utf8') },
    scopes: dev.scopes,
  });
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endings.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`;
}

describe('the loop', () => {
  it('carries the first-party example of every category, and a fresh event of every type, each valid on arrival', async () => {
    const client = await clientOf(service.dev);
    const arrived = new Map<string, unknown>();
    const handler = createHandler({ keys: remoteKeys(client) });
    handler.fallback(async (event) => {
      arrived.set(event.id, event);
    });
    handler.on('*', async (event) => {
      arrived.set(event.id, event);
    });
    await handler.start();
    endings.push(() => handler.stop());
    const url = await listening(createServer(toNode(handler)));

    const webhook = await client.webhooks.create({ title: 'All of it', url, config: { delay: '1s' } });
    expect(webhook.enabled).toBe(false);
    await client.webhooks.enable(webhook.id);
    expect([200, 202]).toContain((await client.webhooks.test(webhook.id)).status);

    const examples = categories.flatMap(({ name }) => catalogueExample(name) ?? []);
    expect(examples).toHaveLength(36);
    const events = [
      ...examples.map(({ webhook_id: _, ...event }) => event),
      ...eventTypes.map((type) => example(type)),
    ];
    const answer = await service.operator<{ accepted: number; duplicates: number }>('POST', '/operator/events', {
      client_id: service.dev.client_id,
      events,
    });
    expect(answer).toEqual({ accepted: events.length, duplicates: 0 });
    await expect.poll(() => events.filter(({ id }) => arrived.has(id)).length, { timeout: 30_000 }).toBe(events.length);

    for (const event of events) {
      expect(arrived.get(event.id)).toEqual({ ...event, webhook_id: webhook.id });
      expect(validateEvent(arrived.get(event.id))).toEqual({ ok: true });
    }
    expect(events.filter(({ type }) => objectSchema(type.split('.')[0] ?? '')).length).toBeGreaterThan(36);
    const { data } = await service.operator<{ data: { kind: string; ok: boolean }[] }>(
      'GET',
      `/operator/attempts?webhook_id=${webhook.id}`,
    );
    expect(data.filter(({ kind }) => kind === 'test')).toMatchObject([{ ok: true }]);
    expect(await service.stop()).toBe(0);
  });

  it('loses nothing and keeps order and the blocked package over SIGKILLs in the middle of deliveries', async () => {
    const receiver = await startReceiver();
    endings.push(() => receiver.close());
    const client = await clientOf(service.dev);
    const webhook = await client.webhooks.create({
      title: 'Killed',
      url: receiver.url,
      config: { delay: '1s', max_package_size: 2_000 },
    });
    await client.webhooks.enable(webhook.id);

    const published: string[] = [];
    let sequence = 0;
    const publish = async (count: number) => {
      const events = Array.from({ length: count }, () => ({
        ...example('ORDER.FILLED'),
        // Ordered by creation as they are by arrival, so that packages keep the order of the log.
        created_at: new Date(Date.UTC(2026, 0, 1) + ++sequence).toISOString(),
      }));
      await service.operator('POST', '/operator/events', { client_id: service.dev.client_id, events });
      published.push(...events.map(({ id }) => id));
    };

    for (let round = 0; round < 4; round += 1) {
      await publish(20);
      const before = receiver.packages.length;
      await receiver.until(() => receiver.packages.length > before + 1);
      await publish(20);
      await service.kill();
      service = await startServiceProcess(dataDir, port);
    }
    await receiver.until(() => receiver.delivered().length === published.length, 60_000);
    expect(receiver.delivered()).toEqual(published);

    // Blocked: the same bytes before and after a kill.
    receiver.answer = () => 500;
    const blockedFrom = receiver.packages.length;
    await publish(30);
    await receiver.until(() => receiver.packages.length > blockedFrom);
    await expect
      .poll(() =>
        service
          .operator<{ blocked_since: string | null }>('GET', `/operator/webhooks/${webhook.id}`)
          .then((row) => row.blocked_since),
      )
      .toBeTruthy();
    await service.kill();
    service = await startServiceProcess(dataDir, port);
    const afterKill = receiver.packages.length;
    await receiver.until(() => receiver.packages.length > afterKill);
    receiver.answer = () => 200;
    await receiver.until(() => receiver.delivered().length === published.length, 60_000);
    expect(receiver.delivered()).toEqual(published);
    const blocked = new Set(
      receiver.packages.slice(blockedFrom).flatMap(({ status, body }) => (status === 500 ? [body] : [])),
    );
    expect(blocked.size).toBe(1);
    expect(receiver.packages.slice(blockedFrom).some(({ status, body }) => status === 200 && blocked.has(body))).toBe(
      true,
    );
  }, 180_000);
});
