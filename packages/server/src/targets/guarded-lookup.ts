// The `lookup` that every outgoing connection of a delivery uses: it answers only when every address of the name may be
// dialled, with the very addresses that were checked, so that a name that changes its mind between check and connect
// (rebinding) gains nothing. net and tls do not call it for IP addresses: whoever connects checks those, and the
// socket's remote address, with `checkAddress`. localhost names mean this machine and are never asked of DNS.
import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { ResolveName } from './name-resolver.ts';
import { TargetError } from './target-error.ts';
import { isLocalhostName } from './url-policy.ts';

export type CheckAddress = (address: string) => boolean;

const loopbackAddresses: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** Throws unless every address may be dialled: a name that mixes public and private ones is refused whole. */
export function judgeAddresses(check: CheckAddress, hostname: string, addresses: readonly LookupAddress[]): void {
  const refused = addresses.find(({ address }) => !check(address));
  if (refused === undefined) return;
  const detail = `${hostname} resolves to ${refused.address}, which may not be called`;
  throw new TargetError('address_not_allowed', hostname, detail);
}

/** Addresses of a host that may be dialled. */
export function createGuardedResolve(resolveName: ResolveName, check: CheckAddress): ResolveName {
  return async (hostname) => {
    const name = hostname.toLowerCase();
    const literal = isIP(name);
    if (literal === 0 && !isLocalhostName(name)) return resolveName(name);
    const addresses = literal === 0 ? loopbackAddresses : [{ address: name, family: literal }];
    judgeAddresses(check, name, addresses);
    return addresses;
  };
}

/** In the form of node's `dns.lookup`, for `net.connect`, `tls.connect` and undici. */
export function createGuardedLookup(resolve: ResolveName): LookupFunction {
  return (hostname, options, callback) => {
    const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0);
    resolve(hostname).then(
      (all) => {
        const addresses = family === 0 ? all : all.filter((each) => each.family === family);
        const [first] = addresses;
        if (first === undefined)
          callback(new TargetError('dns', hostname, `${hostname} has no IPv${family} address`), []);
        else if (options.all === true) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    );
  };
}
