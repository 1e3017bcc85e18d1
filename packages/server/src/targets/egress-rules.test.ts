import { describe, expect, it } from 'vitest';
import { createEgressRules } from './egress-rules.ts';
import { createTargetPolicy } from './target-policy.ts';

describe('egress rules', () => {
  it('allow everything when nothing is listed', () => {
    const rules = createEgressRules({});
    expect([rules.allowsHost('example.com'), rules.allowsAddress('93.184.216.34')]).toEqual([true, true]);
  });

  it('know hosts, domains without their apex, and networks of both families', () => {
    const rules = createEgressRules({
      deny: ['Bad.example.com', '*.evil.test', '93.184.216.0/24', '2606:4700::/32', '8.8.8.8'],
    });
    const hosts = ['bad.example.com', 'a.evil.test', 'a.b.evil.test', 'evil.test', 'notevil.test', 'example.com'];
    expect(hosts.filter((host) => !rules.allowsHost(host))).toEqual([
      'bad.example.com',
      'a.evil.test',
      'a.b.evil.test',
    ]);
    const addresses = ['93.184.216.34', '::ffff:93.184.216.34', '2606:4700::1', '8.8.8.8', '8.8.4.4', '2607::1'];
    expect(addresses.filter((address) => rules.allowsAddress(address))).toEqual(['8.8.4.4', '2607::1']);
  });

  it('allow only what is listed, each kind for itself, and deny before allow', () => {
    const rules = createEgressRules({ allow: ['*.example.com', '93.184.0.0/16'], deny: ['x.example.com'] });
    const hosts = ['a.example.com', 'x.example.com', 'example.org', 'a.example.com.evil.test'];
    expect(hosts.map(rules.allowsHost)).toEqual([true, false, false, false]);
    expect(['93.184.1.1', '8.8.8.8', '2606:4700::1'].map(rules.allowsAddress)).toEqual([true, false, false]);
  });

  it.each([
    ...['8.8.8.8', '::ffff:8.8.8.8', '::808:808', '64:ff9b::808:808', '2002:808:808::1', '2001:0:808:808::f7f7:f7f7'],
    ...['2001:0:101:101::f7f7:f7f7', '2a00:1450::5efe:808:808', '2002:101:101::5efe:808:808'],
  ])('deny %s with the IPv4 network that it leads to', (address) => {
    // Broke: the list was asked for the address as it is written, so a tunnel led past it.
    const policy = createTargetPolicy({ insecure: 'none', egress: { deny: ['8.8.8.0/24'] } });
    expect(policy.checkAddress(address)).toBe(false);
    expect(
      policy.checkAddress(address.replaceAll('808', '909').replaceAll('8.8.8.8', '9.9.9.9').replaceAll('f7f7', 'f6f6')),
    ).toBe(true);
  });

  it('allow an IPv6 address by itself, not by what it carries', () => {
    const rules = createEgressRules({ allow: ['8.8.8.0/24'] });
    const addresses = ['8.8.8.8', '::ffff:8.8.8.8', '2a00:1450::5efe:808:808', '64:ff9b::808:808'];
    expect(addresses.map(rules.allowsAddress)).toEqual([true, true, false, false]);
  });

  it.each(['', '10.0.0.0/33', '::/129', 'https://a.test', 'a.*.test', '*', '10.0.0', '1.2.3.4/a', 'a/8', 'fe80::1%lo'])(
    'refuse the entry %j and name it',
    (entry) => {
      expect(() => createEgressRules({ allow: [entry] })).toThrow(`"${entry}"`);
    },
  );

  it('open nothing that the fixed rules refuse', async () => {
    const policy = createTargetPolicy({
      insecure: 'none',
      egress: { allow: ['10.0.0.0/8', '127.0.0.1', 'localhost', '*.internal', '93.184.216.34'] },
    });
    expect(['10.0.0.1', '127.0.0.1', '93.184.216.34'].map(policy.checkAddress)).toEqual([false, false, true]);
    expect(policy.checkUrl('https://metadata.google.internal/')).toMatchObject({ ok: false, reason: 'local_name' });
    expect(policy.checkUrl('https://example.com/')).toMatchObject({ ok: false, reason: 'egress' });
    expect(await policy.checkTarget('https://example.com/')).toMatchObject({ ok: false, reason: 'egress' });
  });

  it('allow every port when none is listed, and else only those, the usual one of the scheme included', () => {
    const urls = ['https://a.example.com/', 'https://a.example.com:8443/', 'https://a.example.com:22/'];
    const open = createTargetPolicy({ insecure: 'none' });
    expect(urls.map((url) => open.checkUrl(url).ok)).toEqual([true, true, true]);
    const narrow = createTargetPolicy({ insecure: 'none', egress: { ports: [443, 8443] } });
    expect(urls.map((url) => narrow.checkUrl(url).ok)).toEqual([true, true, false]);
    expect(narrow.checkUrl('https://a.example.com:22/')).toMatchObject({
      reason: 'egress',
      detail: 'must have a port that this service may call',
    });
    const other = createTargetPolicy({ insecure: 'all', egress: { ports: [80] } });
    expect(['http://a/', 'https://a/', 'https://a:80/'].map((url) => other.checkUrl(url).ok)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it.each([0, 65_536, 1.5, Number.NaN])('refuse the port %s', (port) => {
    expect(() => createEgressRules({ ports: [port] })).toThrow(`"${port}" is no port`);
  });
});
