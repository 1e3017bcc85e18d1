import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { isAllowedAddress, isLoopbackAddress } from './address-rules.ts';

const refused = [
  // IPv4 special registry, first and last of each range
  ...['0.0.0.0', '0.255.255.255', '10.0.0.0', '10.255.255.255', '100.64.0.0', '100.127.255.255', '100.100.100.200'],
  ...['127.0.0.1', '127.255.255.255', '168.63.129.16', '169.254.0.0', '169.254.169.254', '169.254.255.255'],
  ...['172.16.0.0', '172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1'],
  ...['192.168.255.255', '198.18.0.0', '198.19.255.255', '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.255.255.255'],
  ...['240.0.0.1', '255.255.255.255', '192.31.196.1', '192.52.193.1', '192.175.48.1'],
  // IPv6 outside 2000::/3
  ...['::', '::1', 'fe80::1', 'febf::1', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'fd20:ce::254', 'ff02::1', '100::1'],
  ...['5f00::1', '4000::1', '1fff::1', '0400::1'],
  // IPv6 special registries inside 2000::/3
  ...['2001:db8::1', '2001:2::1', '2001:10::1', '2001:20::1', '2001:1::1', '2001:1ff::1', '3fff::1', '3fff:fff::1'],
  ...['2620:4f:8000::1', '3ffe::1'],
  // Embedded IPv4: mapped, compatible, NAT64, 6to4, Teredo (server or client), ISATAP
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:10.0.0.1', '::FFFF:192.168.1.1'],
  ...['::127.0.0.1', '::169.254.169.254', '::a9fe:a9fe', '64:ff9b::a9fe:a9fe', '64:ff9b::10.0.0.1', '64:ff9b::7f00:1'],
  ...['64:ff9b:1::a9fe:a9fe', '64:ff9b:1:a9fe:a9:fe00::', '64:ff9b:1::808:808', '64:ff9b:2::808:808'],
  ...['2002:a9fe:a9fe::', '2002:7f00:1::1', '2002:c0a8:101::5', '2002:0a00:0001::'],
  ...['2001:0:0808:0808:0:0:5601:5601', '2001:0:a9fe:a9fe:0:0:f7f7:f7f7', '2001:0:808:808::80ff:fffe'],
  ...['2a00:1450::5efe:10.0.0.1', '2a00:1450::200:5efe:a9fe:a9fe', 'fd00::5efe:808:808'],
  // Broke: a public IPv4 address in ISATAP form made up for a prefix that is refused, and 6to4 for one that is not public.
  ...['2001:db8::5efe:808:808', '3fff::5efe:808:808', '2001:2::200:5efe:808:808', '2002:808:808::5efe:a9fe:a9fe'],
];

const allowed = [
  ...['8.8.8.8', '1.1.1.1', '34.90.198.99', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '172.15.0.1'],
  ...['172.32.0.1', '192.0.1.1', '192.169.0.1', '198.17.255.255', '198.20.0.0', '223.255.255.255', '168.63.129.17'],
  ...['2606:4700:4700::1111', '2a00:1450:4001:81b::200e', '2001:200::1', '2001:4860:4860::8888', '2003::1', '3ffd::1'],
  ...['2a00:1450::5efe:808:808', '2002:808:808::5efe:101:101'],
  ...['::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1', '2001:0:808:808:0:0:f7f7:f7f7'],
];

const notAnAddress = [
  ...[
    '',
    'localhost',
    'example.com',
    '127.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '8.8.8',
    '8.8.8.8.',
    '08.8.8.8',
  ],
  ...[' 8.8.8.8', '8.8.8.8 ', '8.8.8.8/32', '8.8.8.8:443', '①.1.1.1', '[2606:4700::1]', '2606:4700::1%eth0'],
  ...['fe80::1%lo', '2606:4700:::1', '2606:4700::1::1', '::ffff:8.8.8.8%1', '1:2:3:4:5:6:7:8:9', 'g::1'],
];

describe('isAllowedAddress', () => {
  it.each(refused)('refuses %s', (address) => {
    expect(isAllowedAddress(address)).toBe(false);
  });

  it.each(allowed)('allows %s', (address) => {
    expect(isAllowedAddress(address)).toBe(true);
  });

  it.each(notAnAddress)('refuses %j, which is not the text of one address', (text) => {
    expect(isAllowedAddress(text)).toBe(false);
  });

  it('judges an embedded IPv4 address as it judges that address', () => {
    const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);
    fc.assert(
      fc.property(fc.ipV4(), (ip) => {
        const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number);
        const expected = isAllowedAddress(ip);
        const tail = `${hex(a, b)}:${hex(c, d)}`;
        const turned = `${(((a << 8) | b) ^ 0xffff).toString(16)}:${(((c << 8) | d) ^ 0xffff).toString(16)}`;
        for (const form of [`::ffff:${ip}`, `::ffff:${tail}`, `64:ff9b::${tail}`, `64:ff9b::${ip}`, `2002:${tail}::1`])
          expect([form, isAllowedAddress(form)]).toEqual([form, expected]);
        expect(isAllowedAddress(`2001:0:808:808:8000:0:${turned}`)).toBe(expected);
        expect(isAllowedAddress(`2001:0:${tail}:8000:0:f7f7:f7f7`)).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  it('allows nothing that an independent library does not call unicast, embedded forms aside', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6(), nearSpecialRanges());
    const embedded = new Set(['ipv4Mapped', 'rfc6145', 'rfc6052', '6to4', 'teredo']);
    let compared = 0;
    fc.assert(
      fc.property(address, (text) => {
        if (!isAllowedAddress(text)) return;
        const range = ipaddr.parse(text).range();
        if (embedded.has(range) || ipaddr.parse(text).toString().startsWith('::')) return;
        compared += 1;
        expect([text, range]).toEqual([text, 'unicast']);
      }),
      { numRuns: 10_000 },
    );
    expect(compared).toBeGreaterThan(1_000);
  });

  it('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof isAllowedAddress(text) === 'boolean'));
  });
});

/** IPv6 addresses whose first groups are those of the registries, where a wrong prefix length would show. */
function nearSpecialRanges(): fc.Arbitrary<string> {
  const first = fc.constantFrom('2001', '2002', '2620', '3ffe', '3fff', '64', '100', 'fe80', 'fc00', '2000', '5f00');
  const second = fc.oneof(fc.constantFrom('0', '2', '10', '20', 'db8', '4f', 'ff9b', '1ff', '200'), hexGroup());
  return fc.tuple(first, second, hexGroup(), hexGroup()).map((groups) => `${groups.join(':')}:1:2:3:4`);
}

function hexGroup(): fc.Arbitrary<string> {
  return fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16));
}

describe('isLoopbackAddress', () => {
  it.each(['127.0.0.1', '127.255.0.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])('knows %s', (address) => {
    expect(isLoopbackAddress(address)).toBe(true);
  });

  it.each(['128.0.0.1', '10.0.0.1', '::', '::2', '::127.0.0.1', '::ffff:10.0.0.1', 'localhost', '::1%lo'])(
    'does not take %s for it',
    (address) => {
      expect(isLoopbackAddress(address)).toBe(false);
    },
  );
});
