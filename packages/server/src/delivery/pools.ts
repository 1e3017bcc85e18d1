// Connections to endpoints, pooled by origin and client certificate: the most recently used first (so that a surplus dies of idleness), none
// older than `maxAgeMs`, so that a changed DNS answer is followed. An origin without connections is forgotten; beyond
// `maxOrigins` the one unused for longest is closed. How many run at a time is the caller's limit.
// One undici Client is one connection with one request at a time. Not undici's Pool: it does not tell which connection
// served a request, and whether that one was fresh decides if a closed connection may be tried again at once.
import type { SecureContext } from 'node:tls';
import { Client } from 'undici';
import type { TlsIdentity } from '../keys/tenant-certificates.ts';
import type { TargetPolicy } from '../targets/target-policy.ts';
import type { EgressProxy } from './egress-proxy.ts';
import { createConnector } from './pools-connect.ts';

export interface PoolsOptions {
  readonly policy: TargetPolicy;
  /** For connections without an identity of their own. */
  readonly tls: SecureContext;
  readonly proxy?: EgressProxy | undefined;
  readonly connectTimeoutMs: number;
  readonly maxOrigins: number;
  readonly maxAgeMs: number;
  /** Idle connections are closed after this, or earlier where the answer's `keep-alive` says so. */
  readonly idleTimeoutMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Its state belongs to the pools. */
export interface Connection {
  /** Of the pool it belongs to: the origin, and the identity if there is one. */
  readonly pool: string;
  readonly client: Client;
  /** An answer came on this very socket before: it may have gone stale while idle. */
  served: boolean;
  connected: boolean;
  connectedAtMs: number;
  readonly destroy: () => Promise<void>;
}

export interface Pools {
  readonly origins: number;
  readonly connections: number;
  /** An idle connection, or a new one; `fresh` asks for a new one. It connects with its first request. */
  take(origin: string, fresh?: boolean, identity?: TlsIdentity): Connection;
  /** Back to the pool, after a complete answer. */
  give(connection: Connection): void;
  /** Closes it at once, with whatever runs on it. */
  drop(connection: Connection): void;
  close(): Promise<void>;
}

interface Origin {
  readonly all: Set<Connection>;
  /** A stack. */
  readonly idle: Connection[];
}

export function createPools(options: PoolsOptions): Pools {
  const { maxOrigins, maxAgeMs, now } = options;
  // In order of use, the latest last.
  const origins = new Map<string, Origin>();
  let connections = 0;
  let closed = false;

  function use(name: string): Origin {
    const origin = origins.get(name) ?? { all: new Set(), idle: [] };
    origins.delete(name);
    origins.set(name, origin);
    return origin;
  }

  function open(name: string, url: string, identity: TlsIdentity | undefined): Connection {
    const connection = openConnection(name, url, identity, options, (idle) => {
      if (origins.get(name)?.idle.includes(idle) === true) remove(idle);
    });
    use(name).all.add(connection);
    connections += 1;
    return connection;
  }

  function remove(connection: Connection): void {
    const origin = origins.get(connection.pool);
    if (origin?.all.delete(connection) !== true) return;
    connections -= 1;
    const index = origin.idle.indexOf(connection);
    if (index !== -1) origin.idle.splice(index, 1);
    if (origin.all.size === 0) origins.delete(connection.pool);
    void connection.destroy();
  }

  function takeIdle(name: string): Connection | undefined {
    const { idle } = use(name);
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (now() - connection.connectedAtMs < maxAgeMs) return connection;
      remove(connection);
    }
    return undefined;
  }

  function evictUnused(): void {
    for (const { all, idle } of origins.values()) {
      if (origins.size <= maxOrigins) return;
      if (idle.length === all.size) for (const connection of [...all]) remove(connection);
    }
  }

  return {
    get origins() {
      return origins.size;
    },
    get connections() {
      return connections;
    },
    take(url, fresh = false, identity = undefined) {
      if (closed) throw new TypeError('The pools are closed');
      const name = identity === undefined ? url : `${url} ${identity.id}`;
      const connection = (fresh ? undefined : takeIdle(name)) ?? open(name, url, identity);
      evictUnused();
      return connection;
    },
    give(connection) {
      connection.served = true;
      const origin = origins.get(connection.pool);
      if (origin?.all.has(connection) !== true) return;
      if (connection.connected) origin.idle.push(connection);
      else remove(connection);
    },
    drop: remove,
    async close() {
      closed = true;
      const open = [...origins.values()].flatMap(({ all }) => [...all]);
      origins.clear();
      connections = 0;
      await Promise.all(open.map((connection) => connection.destroy()));
    },
  };
}

function openConnection(
  pool: string,
  origin: string,
  identity: TlsIdentity | undefined,
  options: PoolsOptions,
  onDisconnect: (it: Connection) => void,
): Connection {
  const { policy, proxy, connectTimeoutMs, idleTimeoutMs, now } = options;
  const tls = identity?.context ?? options.tls;
  const connector = createConnector({ policy, tls, proxy, timeoutMs: connectTimeoutMs });
  const client = new Client(origin, {
    connect: connector.connect,
    pipelining: 1,
    // The sender's own timer bounds the whole attempt, and more finely than undici's.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: idleTimeoutMs,
  });
  const connection: Connection = {
    pool,
    client,
    served: false,
    connected: false,
    connectedAtMs: now(),
    destroy: () => {
      connector.abandon();
      return client.destroy();
    },
  };
  client.on('connect', () => {
    connection.connected = true;
    connection.served = false;
    connection.connectedAtMs = now();
  });
  client.on('disconnect', () => {
    connection.connected = false;
    onDisconnect(connection);
  });
  return connection;
}
