import type { LookupAddress, LookupOptions } from 'node:dns';
import { describe, expect, it } from 'vitest';
import { type DnsServer, startDnsServer, type Zone } from './dns-server.fixture.ts';
import { TargetError } from './target-error.ts';
import { createTargetPolicy, type TargetPolicy } from './target-policy.ts';
import type { InsecureTargets } from './url-policy.ts';

const publicV4 = '93.184.216.34';
const publicV6 = '2606:4700:0:0:0:0:0:1111';

function lookup(policy: TargetPolicy, name: string, options: LookupOptions = { all: true }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    policy.lookup(name, options, (error, address, family) => {
      if (error !== null) reject(error);
      else resolve(family === undefined ? address : { address, family });
    });
  });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return error instanceof TargetError ? error.code : String(error);
  }
}

function policyFor(dns: DnsServer, insecure: InsecureTargets = 'none', now?: () => number): TargetPolicy {
  return createTargetPolicy({ insecure, dnsServers: [dns.address], now });
}

describe('lookup', () => {
  it('gives every address of a public name, IPv4 first', async () => {
    await using dns = await startDnsServer({ 'hooks.example': { A: [publicV4, '1.1.1.1'], AAAA: [publicV6] } });
    const expected: LookupAddress[] = [
      { address: publicV4, family: 4 },
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ];
    expect(await lookup(policyFor(dns), 'hooks.example')).toEqual(expected);
    expect(await lookup(policyFor(dns), 'Hooks.EXAMPLE')).toEqual(expected);
  });

  it('gives one address where one is asked for, of the family asked for', async () => {
    await using dns = await startDnsServer({ 'hooks.example': { A: [publicV4], AAAA: [publicV6] } });
    const policy = policyFor(dns);
    expect(await lookup(policy, 'hooks.example', {})).toEqual({ address: publicV4, family: 4 });
    expect(await lookup(policy, 'hooks.example', { family: 6 })).toEqual({ address: '2606:4700::1111', family: 6 });
    expect(await lookup(policy, 'hooks.example', { family: 'IPv4', all: true })).toHaveLength(1);
  });

  it.each<[string, Zone]>([
    ['a loopback address', { A: ['127.0.0.1'] }],
    ['the metadata address', { A: ['169.254.169.254'] }],
    ['a private address', { A: ['10.1.2.3'] }],
    ['a carrier address', { A: ['100.64.0.1'] }],
    ['::1', { AAAA: ['::1'] }],
    ['a unique local address', { AAAA: ['fd00:ec2::254'] }],
    ['a mapped address', { AAAA: ['::ffff:7f00:1'] }],
    ['a NAT64 address', { AAAA: ['64:ff9b::a9fe:a9fe'] }],
    ['a local NAT64 address', { AAAA: ['64:ff9b:1::a9fe:a9fe'] }],
    ['a 6to4 address', { AAAA: ['2002:a9fe:a9fe::'] }],
    ['a Teredo address', { AAAA: ['2001:0:808:808:0:0:5601:5601'] }],
    ['a compatible address', { AAAA: ['::7f00:1'] }],
    ['public and private addresses mixed', { A: [publicV4, '1.1.1.1', '192.168.0.1'] }],
    ['a public IPv4 and a private IPv6 address', { A: [publicV4], AAAA: ['fe80::1'] }],
    ['0.0.0.0', { A: ['0.0.0.0'] }],
  ])('refuses a name that leads to %s', async (_what, zone) => {
    await using dns = await startDnsServer({ 'evil.example': zone });
    expect(await codeOf(lookup(policyFor(dns), 'evil.example'))).toBe('address_not_allowed');
  });

  it('refuses a chain of aliases that ends at a private address', async () => {
    await using dns = await startDnsServer({
      'evil.example': { CNAME: 'a.evil.example' },
      'a.evil.example': { CNAME: 'b.evil.example' },
      'b.evil.example': { A: ['127.0.0.1'] },
      'good.example': { CNAME: 'b.good.example' },
      'b.good.example': { A: [publicV4] },
    });
    const policy = policyFor(dns);
    expect(await codeOf(lookup(policy, 'evil.example'))).toBe('address_not_allowed');
    expect(await lookup(policy, 'good.example')).toEqual([{ address: publicV4, family: 4 }]);
  });

  it('keeps the checked answer while a name changes its mind, and refuses the new one when it asks again', async () => {
    await using dns = await startDnsServer({ 'rebind.example': { A: [publicV4], ttlSeconds: 1 } });
    let nowMs = 0;
    const policy = policyFor(dns, 'none', () => nowMs);
    expect(await lookup(policy, 'rebind.example')).toEqual([{ address: publicV4, family: 4 }]);
    dns.zones.set('rebind.example', { A: ['127.0.0.1'], ttlSeconds: 0 });
    nowMs = 999;
    expect(await lookup(policy, 'rebind.example')).toEqual([{ address: publicV4, family: 4 }]);
    nowMs = 1_000;
    expect(await codeOf(lookup(policy, 'rebind.example'))).toBe('address_not_allowed');
  });

  it('asks once for callers that come together, and again when a long TTL passes 30 s', async () => {
    await using dns = await startDnsServer({ 'hooks.example': { A: [publicV4], ttlSeconds: 86_400 } });
    let nowMs = 0;
    const policy = policyFor(dns, 'none', () => nowMs);
    await Promise.all(Array.from({ length: 50 }, () => lookup(policy, 'hooks.example')));
    nowMs = 29_999;
    await lookup(policy, 'hooks.example');
    expect([...dns.questions].sort()).toEqual(['hooks.example A', 'hooks.example AAAA']);
    nowMs = 30_000;
    await lookup(policy, 'hooks.example');
    expect(dns.questions).toHaveLength(4);
  });

  it('remembers a failure for a second, then finds the name', async () => {
    await using dns = await startDnsServer();
    let nowMs = 0;
    const policy = policyFor(dns, 'none', () => nowMs);
    expect(await codeOf(lookup(policy, 'new.example'))).toBe('dns');
    dns.zones.set('new.example', { A: [publicV4] });
    expect(await codeOf(lookup(policy, 'new.example'))).toBe('dns');
    nowMs = 1_000;
    expect(await codeOf(lookup(policy, 'new.example'))).toBe('resolved');
  });

  it.each<[string, Zone | undefined, RegExp]>([
    ['is unknown', undefined, /ENOTFOUND/],
    ['has no address', { A: [] }, /ENODATA/],
    ['makes the server fail', { rcode: 2 }, /ESERVFAIL/],
    ['gets no answer', { silent: true }, /ETIMEOUT/],
  ])('fails with dns when the name %s', async (_what, zone, detail) => {
    await using dns = await startDnsServer(zone === undefined ? {} : { 'gone.example': zone });
    const failed = lookup(policyFor(dns), 'gone.example');
    await expect(failed).rejects.toMatchObject({ code: 'dns', message: expect.stringMatching(detail) });
  });

  it.each(['A', 'AAAA'] as const)('goes on without the family that gets no answer: %s', async (silent) => {
    await using dns = await startDnsServer({ 'slow.example': { A: [publicV4], AAAA: [publicV6], silent } });
    const address = silent === 'A' ? '2606:4700::1111' : publicV4;
    expect(await lookup(policyFor(dns), 'slow.example')).toEqual([{ address, family: silent === 'A' ? 6 : 4 }]);
  });

  it('checks IP addresses too, should anybody look them up', async () => {
    await using dns = await startDnsServer();
    const policy = policyFor(dns);
    expect(await codeOf(lookup(policy, '127.0.0.1'))).toBe('address_not_allowed');
    expect(await codeOf(lookup(policy, '::ffff:127.0.0.1'))).toBe('address_not_allowed');
    expect(await lookup(policy, publicV4)).toEqual([{ address: publicV4, family: 4 }]);
  });

  it('knows localhost names without DNS, and only where this machine is allowed', async () => {
    await using dns = await startDnsServer({ localhost: { A: [publicV4] }, 'a.localhost': { A: [publicV4] } });
    const both = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
    expect(await lookup(policyFor(dns, 'loopback'), 'a.localhost')).toEqual(both);
    expect(await lookup(policyFor(dns, 'all'), 'localhost')).toEqual(both);
    expect(await codeOf(lookup(policyFor(dns), 'localhost'))).toBe('address_not_allowed');
    expect(dns.questions).toEqual([]);
  });

  it('lets loopback reach this machine but no private network, and all reach both', async () => {
    await using dns = await startDnsServer({ 'dev.example': { A: ['127.0.0.1'] }, 'lan.example': { A: ['10.0.0.1'] } });
    expect(await codeOf(lookup(policyFor(dns, 'loopback'), 'dev.example'))).toBe('resolved');
    expect(await codeOf(lookup(policyFor(dns, 'loopback'), 'lan.example'))).toBe('address_not_allowed');
    expect(await codeOf(lookup(policyFor(dns, 'all'), 'lan.example'))).toBe('resolved');
  });
});

describe('checkTarget', () => {
  it('passes a name that does not resolve, and one with public addresses', async () => {
    await using dns = await startDnsServer({ 'hooks.example': { A: [publicV4] } });
    const policy = policyFor(dns);
    expect(await policy.checkTarget('https://hooks.example/x')).toMatchObject({ ok: true, requestTarget: '/x' });
    expect(await policy.checkTarget('https://nowhere.example/x')).toMatchObject({ ok: true });
  });

  it('refuses a wrong URL and a private address, whose value it does not tell', async () => {
    await using dns = await startDnsServer({ 'evil.example': { A: ['10.9.8.7'] } });
    const policy = policyFor(dns);
    expect(await policy.checkTarget('http://evil.example/')).toMatchObject({ ok: false, reason: 'scheme' });
    const check = await policy.checkTarget('https://evil.example/');
    expect(check).toMatchObject({ ok: false, reason: 'address_not_allowed' });
    expect(JSON.stringify(check)).not.toContain('10.9.8.7');
  });

  it('lets insecure targets name this machine by address', async () => {
    await using dns = await startDnsServer();
    expect(await policyFor(dns, 'loopback').checkTarget('http://[::1]:80/')).toMatchObject({ ok: true });
    expect(await policyFor(dns, 'all').checkTarget('http://10.0.0.1/')).toMatchObject({ ok: true });
  });
});
