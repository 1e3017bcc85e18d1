// Public keys by id: a fixed set, or the provider's set behind a fetch. Contract: section "Keys"; design: "Service keys".
//
// The remote set, in full: it is fetched at the first need. A known key answers at once, and when the set is older than
// `refreshMs` a refresh starts in the background. An unknown key makes it refetch first, at most once in `minRefetchMs`.
// A key that left the set is kept for `retainMs`, so that what it signed before can still arrive. A set not confirmed
// for `retainMs` is refreshed before it is trusted. A failing fetch never takes known keys away; where whether a key is
// known cannot be told, `find` rejects with KeySetError, which `verify` turns into `keys_unavailable`.
// All fetches are single flight. It never fetches on a timer: an idle receiver costs nothing.
import { KeyError, KeySetError } from './errors.ts';
import { importVerificationKey } from './key-import.ts';
import type { JwkInput, VerificationKey } from './keys.ts';
import type { KeyLookup } from './verify.ts';

export function staticKeys(keys: readonly VerificationKey[]): KeyLookup {
  const byId = new Map(keys.map((key) => [key.keyId, key]));
  return { find: async (keyId) => byId.get(keyId) };
}

export interface RemoteKeySetOptions {
  /** Gets the JWK set, e.g. by a signed GET of /auth/verify_keys. */
  readonly fetchKeys: () => Promise<{ keys: readonly JwkInput[] }>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Age from which the set is refreshed. Default 10 minutes. */
  readonly refreshMs?: number;
  /** Least time between fetches for unknown keys, and after a failed refresh. Default 1 minute. */
  readonly minRefetchMs?: number;
  /** How long a key is kept after it left the set. Default 24 hours. */
  readonly retainMs?: number;
  /** Told of every failed fetch, also of those in the background that nobody awaits. */
  readonly onFetchError?: (error: KeySetError) => void;
}

export interface RemoteKeySet extends KeyLookup {
  /** Fetches now; rejects with KeySetError. */
  refresh(): Promise<void>;
  /** All keys in use, those that left the set included. */
  keys(): readonly VerificationKey[];
}

interface Entry {
  readonly key: VerificationKey;
  /** When the key was first missing from the set; undefined while it is in it. */
  readonly leftAtMs: number | undefined;
}

/** Wait after the first failed fetch of a set that was never had; doubles up to `minRefetchMs`. */
const firstRetryMs = 1000;

export function remoteKeySet(options: RemoteKeySetOptions): RemoteKeySet {
  const { fetchKeys, now = Date.now, onFetchError } = options;
  const { refreshMs = 600_000, minRefetchMs = 60_000, retainMs = 86_400_000 } = options;
  const entries = new Map<string, Entry>();
  let fetchedAtMs: number | undefined;
  let lastFailure: { readonly atMs: number; readonly error: KeySetError; readonly inARow: number } | undefined;
  let lastUnknownAtMs = Number.NEGATIVE_INFINITY;
  let inFlight: Promise<void> | undefined;

  function refresh(): Promise<void> {
    inFlight ??= load().finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  async function load(): Promise<void> {
    try {
      replaceKeys(readKeySet(await fetchKeys()));
      fetchedAtMs = now();
      lastFailure = undefined;
    } catch (cause) {
      const error =
        cause instanceof KeySetError
          ? cause
          : new KeySetError('keys_unavailable', 'Fetching the key set failed', { cause });
      lastFailure = { atMs: now(), error, inARow: (lastFailure?.inARow ?? 0) + 1 };
      onFetchError?.(error);
      throw error;
    }
  }

  function replaceKeys(current: ReadonlyMap<string, VerificationKey>): void {
    const atMs = now();
    for (const [keyId, { key, leftAtMs = atMs }] of entries)
      if (!current.has(keyId)) entries.set(keyId, { key, leftAtMs });
    for (const [keyId, key] of current) entries.set(keyId, { key, leftAtMs: undefined });
    forgetRetired();
  }

  function forgetRetired(): void {
    for (const [keyId, { leftAtMs }] of entries) {
      if (leftAtMs !== undefined && now() - leftAtMs >= retainMs) entries.delete(keyId);
    }
  }

  function isRestingAfterFailure(restMs: number): boolean {
    return lastFailure !== undefined && now() - lastFailure.atMs < restMs;
  }

  /** The first fetch. Its failures are retried sooner than once a minute, or one blip would cost the first minute. */
  async function loadFirst(): Promise<void> {
    const restMs = Math.min(minRefetchMs, firstRetryMs * 2 ** Math.min((lastFailure?.inARow ?? 1) - 1, 30));
    if (inFlight === undefined && lastFailure !== undefined && isRestingAfterFailure(restMs)) throw lastFailure.error;
    await refresh();
  }

  /** Refreshes an old set. Failures are told to `onFetchError` and the set stays as it is. */
  async function renew(ageMs: number): Promise<void> {
    if (ageMs < refreshMs || isRestingAfterFailure(minRefetchMs)) return;
    const renewal = refresh().catch((error: unknown) => {
      if (!(error instanceof KeySetError)) throw error;
    });
    if (ageMs >= retainMs) await renewal;
  }

  async function refetchUnknown(): Promise<void> {
    if (inFlight === undefined) {
      if (now() - lastUnknownAtMs < minRefetchMs) {
        if (lastFailure !== undefined) throw lastFailure.error;
        return;
      }
      lastUnknownAtMs = now();
    }
    await refresh();
  }

  return {
    async find(keyId) {
      if (fetchedAtMs === undefined) {
        await loadFirst();
        return entries.get(keyId)?.key;
      }
      await renew(now() - fetchedAtMs);
      forgetRetired();
      if (!entries.has(keyId)) await refetchUnknown();
      return entries.get(keyId)?.key;
    },
    refresh,
    keys() {
      forgetRetired();
      return [...entries.values()].map((entry) => entry.key);
    },
  };
}

/** Keys of kinds this package does not know, and keys for encryption, are left out: a set may hold more than we use. */
function readKeySet(answer: unknown): Map<string, VerificationKey> {
  const list = typeof answer === 'object' && answer !== null && 'keys' in answer ? answer.keys : undefined;
  if (!Array.isArray(list)) throw new KeySetError('malformed_key_set', 'The key set has no list of keys');
  const keys = new Map<string, VerificationKey>();
  for (const jwk of list) {
    const key = readKey(jwk);
    if (key !== undefined) keys.set(key.keyId, key);
  }
  return keys;
}

function readKey(jwk: unknown): VerificationKey | undefined {
  if (typeof jwk !== 'object' || jwk === null || !('kid' in jwk) || typeof jwk.kid !== 'string') return undefined;
  if ('use' in jwk && jwk.use !== 'sig') return undefined;
  try {
    return importVerificationKey(jwk.kid, jwk);
  } catch (error) {
    if (error instanceof KeyError) return undefined;
    throw error;
  }
}
