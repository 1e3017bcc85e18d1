// Deliveries through a proxy: a real CONNECT proxy on loopback that notes what it is asked for, real DNS, real TLS behind.

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startDnsServer } from '../targets/dns-server.fixture.ts';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { readEgressProxy } from './egress-proxy.ts';
import { startHttps, startTcp, testSender } from './sender.fixture.ts';
import { createAuthority } from './tls-certificates.fixture.ts';

const body = Buffer.from('{}');

/** Leads every tunnel to `port` on this machine, whatever address was asked for. */
async function startProxy(port: number, headers: Readonly<Record<string, string>> = {}) {
  const asked: { target: string; authorization: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push({ target: String(request.url), authorization: request.headers['proxy-authorization'] });
    const upstream = connect(port, '127.0.0.1');
    for (const each of [socket, upstream]) {
      sockets.add(each);
      each.on('error', () => each.destroy());
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 200 OK\r\n${lines.join('')}\r\n`);
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('Not listening on a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a delivery through a proxy', () => {
  it('asks for the judged address, speaks TLS with the name of the URL, and shows the credentials', async () => {
    await using authority = await createAuthority();
    await using endpoint = await startHttps(await authority.issue('DNS:hooks.bellhop.test'), (_request, response) =>
      response.end(),
    );
    await using dns = await startDnsServer({ 'hooks.bellhop.test': { A: ['93.184.216.34'] } });
    await using proxy = await startProxy(endpoint.port, { via: 'x'.repeat(1_000) });
    const policy = createTargetPolicy({ insecure: 'none', dnsServers: [dns.address] });
    const url = proxy.url.replace('http://', 'http://user:p%40ss@');
    await using sender = testSender({ policy, ca: authority.ca, proxy: readEgressProxy(url) });
    for (let delivery = 0; delivery < 2; delivery += 1) {
      expect(await sender.post({ url: 'https://hooks.bellhop.test/in?a=1', body })).toMatchObject({ ok: true });
    }
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
    expect(proxy.asked).toEqual([{ target: '93.184.216.34:443', authorization }]);
    expect(endpoint.received.map(({ request }) => request.url)).toEqual(['/in?a=1', '/in?a=1']);
    expect(endpoint.received[0]?.request.headers['proxy-authorization']).toBeUndefined();
  });

  it('is not asked for when the address may not be called', async () => {
    await using dns = await startDnsServer({
      'inside.bellhop.test': { A: ['10.0.0.1'] },
      'mixed.bellhop.test': { A: ['93.184.216.34'], AAAA: ['64:ff9b::a9fe:a9fe'] },
    });
    await using proxy = await startProxy(9);
    const policy = createTargetPolicy({ insecure: 'none', dnsServers: [dns.address] });
    await using sender = testSender({ policy, proxy: readEgressProxy(proxy.url) });
    for (const url of ['https://inside.bellhop.test/', 'https://mixed.bellhop.test/']) {
      expect(await sender.post({ url, body })).toMatchObject({ ok: false, reason: 'address_not_allowed' });
    }
    expect(proxy.asked).toEqual([]);
  });

  it.each([
    ['refuses', 'HTTP/1.1 403 Forbidden\r\n\r\n', /answered 403/],
    ['says nothing that is HTTP', 'SSH-2.0-x\r\n\r\n', /no HTTP/],
    ['never ends its answer', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(20_000)}`, /has no end/],
    ['speaks for the target', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', /more than its answer/],
  ])('fails when the proxy %s', async (_, answer, detail) => {
    await using dns = await startDnsServer({ 'hooks.bellhop.test': { A: ['93.184.216.34'] } });
    await using proxy = await startTcp((socket) => void socket.once('data', () => socket.write(answer)));
    const policy = createTargetPolicy({ insecure: 'none', dnsServers: [dns.address] });
    await using sender = testSender({ policy, proxy: { host: '127.0.0.1', port: proxy.port } });
    const outcome = await sender.post({ url: 'https://hooks.bellhop.test/', body });
    expect(outcome).toMatchObject({ ok: false, reason: 'connect_refused', detail: expect.stringMatching(detail) });
  });
});

describe('the address of a proxy', () => {
  it.each(['https://p:1', 'http://p/x', 'http://p?x', 'socks://p', 'p:3128', ''])('is refused: %j', (text) => {
    expect(() => readEgressProxy(text)).toThrow(TypeError);
  });

  it('may be IPv6 and without a port', () => {
    expect(readEgressProxy('http://[::1]')).toEqual({ host: '::1', port: 80 });
  });
});
