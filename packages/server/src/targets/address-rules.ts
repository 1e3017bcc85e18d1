// Which IP addresses a delivery may be sent to: global unicast only (issue 9 "Targets"; the IANA special-purpose
// registries; OWASP SSRF cheat sheet). IPv6 is refused unless it lies in 2000::/3 outside the special registries, or
// carries an IPv4 address that is itself allowed (mapped, compatible, NAT64, 6to4, Teredo): such an address ends at the
// IPv4 host, and a plain range check lets 64:ff9b::a9fe:a9fe through to the metadata service. ISATAP carries one too, behind
// a prefix that decides where the packet goes first: both are judged.
// Anything that is not the text of one address (zone ids, octal, short forms) is refused.
import { BlockList, isIPv4, isIPv6 } from 'node:net';

// Globally reachable entries of the registry (AS112, AMT, 6to4 relays, PCP anycast) are here too: no endpoint lives there.
const refusedIPv4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Azure's host agent (metadata, DNS) has a public address that every virtual machine there can reach.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

// Inside 2000::/3. 2001::/23 are protocol assignments (benchmarking, ORCHID, anycast; Teredo is unwrapped before).
const refusedIPv6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2620:4f:8000::', 48],
  ['3ffe::', 16],
  ['3fff::', 20],
];

const refused = new BlockList();
for (const [network, bits] of refusedIPv4) refused.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of refusedIPv6) refused.addSubnet(network, bits, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Global unicast, also when looked at through every way of embedding IPv4 in IPv6. */
export function isAllowedAddress(address: string): boolean {
  if (isIPv4(address)) return !refused.check(address, 'ipv4');
  const groups = readIPv6(address);
  if (groups === undefined) return false;
  const tunnelled = tunnelledIPv4(groups);
  if ([...tunnelled, ...isatapIPv4(groups)].some((each) => refused.check(each, 'ipv4'))) return false;
  return tunnelled.length > 0 || (isGlobalUnicast(groups) && !refused.check(address, 'ipv6'));
}

/** Every IPv4 address that an IPv6 address carries in one of the ways above. */
export function embeddedIPv4(address: string): readonly string[] {
  const groups = readIPv6(address);
  return groups === undefined ? [] : [...tunnelledIPv4(groups), ...isatapIPv4(groups)];
}

/** 127.0.0.0/8 and ::1, also as the mapped form that a dual-stack socket reports. */
export function isLoopbackAddress(address: string): boolean {
  if (isIPv4(address)) return loopback.check(address, 'ipv4');
  const groups = readIPv6(address);
  if (groups === undefined) return false;
  if (!isMapped(groups)) return loopback.check(address, 'ipv6');
  return loopback.check(ipv4At(groups, 6), 'ipv4');
}

function isGlobalUnicast(groups: readonly number[]): boolean {
  return (at(groups, 0) & 0xe000) === 0x2000;
}

function isMapped(groups: readonly number[]): boolean {
  return startsWith(groups, [0, 0, 0, 0, 0, 0xffff]);
}

/** The IPv4 addresses at which a packet to this IPv6 address may end, whatever else the address says. */
function tunnelledIPv4(groups: readonly number[]): readonly string[] {
  if (isMapped(groups)) return [ipv4At(groups, 6)];
  // Compatible form. It includes :: and ::1, which become 0.0.0.0 and 0.0.0.1: refused.
  if (startsWith(groups, [0, 0, 0, 0, 0, 0])) return [ipv4At(groups, 6)];
  if (startsWith(groups, [0x64, 0xff9b, 0, 0, 0, 0])) return [ipv4At(groups, 6)];
  if (startsWith(groups, [0x2002])) return [ipv4At(groups, 1)];
  // Teredo: the server, and the client with all bits turned over.
  if (startsWith(groups, [0x2001, 0]))
    return [
      ipv4At(groups, 2),
      ipv4At(
        groups.map((group) => group ^ 0xffff),
        6,
      ),
    ];
  // 64:ff9b:1::/48 needs no line: a network may cut that prefix at 48, 56, 64 or 96 bits, so which IPv4 address it
  // means cannot be told from outside; it lies outside 2000::/3 and is refused whole.
  return [];
}

// ISATAP interface identifiers carry the IPv4 address of a host inside the site. A global one is no tunnel end that
// anybody registers, but it is judged alike.
function isatapIPv4(groups: readonly number[]): readonly string[] {
  return (at(groups, 4) & 0xfdff) === 0 && at(groups, 5) === 0x5efe ? [ipv4At(groups, 6)] : [];
}

function startsWith(groups: readonly number[], prefix: readonly number[]): boolean {
  return prefix.every((group, index) => groups[index] === group);
}

function at(groups: readonly number[], index: number): number {
  return groups[index] ?? 0;
}

function ipv4At(groups: readonly number[], index: number): string {
  const high = at(groups, index);
  const low = at(groups, index + 1);
  return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
}

/** The eight groups; undefined for anything else than plain IPv6 text. */
function readIPv6(address: string): readonly number[] | undefined {
  if (!isIPv6(address) || address.includes('%')) return undefined;
  const [head = '', tail] = address.split('::');
  const left = readGroups(head);
  if (tail === undefined) return left;
  const right = readGroups(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function readGroups(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
