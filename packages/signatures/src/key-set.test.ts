import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  generateSigningKey,
  KeySetError,
  type PublicJwk,
  publicJwk,
  type RemoteKeySet,
  type RemoteKeySetOptions,
  remoteKeySet,
} from './index.ts';

const minute = 60_000;
const hour = 60 * minute;

let nowMs = 0;
let published: readonly unknown[] = [];
let fetches = 0;
let isDown = false;
/** While set, fetches wait for it. */
let gate: Promise<void> | undefined;
let jwks: Record<'a' | 'b' | 'c', PublicJwk>;

beforeAll(async () => {
  const make = async (keyId: string) => publicJwk(await generateSigningKey(keyId, 'ed25519'));
  jwks = { a: await make('a'), b: await make('b'), c: await make('c') };
});

beforeEach(() => {
  nowMs = 1_780_000_000_000;
  published = [jwks.a];
  fetches = 0;
  isDown = false;
  gate = undefined;
});

async function fetchKeys(): Promise<{ keys: readonly PublicJwk[] }> {
  fetches++;
  await gate;
  if (isDown) throw new Error('connection refused');
  return JSON.parse(JSON.stringify({ keys: published }));
}

function keySet(options: Partial<RemoteKeySetOptions> = {}): RemoteKeySet {
  return remoteKeySet({ fetchKeys, now: () => nowMs, ...options });
}

async function find(keys: RemoteKeySet, keyId: string): Promise<string | undefined> {
  return keys.find(keyId).then(
    (key) => key?.keyId,
    (error: unknown) => (error instanceof KeySetError ? error.code : String(error)),
  );
}

/** Everything here runs on promises alone, so one turn of the event loop ends whatever runs in the background. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('remoteKeySet', () => {
  it('fetches once for many concurrent lookups, and not again while fresh', async () => {
    const keys = keySet();
    expect(await Promise.all(['a', 'a', 'a', 'b'].map((keyId) => find(keys, keyId)))).toEqual([
      'a',
      'a',
      'a',
      undefined,
    ]);
    expect(fetches).toBe(1);
    nowMs += 10 * minute - 1;
    expect(await find(keys, 'a')).toBe('a');
    expect(fetches).toBe(1);
  });

  it('answers a known key at once while an old set refreshes behind it', async () => {
    const keys = keySet();
    await find(keys, 'a');
    published = [jwks.a, jwks.b];
    nowMs += 10 * minute;
    let open = (): void => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    expect(await find(keys, 'a')).toBe('a');
    expect(fetches).toBe(2);
    expect(keys.keys().map((key) => key.keyId)).toEqual(['a']);
    open();
    await settled();
    expect(await find(keys, 'b')).toBe('b');
    expect(fetches).toBe(2);
  });

  it('refetches for an unknown key, at most once a minute', async () => {
    const keys = keySet();
    await find(keys, 'a');
    published = [jwks.a, jwks.b];
    expect(await find(keys, 'b')).toBe('b');
    expect(fetches).toBe(2);
    published = [jwks.a, jwks.b, jwks.c];
    nowMs += minute - 1;
    expect(await find(keys, 'c')).toBeUndefined();
    expect(fetches).toBe(2);
    nowMs += 1;
    expect(await Promise.all([find(keys, 'c'), find(keys, 'c'), find(keys, 'd')])).toEqual(['c', 'c', undefined]);
    expect(fetches).toBe(3);
  });

  it('keeps a key for 24 h after it left the set, and no longer', async () => {
    const keys = keySet();
    await find(keys, 'a');
    published = [jwks.b];
    nowMs += hour;
    await keys.refresh();
    expect(keys.keys().map((key) => key.keyId)).toEqual(['a', 'b']);
    nowMs += 23 * hour;
    await keys.refresh();
    nowMs += hour - 1;
    expect(await find(keys, 'a')).toBe('a');
    await settled();
    nowMs += 1;
    expect(await find(keys, 'a')).toBeUndefined();
    expect(keys.keys().map((key) => key.keyId)).toEqual(['b']);
  });

  it('starts the 24 h anew for a key that came back', async () => {
    const keys = keySet();
    await find(keys, 'a');
    for (const set of [[jwks.b], [jwks.a, jwks.b]]) {
      published = set;
      nowMs += 20 * hour;
      await keys.refresh();
    }
    nowMs += 20 * hour;
    published = [jwks.b];
    await keys.refresh();
    expect(await find(keys, 'a')).toBe('a');
  });

  it('goes on with known keys while the set cannot be fetched, and tells of each failure', async () => {
    const failures: KeySetError[] = [];
    const keys = keySet({ onFetchError: (error) => failures.push(error) });
    await find(keys, 'a');
    isDown = true;
    nowMs += 11 * minute;
    expect(await find(keys, 'a')).toBe('a');
    await expect(keys.refresh()).rejects.toThrow(KeySetError);
    expect(await find(keys, 'a')).toBe('a');
    nowMs += 48 * hour;
    expect(await find(keys, 'a')).toBe('a');
    expect(failures.length).toBe(fetches - 1);
    expect(failures[0]?.cause).toEqual(new Error('connection refused'));
  });

  it('does not retry a failed background refresh more than once a minute', async () => {
    const keys = keySet();
    await find(keys, 'a');
    isDown = true;
    nowMs += 11 * minute;
    await find(keys, 'a');
    await expect(keys.refresh()).rejects.toThrow(KeySetError);
    const before = fetches;
    nowMs += minute - 1;
    await find(keys, 'a');
    expect(fetches).toBe(before);
    nowMs += 1;
    await find(keys, 'a');
    expect(fetches).toBe(before + 1);
  });

  it('says for an unknown key that it cannot be told while the set cannot be fetched', async () => {
    const keys = keySet();
    await find(keys, 'a');
    isDown = true;
    expect(await find(keys, 'b')).toBe('keys_unavailable');
    expect(await find(keys, 'b')).toBe('keys_unavailable');
    expect(fetches).toBe(2);
    isDown = false;
    nowMs += minute;
    expect(await find(keys, 'b')).toBeUndefined();
  });

  it('retries a set it never had after 1, 2, 4 s and so on up to a minute', async () => {
    isDown = true;
    const keys = keySet();
    expect(await find(keys, 'a')).toBe('keys_unavailable');
    for (const waitMs of [1000, 2000, 4000, 8000, 16_000, 32_000, minute, minute]) {
      const before = fetches;
      nowMs += waitMs - 1;
      expect(await find(keys, 'a')).toBe('keys_unavailable');
      expect(fetches).toBe(before);
      nowMs += 1;
      expect(await find(keys, 'a')).toBe('keys_unavailable');
      expect(fetches).toBe(before + 1);
    }
    isDown = false;
    nowMs += minute;
    expect(await find(keys, 'a')).toBe('a');
  });

  it('confirms a set older than the retention before it trusts it', async () => {
    const keys = keySet();
    await find(keys, 'a');
    published = [jwks.b];
    nowMs += 24 * hour;
    expect(await find(keys, 'b')).toBe('b');
    expect(fetches).toBe(2);
  });

  it('leaves out keys it cannot use and refuses an answer that is no key set', async () => {
    published = [
      null,
      7,
      {},
      { kid: 'rsa', kty: 'RSA', n: 'AQAB', e: 'AQAB' },
      { ...jwks.b, use: 'enc' },
      { ...jwks.a, use: 'sig' },
    ];
    const keys = keySet();
    await keys.refresh();
    expect(keys.keys().map((key) => key.keyId)).toEqual(['a']);
    const malformed = keySet({ fetchKeys: async () => JSON.parse('{"keys":{}}') });
    await expect(malformed.refresh()).rejects.toMatchObject({ code: 'malformed_key_set' });
    expect(await find(malformed, 'a')).toBe('malformed_key_set');
  });
});
