// The real service in this process for attacks on it, on the embedded database or on PostgreSQL, and the peer of the
// conformance tests as its client. The DNS server is a real one on loopback.

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service, type ServiceConfig, startService } from '@bellhop/server';
import { newPeerKey, type PeerAlgorithm, type PeerAnswer, type PeerCredentials, send } from '../conformance/peer.ts';

export const operatorToken = 'operator-token-of-security-tests';

export interface World {
  readonly url: string;
  tenant(algorithm?: PeerAlgorithm): Promise<PeerCredentials>;
  operator(method: string, target: string, body?: unknown): Promise<PeerAnswer>;
  close(): Promise<void>;
}

export async function startWorld(config: Partial<ServiceConfig> = {}): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bellhop-security-'));
  const service: Service = await startService({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    operatorToken,
    logLevel: 'silent',
    insecureTargets: 'none',
    dev: false,
    role: 'all',
    partitions: 2,
    requestsPerSecond: 0,
    operatorRequestsPerSecond: 0,
    ...config,
  });
  return {
    url: service.url,
    async tenant(algorithm = 'Ed25519') {
      const key = newPeerKey(algorithm);
      const credentials = { clientId: randomUUID(), clientSecret: randomUUID(), key };
      await service.ensureTenant({
        clientId: credentials.clientId,
        clientSecret: credentials.clientSecret,
        name: algorithm,
        scopes: ['webhooks:read', 'webhooks:admin'],
        keys: [{ keyId: key.keyId, publicKey: key.publicPem }],
      });
      return credentials;
    },
    operator(method, target, body) {
      const headers = {
        authorization: `Bearer ${operatorToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      return send(service.url, {
        method,
        target,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    },
    async close() {
      await service.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A member of a JSON answer; undefined where there is none. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, name) => Object(inner)[name], value);
}
