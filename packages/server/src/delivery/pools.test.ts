import { describe, expect, it, vi } from 'vitest';
import { createTargetPolicy } from '../targets/target-policy.ts';
import { createPools, type Pools, type PoolsOptions } from './pools.ts';
import { startHttp } from './sender.fixture.ts';
import { type Exchange, exchange } from './sender-exchange.ts';
import { createTlsContext } from './tls.ts';

function testPools(options: Partial<PoolsOptions> = {}): Pools {
  const defaults = { connectTimeoutMs: 1_000, maxOrigins: 10, maxAgeMs: 1_000, idleTimeoutMs: 60_000, now: () => 0 };
  const policy = createTargetPolicy({ insecure: 'loopback' });
  return createPools({ ...defaults, policy, tls: createTlsContext({}), ...options });
}

async function post(pools: Pools, origin: string, fresh = false): Promise<Exchange> {
  const connection = pools.take(origin, fresh);
  const { signal } = new AbortController();
  const request = { requestTarget: '/', headers: {}, body: Buffer.from('x'), maxResponseBytes: 99, excerptBytes: 9 };
  const result = await exchange(connection.client, { ...request, signal });
  if (result.reusable) pools.give(connection);
  else pools.drop(connection);
  return result;
}

describe('pools', () => {
  it('use a connection until it is too old, then close it and open another', async () => {
    await using endpoint = await startHttp((_request, response) => response.end());
    let nowMs = 0;
    const pools = testPools({ now: () => nowMs });
    const origin = new URL(endpoint.url).origin;
    await post(pools, origin);
    nowMs = 999;
    await post(pools, origin);
    expect(endpoint.connections).toBe(1);
    nowMs = 1_000;
    await post(pools, origin);
    expect(endpoint.connections).toBe(2);
    expect([pools.origins, pools.connections]).toEqual([1, 1]);
    await pools.close();
  });

  it('open a new connection when a fresh one is asked for, and keep both', async () => {
    await using endpoint = await startHttp((_request, response) => response.end());
    const pools = testPools();
    const origin = new URL(endpoint.url).origin;
    await post(pools, origin);
    await post(pools, origin, true);
    expect([endpoint.connections, pools.connections]).toEqual([2, 2]);
    await pools.close();
    expect([pools.origins, pools.connections]).toEqual([0, 0]);
    expect(() => pools.take(origin)).toThrow(TypeError);
  });

  it('forget an origin whose last idle connection was closed', async () => {
    await using endpoint = await startHttp((_request, response) => response.end());
    const pools = testPools({ idleTimeoutMs: 1 });
    await post(pools, new URL(endpoint.url).origin);
    await vi.waitFor(() => expect([pools.origins, pools.connections]).toEqual([0, 0]));
    await pools.close();
  });

  it('open nothing and count nothing for a connection that was refused', async () => {
    const gone = await startHttp((_request, response) => response.end());
    await gone[Symbol.asyncDispose]();
    const pools = testPools();
    await post(pools, new URL(gone.url).origin);
    expect([pools.origins, pools.connections]).toEqual([0, 0]);
    await pools.close();
  });

  it('do not connect to an IP address that may not be called, though no lookup is asked for it', async () => {
    await using endpoint = await startHttp((_request, response) => response.end());
    const pools = testPools({ policy: createTargetPolicy({ insecure: 'none' }) });
    for (const host of ['127.0.0.1', '[::1]', '[::ffff:7f00:1]', '2130706433']) {
      const { error } = await post(pools, `http://${host}:${endpoint.port}`);
      expect(error).toMatchObject({ reason: 'address_not_allowed' });
    }
    expect(endpoint.connections).toBe(0);
    await pools.close();
  });
});
