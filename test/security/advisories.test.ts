// What went wrong elsewhere from 2023 to 2026 (advisories about webhooks, address checks, signatures and HTTP in Node), each
// as a test of the part of Bellhop that would have had it. Framing of requests is in packages/server/src/listen.test.ts,
// rebinding through the whole service in targets.test.ts, redirects in packages/server/src/delivery/sender.test.ts.

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { standardWebhooks } from '@bellhop/handler/senders';
import { memoryNonces } from '@bellhop/signatures';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTcp, testSender } from '../../packages/server/src/delivery/sender.fixture.ts';
import { startDnsServer } from '../../packages/server/src/targets/dns-server.fixture.ts';
import { createTargetPolicy } from '../../packages/server/src/targets/target-policy.ts';
import { createPeer } from '../conformance/peer.ts';
import { at, startWorld, type World } from './world.ts';

const policy = createTargetPolicy({ insecure: 'none' });
const isRefused = (address: string): boolean => !policy.checkAddress(address);

describe('address checks', () => {
  it.each([
    ['CVE-2026-105689 (Penpot): NAT64, 6to4, Teredo', ['64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::', '2001:0:a9fe:a9fe::']],
    [
      'CVE-2026-55473 (HomeBox): both NAT64 prefixes',
      ['64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '64:ff9b:1:a9fe:a9:fe00::'],
    ],
    ['CVE-2026-69257 (Flowise): IPv4-mapped', ['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:7f00:1']],
    ['CVE-2026-54272 (ip-address): mapped counted as global', ['::ffff:10.0.0.1', '::ffff:c0a8:101', '::ffff:6440:1']],
    ['CVE-2026-44232 (dssrf): other forms of loopback', ['::', '::1', '0.0.0.0', '127.255.255.254', '::127.0.0.1']],
    ['zone ids', ['fe80::1%eth0', '::1%1', '2606:4700::1111%lo']],
  ])('%s', (_, addresses) => {
    expect(addresses.filter((address) => !isRefused(address))).toEqual([]);
  });

  it('plunk #449: names and addresses are judged whole, not by the beginning of their text', () => {
    const judged = [
      '172.15.0.1',
      '172.32.0.1',
      '192.169.0.1',
      '11.0.0.1',
      '100.63.0.1',
      '172.16.0.1',
      '172.31.255.255',
    ];
    expect(judged.map(isRefused)).toEqual([false, false, false, false, false, true, true]);
    const urls = ['https://10.example.com/', 'https://localhost.example.com/', 'https://127.0.0.1.example.com/'];
    expect(urls.map((url) => policy.checkUrl(url).ok)).toEqual([true, true, true]);
  });

  it('press #7459: decimal addresses are no names', () => {
    for (const url of ['https://2852039166/', 'https://0xA9FEA9FE/', 'https://0251.0376.0251.0376/']) {
      expect(policy.checkUrl(url)).toMatchObject({ ok: false, reason: 'ip_address' });
    }
  });

  it('CVE-2026-77866, -77972 (safeurl): what was checked is what is connected to, whatever DNS says next', async () => {
    // 127.0.0.1 stands for an address outside and 127.0.0.2, which this policy refuses, for one inside.
    await using outside = await startTcp((socket) => socket.destroy(), 'https');
    let connectionsInside = 0;
    await using inside = createServer((socket) => {
      connectionsInside += 1;
      socket.destroy();
    }).listen(outside.port, '127.0.0.2');
    await once(inside, 'listening');
    const zone = { A: ['127.0.0.1'], ttlSeconds: 0, next: { A: ['127.0.0.2'], ttlSeconds: 0 } };
    await using dns = await startDnsServer({ 'a.test': zone });
    const narrowed = { egress: { deny: ['127.0.0.2'] }, dnsServers: [dns.address] };
    await using sender = testSender({ policy: createTargetPolicy({ insecure: 'loopback', ...narrowed }) });
    const outcome = await sender.post({ url: `https://a.test:${outside.port}/`, body: Buffer.from('{}') });
    expect([outside.connections, connectionsInside]).toEqual([1, 0]);
    expect(outcome).toMatchObject({ ok: false, reason: 'connection_reset' });
    expect(dns.zones.get('a.test')).toBe(zone.next);
  });
});

describe('what a tenant learns', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.close());

  it('press #7459, usebrink: neither answers of endpoints nor outcomes of tests, over the API that it calls', async () => {
    // A tenant link, which an operator makes, shows a tenant its own endpoints' answers: what exactly is in view.test.ts.
    const peer = createPeer(world.url, await world.tenant());
    await peer.authorize('webhooks:read webhooks:admin');
    const made = await peer.call('POST', '/webhooks', { title: 'A', url: 'https://nowhere.invalid/' });
    const id = String(at(made.json, 'id'));
    const tested = await peer.call('POST', `/webhooks/${id}/test`);
    expect([tested.status, tested.text]).toEqual([202, '']);
    const wasTried = async (): Promise<void> => {
      const { json } = await world.operator('GET', `/operator/attempts?webhook_id=${id}`);
      expect(at(json, 'data', 0, 'ok')).toBe(false);
    };
    await vi.waitFor(wasTried, { timeout: 30_000 });
    const shown = await peer.call('GET', `/webhooks/${id}`);
    expect(Object.keys(Object(shown.json)).sort()).toEqual(Object.keys(Object(made.json)).sort());
    const { paths } = Object((await peer.call('GET', '/openapi.json')).json);
    const ofTenants = Object.keys(Object(paths)).filter((path) => !path.startsWith('/operator'));
    expect(ofTenants.filter((path) => path.startsWith('/webhooks')).sort()).toEqual([
      '/webhooks',
      '/webhooks/{webhook_id}',
      '/webhooks/{webhook_id}/test',
    ]);
    expect(ofTenants.filter((path) => /attempt|response|deliver/.test(path))).toEqual([]);
  });
});

describe('signatures', () => {
  const secret = Buffer.alloc(32, 7);
  const sender = standardWebhooks({ name: 'OTHER', keys: [`whsec_${secret.toString('base64')}`] });
  const body = Buffer.from('{"type":"a"}');
  const timestamp = '1777636800';
  const full = createHmac('sha256', secret).update(`id.${timestamp}.`).update(body).digest('base64');
  const judge = (by: typeof sender, signature: string) => {
    const headers = { 'webhook-id': 'id', 'webhook-timestamp': timestamp, 'webhook-signature': signature };
    return by.verify(
      { method: 'POST', path: '/', url: '/', headers: new Map(Object.entries(headers)), body },
      { now: () => Number(timestamp) * 1_000, nonces: memoryNonces() },
    );
  };
  const verify = (signature: string) => judge(sender, signature);

  it('CVE-2024-21491 (svix): no beginning of a signature passes for it', async () => {
    expect(await verify(`v1,${full}`)).toMatchObject({ ok: true });
    for (let length = 0; length < full.length - 4; length += 1) {
      expect(await verify(`v1,${full.slice(0, length)}`), String(length)).toMatchObject({ ok: false });
    }
  });

  it('CVE-2025-65945 (node-jws): the secret does not come from the message', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url');
    const asymmetric = standardWebhooks({ name: 'OTHER', keys: [`whpk_${raw.toString('base64')}`] });
    const forged = createHmac('sha256', raw).update(`id.${timestamp}.`).update(body).digest('base64');
    expect(await judge(asymmetric, `v1,${forged} v1a,${forged}`)).toMatchObject({ ok: false });
  });
});

describe('the platform', () => {
  const read = (path: string): unknown => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

  it('CVE-2026-21713 (comparison of HMACs): of each line Node starts at the first version without it', () => {
    expect(at(read('package.json'), 'engines', 'node')).toBe('^20.20.2 || ^22.22.2 || >=24.14.1');
  });

  it('CVE-2026-1525 to -1528, -2229 (undici): the client of deliveries is 7.24 or newer', () => {
    const require = createRequire(new URL('../../packages/server/package.json', import.meta.url));
    const version = String(at(require('undici/package.json'), 'version'));
    const [major = 0, minor = 0] = version.split('.').map(Number);
    expect(major * 1_000 + minor).toBeGreaterThanOrEqual(7_024);
  });
});
