// Lists of an operator that narrow where deliveries may go, on top of the fixed rules and never instead of them: an entry
// is a host name (`hooks.example.com`), a domain (`*.example.com`: everything below it) or a network (`203.0.113.0/24`,
// `2001:db8::/32`, or one address). What `deny` names is refused. When `allow` names hosts, a URL's host must be among
// them; when it names networks, every address must be. `deny` is asked for every IPv4 address that an IPv6 address carries as
// well; `allow` for the address itself, mapped ones as IPv4, for its prefix decides where the packet goes first.

import { BlockList, isIP } from 'node:net';
import { embeddedIPv4 } from './address-rules.ts';

export interface EgressOptions {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  /** Of URLs; absent: any, for the contract lets a tenant name one. */
  readonly ports?: readonly number[] | undefined;
}

export interface EgressRules {
  allowsHost(hostname: string): boolean;
  allowsAddress(address: string): boolean;
  allowsPort(port: number): boolean;
}

interface List {
  readonly hasHosts: boolean;
  readonly hasNetworks: boolean;
  hasHost(hostname: string): boolean;
  hasAddress(address: string): boolean;
}

/** Throws a TypeError that names the entry it cannot read. */
export function createEgressRules({ allow = [], deny = [], ports }: EgressOptions): EgressRules {
  const allowed = readList(allow);
  const denied = readList(deny);
  for (const port of ports ?? []) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new TypeError(`"${port}" is no port`);
  }
  return {
    allowsHost: (hostname) => !denied.hasHost(hostname) && (!allowed.hasHosts || allowed.hasHost(hostname)),
    allowsAddress: (address) =>
      ![address, ...embeddedIPv4(address)].some(denied.hasAddress) &&
      (!allowed.hasNetworks || allowed.hasAddress(address)),
    allowsPort: (port) => ports === undefined || ports.includes(port),
  };
}

const hostPattern = /^(\*\.)?([a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z][a-z0-9-]*$/;

function readList(entries: readonly string[]): List {
  const names = new Set<string>();
  const domains: string[] = [];
  const networks = new BlockList();
  let hasNetworks = false;
  for (const entry of entries) {
    const text = entry.trim().toLowerCase();
    const [network = '', bits, ...rest] = text.split('/');
    const version = isIP(network);
    if (version !== 0 && rest.length === 0 && !network.includes('%')) {
      const most = version === 4 ? 32 : 128;
      if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)) throw unreadable(entry);
      networks.addSubnet(network, bits === undefined ? most : Number(bits), version === 4 ? 'ipv4' : 'ipv6');
      hasNetworks = true;
    } else if (hostPattern.test(text)) {
      if (text.startsWith('*.')) domains.push(text.slice(1));
      else names.add(text);
    } else throw unreadable(entry);
  }
  return {
    hasHosts: names.size > 0 || domains.length > 0,
    hasNetworks,
    hasHost: (hostname) => names.has(hostname) || domains.some((domain) => hostname.endsWith(domain)),
    hasAddress: (address) => networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'),
  };
}

function unreadable(entry: string): TypeError {
  return new TypeError(`"${entry}" is no host name, domain (*.example.com) or network (203.0.113.0/24)`);
}
