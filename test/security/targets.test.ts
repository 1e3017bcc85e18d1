// Webhook URLs that want to reach inside, through the real service: every spelling of an address and every trick of DNS,
// at registration and, past registration (written into the database by hand, or registered while the name was innocent),
// at delivery. The traps are listeners on loopback and the count of their connections is printed: it is 0. A delivery that
// may reach them shows that they count; it is counted apart.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type DnsServer, startDnsServer, type Zone } from '../../packages/server/src/targets/dns-server.fixture.ts';
import { createPeer, type PeerClient } from '../conformance/peer.ts';
import { type FreshDatabase, freshDatabase, needsPostgres, postgresUrl } from '../support/postgres.ts';
import { at, startWorld, type World } from './world.ts';

const zones: Readonly<Record<string, Zone>> = {
  'v4.trick.test': { A: ['127.0.0.1'] },
  'v6.trick.test': { AAAA: ['::1'] },
  'zero.trick.test': { A: ['0.0.0.0'] },
  'any.trick.test': { AAAA: ['::'] },
  'mapped.trick.test': { AAAA: ['::ffff:7f00:1'] },
  'compatible.trick.test': { AAAA: ['::7f00:1'] },
  'nat64.trick.test': { AAAA: ['64:ff9b::7f00:1'] },
  'nat64-local.trick.test': { AAAA: ['64:ff9b:1::7f00:1'] },
  'sixtofour.trick.test': { AAAA: ['2002:7f00:1::'] },
  'teredo.trick.test': { AAAA: ['2001:0:4136:e378:8000:63bf:80ff:fffe'] },
  'isatap.trick.test': { AAAA: ['2606:4700::5efe:7f00:1'] },
  'unique-local.trick.test': { AAAA: ['fd00:ec2::254'] },
  'link-local.trick.test': { AAAA: ['fe80::1'] },
  'site-local.trick.test': { AAAA: ['fec0::1'] },
  'multicast.trick.test': { A: ['224.0.0.1'], AAAA: ['ff02::1'] },
  'metadata.trick.test': { A: ['169.254.169.254'] },
  'azure.trick.test': { A: ['168.63.129.16'] },
  'alibaba.trick.test': { A: ['100.100.100.200'] },
  'private.trick.test': { A: ['10.0.0.1'] },
  'docs.trick.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
  'mixed.trick.test': { A: ['93.184.216.34', '127.0.0.1'] },
  'mixed-family.trick.test': { A: ['93.184.216.34'], AAAA: ['::1'] },
  'alias.trick.test': { CNAME: 'v4.trick.test' },
  'chain.trick.test': { CNAME: 'alias.trick.test' },
  'xn--bcher-kva.trick.test': { A: ['127.0.0.1'] },
  '127.0.0.1.trick.test': { A: ['127.0.0.1'] },
  '10.0.0.1.trick.test': { A: ['10.0.0.1'] },
  'localhost.trick.test': { A: ['127.0.0.1'] },
};

const literals = [
  '127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0X7F.0x0.0.1 127.0.0.1. 127.000.000.001',
  '①②⑦.⓪.⓪.① 127。0。0。1 １２７.０.０.１ 127．0．0．1 0 0.0.0.0 0x0 127.0.0.2 127.255.255.254 3232235521 0xA9FEA9FE',
  '0251.0376.0251.0376 169.254.169.254 10.1 192.168.1.1 172.16.0.1 100.64.0.1 255.255.255.255 4294967296 256.1.1.1 1.1.1.1.1',
  '[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::7f00:1] [64:ff9b::7f00:1]',
  '[64:ff9b::127.0.0.1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:7f00:1::] [fe80::1%25lo] [::1%25lo] [fe80::1%lo] [::1',
  '[fd00::1] [ff02::1] [v1.x] ::1 localhost LOCALHOST localhost. a.localhost ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ ip6-localhost',
  'localhost.localdomain metadata.google.internal metadata instance-data.ec2.internal host.docker.internal a.local',
  'kubernetes.default.svc.cluster.local user@127.0.0.1 v4.trick.test@127.0.0.1 127.0.0.1#@example.com 127.0.0.1\\@example.com',
  '%31%32%37.0.0.1 127.0.0.1%00.example.com 127.0.0.1%2f.example.com v4.trick.test. v4。trick。test. v4%2etrick%2etest',
].flatMap((line) => line.split(' '));
const hosts = [...literals, 'lo\tcalhost', 'localhost\u00ad', '127.0.0.1\n', ' 127.0.0.1', ...Object.keys(zones)];

const tried = { registrations: 0, deliveries: 0 };
const connections = { attacks: 0, controls: 0 };
let counting: keyof typeof connections = 'attacks';
const servers: Server[] = [];
let port: number;
let dns: DnsServer;

/** The same port on both loopback addresses, where the machine has IPv6. */
function trap(host: string, wanted: number): Promise<number> {
  const server = createServer((socket) => {
    connections[counting] += 1;
    socket.destroy();
  });
  return listen(server, host, wanted);
}

async function listen(server: Server, host: string, wanted: number): Promise<number> {
  server.listen(wanted, host);
  await once(server, 'listening');
  servers.push(server);
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('Not listening on a port');
  return address.port;
}

beforeAll(async () => {
  dns = await startDnsServer(zones);
  port = await trap('127.0.0.1', 0);
  // A machine without IPv6 has nothing to reach there.
  await trap('::1', port).catch(() => 0);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await dns[Symbol.asyncDispose]();
  process.stdout.write(
    `addresses tried: ${tried.registrations} at registration, ${tried.deliveries} at delivery; connections made: ${connections.attacks}\n`,
  );
  expect(connections.attacks).toBe(0);
});

async function peerOf(world: World): Promise<PeerClient> {
  const peer = createPeer(world.url, await world.tenant());
  expect((await peer.authorize('webhooks:read webhooks:admin')).status).toBe(200);
  return peer;
}

describe('a trap', () => {
  it('counts what reaches it, where the policy lets a delivery through', async () => {
    const world = await startWorld({ dnsServers: [dns.address], insecureTargets: 'loopback' });
    counting = 'controls';
    try {
      const peer = await peerOf(world);
      const url = `https://v4.trick.test:${port}/`;
      const made = await peer.call('POST', '/webhooks', { title: 'A', url });
      expect(made.status).toBe(201);
      expect((await peer.call('POST', `/webhooks/${String(at(made.json, 'id'))}/test`)).status).toBe(202);
      await vi.waitFor(() => expect(connections.controls).toBe(1), { timeout: 20_000, interval: 50 });
    } finally {
      await world.close();
      counting = 'attacks';
    }
  });
});

describe('registration', () => {
  it('refuses every spelling and every name that leads inside, and says nothing about what is there', async () => {
    const world = await startWorld({ dnsServers: [dns.address] });
    try {
      const peer = await peerOf(world);
      const made = await peer.call('POST', '/webhooks', { title: 'A', url: 'https://unknown.trick.test/' });
      expect(made.status).toBe(201);
      const passed: string[] = [];
      for (const host of hosts) {
        for (const url of [`https://${host}:${port}/`, `https://${host}/`, `http://${host}:${port}/`, `//${host}/`]) {
          tried.registrations += 2;
          const created = await peer.call('POST', '/webhooks', { title: 'A', url });
          const changed = await peer.call('PATCH', `/webhooks/${String(at(made.json, 'id'))}`, { url });
          if (created.status !== 400 || changed.status !== 400)
            passed.push(`${url} ${created.status} ${changed.status}`);
          const said = `${String(at(created.json, 'detail'))} ${String(at(changed.json, 'detail'))}`;
          if (/127\.0\.0\.1|::1|10\.0\.0\.1|169\.254/.test(said)) passed.push(`${url} answers ${said}`);
        }
      }
      expect(passed).toEqual([]);
    } finally {
      await world.close();
    }
  }, 300_000);
});

describe.skipIf(!postgresUrl())(`delivery ${needsPostgres}`, () => {
  let database: FreshDatabase;
  let sql: postgres.Sql;
  let world: World;
  let peer: PeerClient;

  beforeAll(async () => {
    database = await freshDatabase();
    world = await startWorld({ dnsServers: [dns.address], databaseUrl: database.url });
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
    peer = await peerOf(world);
  });
  afterAll(async () => {
    await sql?.end({ timeout: 5 });
    await world?.close();
    await database?.drop();
  });

  async function register(url: string, by = peer): Promise<string> {
    const made = await by.call('POST', '/webhooks', { title: 'A', url });
    expect(made.status).toBe(201);
    return String(at(made.json, 'id'));
  }

  /** Outcomes of the webhook's attempts, the latest first. */
  async function reasons(webhookId: string, least: number): Promise<readonly string[]> {
    return vi.waitFor(
      async () => {
        const { json } = await world.operator('GET', `/operator/attempts?webhook_id=${webhookId}&limit=200`);
        const items = at(json, 'data');
        if (!Array.isArray(items) || items.length < least) throw new Error(`${String(items)} are not ${least} yet`);
        return items.map((item) => String(at(item, 'reason')));
      },
      { timeout: 60_000, interval: 50 },
    );
  }

  it('refuses what got past registration: rows written by hand, tried by the test trigger', async () => {
    const passed: string[] = [];
    for (const host of hosts) {
      // PostgreSQL takes all of these as text; nothing between it and the sender judges them.
      const url = `https://${host}:${port}/`;
      const id = await register('https://unknown.trick.test/');
      await sql`update webhooks set url = ${url} where id = ${id}`;
      expect((await peer.call('POST', `/webhooks/${id}/test`)).status).toBe(202);
      tried.deliveries += 1;
      const [reason = 'none'] = await reasons(id, 1);
      // Never `dns`: a name that did not resolve would show nothing about its address.
      const wanted = Object.hasOwn(zones, host) ? 'address_not_allowed' : 'url_not_allowed';
      if (reason !== wanted) passed.push(`${url} ${reason}`);
      expect((await peer.call('DELETE', `/webhooks/${id}`)).status).toBe(204);
    }
    expect(passed).toEqual([]);
  }, 300_000);

  it.each<[string, Zone]>([
    ['loopback', { A: ['127.0.0.1'], ttlSeconds: 0 }],
    ['a mixed answer', { A: ['93.184.216.34', '127.0.0.1'], ttlSeconds: 0 }],
    ['NAT64 of the metadata service', { AAAA: ['64:ff9b::a9fe:a9fe'], ttlSeconds: 0 }],
    ['an alias', { CNAME: 'chain.trick.test', ttlSeconds: 0 }],
  ])('refuses a name that was public at registration and turns to %s before the connection', async (_, zone) => {
    const name = `rebind-${crypto.randomUUID()}.trick.test`;
    dns.zones.set(name, { A: ['93.184.216.34'], ttlSeconds: 0 });
    const url = `https://${name}:${port}/`;
    const id = await register(url);
    dns.zones.set(name, zone);
    // Until the answer that was good has run out of the cache: nothing may be sent to a stranger's address here.
    await vi.waitFor(async () => expect((await peer.call('POST', '/webhooks', { title: 'B', url })).status).toBe(400), {
      timeout: 20_000,
      interval: 100,
    });
    expect((await peer.call('PATCH', `/webhooks/${id}`, { enabled: true })).status).toBe(200);
    const { clientId } = await clientOf(id);
    const event = { type: 'USER.CREATED', created_at: new Date().toISOString(), object: { id: crypto.randomUUID() } };
    expect((await world.operator('POST', '/operator/events', { client_id: clientId, events: [event] })).status).toBe(
      202,
    );
    expect((await peer.call('POST', `/webhooks/${id}/test`)).status).toBe(202);
    tried.deliveries += 2;
    expect(new Set(await reasons(id, 2))).toEqual(new Set(['address_not_allowed']));
  });

  it('connects to the address that was checked, though DNS says 127.0.0.1 to whoever asks a second time', async () => {
    // The address that is checked is a stranger's: a proxy writes down where the connection would have gone.
    const asked: string[] = [];
    const proxy = createHttpServer().on('connect', (request, socket) => {
      asked.push(String(request.url));
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    const egressProxy = `http://127.0.0.1:${await listen(proxy, '127.0.0.1', 0)}`;
    const behind = await startWorld({ dnsServers: [dns.address], databaseUrl: database.url, egressProxy });
    try {
      const name = `flip-${crypto.randomUUID()}.trick.test`;
      const inside: Zone = { A: ['127.0.0.1'], ttlSeconds: 0 };
      dns.zones.set(name, { A: ['93.184.216.34'], ttlSeconds: 0, next: inside });
      const by = await peerOf(behind);
      const id = await register('https://unknown.trick.test/', by);
      // By hand, because registration would have asked already.
      await sql`update webhooks set url = ${`https://${name}:${port}/`} where id = ${id}`;
      expect((await by.call('POST', `/webhooks/${id}/test`)).status).toBe(202);
      tried.deliveries += 1;
      expect(await reasons(id, 1)).toEqual(['connect_refused']);
      expect(asked).toEqual([`93.184.216.34:${port}`]);
      const questions = dns.questions.filter((question) => question.startsWith(name));
      expect(questions.sort()).toEqual([`${name} A`, `${name} AAAA`]);
      expect(dns.zones.get(name)).toBe(inside);
    } finally {
      await behind.close();
    }
  });

  async function clientOf(webhookId: string): Promise<{ clientId: string }> {
    const [row] = await sql<{ client_id: string }[]>`select client_id from webhooks where id = ${webhookId}`;
    return { clientId: String(row?.client_id) };
  }
});
