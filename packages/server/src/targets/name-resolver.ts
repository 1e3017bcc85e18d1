// Host names to addresses by c-ares, off the thread pool that signs and that getaddrinfo would block. One answer for all
// callers that ask at the same time, kept for its TTL but at most 30 s, a failure for 1 s, in a bounded map.
// It resolves and caches; whether an address may be dialled is asked of `judge` once, when the answer comes, so that
// what was checked is what is dialled.
import type { LookupAddress, RecordWithTtl } from 'node:dns';
import { Resolver, lookup as systemLookup } from 'node:dns/promises';
import { TargetError } from './target-error.ts';

export interface NameResolverOptions {
  /** `ip` or `ip:port`; default: those of the system. */
  readonly dnsServers?: readonly string[] | undefined;
  /** Ask the system (hosts file, search domains) when DNS does not know the name: development only. */
  readonly useHostsFile: boolean;
  /** Throws TargetError when an address may not be dialled. */
  readonly judge: (hostname: string, addresses: readonly LookupAddress[]) => void;
  readonly timeoutMs?: number;
  readonly now?: () => number;
}

export type ResolveName = (hostname: string) => Promise<readonly LookupAddress[]>;

interface CachedAnswer {
  readonly addresses: Promise<readonly LookupAddress[]>;
  /** Until the answer is there: forever, which makes concurrent callers share it. */
  expiresAtMs: number;
}

interface Answer {
  readonly addresses: readonly LookupAddress[];
  readonly ttlMs: number;
}

const maxCachedNames = 10_000;
const maxTtlMs = 30_000;
const minTtlMs = 1_000;
const failureTtlMs = 1_000;
/** How long the second address family may take after the first one answered. */
const otherFamilyMs = 150;

export function createNameResolver(options: NameResolverOptions): ResolveName {
  const { dnsServers, useHostsFile, judge, timeoutMs = 2_000, now = Date.now } = options;
  // Two tries, because one lost datagram must not fail a delivery; the second waits longer than the first.
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 3), tries: 2 });
  if (dnsServers !== undefined) resolver.setServers([...dnsServers]);
  const cache = new Map<string, CachedAnswer>();

  async function ask(hostname: string): Promise<Answer> {
    const queries = [resolver.resolve4(hostname, { ttl: true }), resolver.resolve6(hostname, { ttl: true })];
    const { records, codes } = await collect(queries, timeoutMs);
    let addresses = records.map(toLookupAddress);
    if (addresses.length === 0 && useHostsFile && codes.every((code) => code === 'ENOTFOUND' || code === 'ENODATA'))
      addresses = await askSystem(hostname);
    if (addresses.length === 0)
      throw new TargetError('dns', hostname, `The name ${hostname} did not resolve (${codes.join(', ')})`);
    judge(hostname, addresses);
    const ttlMs = Math.min(...records.map((record) => record.ttl * 1_000), maxTtlMs);
    return { addresses, ttlMs: Math.max(ttlMs, minTtlMs) };
  }

  function remember(hostname: string): CachedAnswer {
    const answer = ask(hostname);
    const entry: CachedAnswer = {
      addresses: answer.then(({ addresses }) => addresses),
      expiresAtMs: Number.POSITIVE_INFINITY,
    };
    answer.then(
      ({ ttlMs }) => {
        entry.expiresAtMs = now() + ttlMs;
      },
      () => {
        // Callers get the error from `addresses`; here it only starts the clock.
        entry.expiresAtMs = now() + failureTtlMs;
      },
    );
    cache.delete(hostname);
    cache.set(hostname, entry);
    if (cache.size > maxCachedNames) {
      const [oldest] = cache.keys();
      if (oldest !== undefined) cache.delete(oldest);
    }
    return entry;
  }

  return (hostname) => {
    const cached = cache.get(hostname);
    const entry = cached !== undefined && cached.expiresAtMs > now() ? cached : remember(hostname);
    return entry.addresses;
  };
}

interface Collected {
  readonly records: readonly RecordWithTtl[];
  /** c-ares codes of what failed; never empty when there are no records. */
  readonly codes: readonly string[];
}

/** Both families, or what is there a moment after the first success, or nothing when the time is up. */
function collect(queries: readonly Promise<readonly RecordWithTtl[]>[], timeoutMs: number): Promise<Collected> {
  return new Promise((resolve) => {
    const answers: (readonly RecordWithTtl[])[] = queries.map(() => []);
    const codes = new Set<string>();
    let open = queries.length;
    const finish = (): void => {
      clearTimeout(timer);
      // IPv4 first: it is what receivers' allow lists name.
      const records = answers.flat();
      if (records.length === 0 && open > 0) codes.add('ETIMEOUT');
      resolve({ records, codes: [...codes] });
    };
    let timer = setTimeout(finish, timeoutMs);
    const settle = (): void => {
      open -= 1;
      if (open === 0) finish();
    };
    queries.forEach((query, index) => {
      query.then(
        (records) => {
          answers[index] = records;
          if (records.length === 0) codes.add('ENODATA');
          else {
            clearTimeout(timer);
            timer = setTimeout(finish, otherFamilyMs);
          }
          settle();
        },
        (error: unknown) => {
          codes.add(codeOf(error));
          settle();
        },
      );
    });
  });
}

async function askSystem(hostname: string): Promise<LookupAddress[]> {
  try {
    return await systemLookup(hostname, { all: true });
  } catch (cause) {
    throw new TargetError('dns', hostname, `The name ${hostname} did not resolve (${codeOf(cause)})`, { cause });
  }
}

function toLookupAddress({ address }: RecordWithTtl): LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
