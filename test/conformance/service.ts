// The real service in this process, with tenants whose keys the peer made, for tests of the wire.

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startService } from '@bellhop/server';
import { newPeerKey, type PeerAlgorithm, type PeerCredentials, send } from './peer.ts';

const operatorToken = 'operator-token-of-conformance-tests';

export interface WireService {
  readonly url: string;
  tenant(algorithm?: PeerAlgorithm, scopes?: readonly string[]): Promise<PeerCredentials>;
  operator(method: string, target: string, body?: unknown): Promise<unknown>;
  /** Publishes and resolves when the events are committed. */
  publish(clientId: string, events: readonly Record<string, unknown>[]): Promise<void>;
  close(): Promise<void>;
}

export async function startWireService(insecureTargets: 'none' | 'loopback' = 'loopback'): Promise<WireService> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bellhop-wire-'));
  const service = await startService({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    operatorToken,
    logLevel: 'silent',
    insecureTargets,
    dev: false,
    role: 'all',
    partitions: 2,
    // A 429 would hide what a request is really answered.
    requestsPerSecond: 0,
  });
  const wire: WireService = {
    url: service.url,
    async tenant(algorithm = 'P-521', scopes = ['webhooks:read', 'webhooks:admin']) {
      const key = newPeerKey(algorithm);
      const credentials = { clientId: randomUUID(), clientSecret: randomUUID(), key };
      await service.ensureTenant({
        clientId: credentials.clientId,
        clientSecret: credentials.clientSecret,
        name: algorithm,
        scopes,
        keys: [{ keyId: key.keyId, publicKey: key.publicPem }],
      });
      return credentials;
    },
    async operator(method, target, body) {
      const headers = {
        authorization: `Bearer ${operatorToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const text = body === undefined ? undefined : JSON.stringify(body);
      const answer = await send(service.url, { method, target, headers, body: text });
      if (answer.status >= 300) throw new Error(`${method} ${target}: ${answer.status} ${answer.text}`);
      return answer.json;
    },
    async publish(clientId, events) {
      await wire.operator('POST', '/operator/events', { client_id: clientId, events });
    },
    async close() {
      await service.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return wire;
}
