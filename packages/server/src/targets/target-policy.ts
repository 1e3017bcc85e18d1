// The network policy of deliveries as one object: what a URL may be, what a name may resolve to, what a socket may be
// connected to. Registration, update, test trigger and the sender all ask this and nothing else decides.
// `insecure` is for development: `loopback` adds this machine, `all` adds every address.
import { isIP, type LookupFunction } from 'node:net';
import { isAllowedAddress, isLoopbackAddress } from './address-rules.ts';
import { createEgressRules, type EgressOptions } from './egress-rules.ts';
import { type CheckAddress, createGuardedLookup, createGuardedResolve, judgeAddresses } from './guarded-lookup.ts';
import { createNameResolver } from './name-resolver.ts';
import { TargetError } from './target-error.ts';
import { checkUrl, type InsecureTargets, type UrlCheck } from './url-policy.ts';

export interface TargetPolicyOptions {
  readonly insecure: InsecureTargets;
  /** Narrows what the fixed rules allow. */
  readonly egress?: EgressOptions | undefined;
  /** `ip` or `ip:port`; default: those of the system. */
  readonly dnsServers?: readonly string[] | undefined;
  /** For the lifetime of cached answers. */
  readonly now?: (() => number) | undefined;
}

export interface TargetPolicy {
  readonly insecure: InsecureTargets;
  /** The text of the URL alone; no I/O. */
  checkUrl(url: string): UrlCheck;
  /** The URL, and the addresses its name has now. A name that does not resolve passes: it may be registered. */
  checkTarget(url: string): Promise<TargetCheck>;
  /** For `connect.lookup`; fails with TargetError. Not called by node for IP addresses: `checkAddress` those. */
  readonly lookup: LookupFunction;
  /** May a socket be connected to this address. */
  checkAddress(address: string): boolean;
}

export type TargetCheck =
  | UrlCheck
  | { readonly ok: false; readonly reason: 'address_not_allowed'; readonly detail: string };

export function createTargetPolicy(options: TargetPolicyOptions): TargetPolicy {
  const { insecure, dnsServers, now } = options;
  const egress = createEgressRules(options.egress ?? {});
  const byRule = addressCheck(insecure);
  const checkAddress: CheckAddress = (address) => byRule(address) && egress.allowsAddress(address);
  const judgeUrl = (text: string): UrlCheck => {
    const check = checkUrl(text, insecure);
    if (!check.ok) return check;
    if (!egress.allowsHost(hostOf(check.url)))
      return { ok: false, reason: 'egress', detail: 'must have a host that this service may call' };
    if (!egress.allowsPort(portOf(check.url)))
      return { ok: false, reason: 'egress', detail: 'must have a port that this service may call' };
    return check;
  };
  const resolveName = createNameResolver({
    dnsServers,
    // Given servers are meant to be the only source of answers.
    useHostsFile: insecure !== 'none' && dnsServers === undefined,
    judge: (hostname, addresses) => judgeAddresses(checkAddress, hostname, addresses),
    ...(now === undefined ? {} : { now }),
  });
  const resolve = createGuardedResolve(resolveName, checkAddress);

  return {
    insecure,
    checkUrl: judgeUrl,
    async checkTarget(url) {
      const check = judgeUrl(url);
      if (!check.ok) return check;
      try {
        await resolve(hostOf(check.url));
      } catch (error) {
        if (!(error instanceof TargetError)) throw error;
        // The address stays out of the words a tenant reads: the answer must not map a private network.
        if (error.code === 'address_not_allowed')
          return { ok: false, reason: error.code, detail: 'must not lead to a private or reserved address' };
      }
      return check;
    },
    lookup: createGuardedLookup(resolve),
    checkAddress,
  };
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

function addressCheck(insecure: InsecureTargets): CheckAddress {
  if (insecure === 'all') return (address) => isIP(address) !== 0;
  if (insecure === 'loopback') return (address) => isAllowedAddress(address) || isLoopbackAddress(address);
  return isAllowedAddress;
}
