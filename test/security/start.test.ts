// What a start makes of the settings that protect: the key-encryption key, certificates and lists that cannot be read, and
// the limits that hold when nobody sets any.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServiceConfig, StartError } from '@bellhop/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPeer } from '../conformance/peer.ts';
import { at, startWorld } from './world.ts';

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'bellhop-start-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

async function codeOf(config: Partial<ServiceConfig>): Promise<string> {
  try {
    await (await startWorld(config)).close();
    return 'started';
  } catch (error) {
    return error instanceof StartError ? error.code : String(error);
  }
}

describe('a start', () => {
  it('needs the key-encryption key that the signing keys were encrypted with', async () => {
    const keyEncryptionKey = 'one key-encryption key, 32 and more';
    expect(await codeOf({ dataDir, keyEncryptionKey })).toBe('started');
    expect(await codeOf({ dataDir, keyEncryptionKey })).toBe('started');
    expect(await codeOf({ dataDir, keyEncryptionKey: 'another one' })).toBe('key_encryption_key');
    expect(await codeOf({ dataDir })).toBe('key_encryption_key');
    const changed = { keyEncryptionKey: 'another one', previousKeyEncryptionKey: keyEncryptionKey };
    expect(await codeOf({ dataDir, ...changed })).toBe('started');
    expect(await codeOf({ dataDir, keyEncryptionKey: changed.keyEncryptionKey })).toBe('started');
    expect(await codeOf({ dataDir, keyEncryptionKey })).toBe('key_encryption_key');
  });

  it.each<[string, Partial<ServiceConfig>]>([
    ['a client certificate', { deliveryTls: { clientCert: { cert: 'x', key: 'x' } } }],
    ['an authority', { deliveryTls: { ca: 'x' } }],
    ['an egress list', { egress: { deny: ['10.0.0.0/99'] } }],
    ['a proxy', { egressProxy: 'https://user:hunter2@proxy' }],
  ])('refuses %s that cannot be read', async (_, config) => {
    expect(await codeOf(config)).toBe('settings_unreadable');
  });

  it('has a rate limit that nobody set, and none where it is switched off', async () => {
    const world = await startWorld({ requestsPerSecond: undefined });
    try {
      const shown = await world.operator('GET', '/operator/system');
      expect(at(shown.json, 'settings', 'requests_per_second')).toBe(200);
      const peer = createPeer(world.url, await world.tenant());
      const answers = await Promise.all(
        Array.from({ length: 700 }, () => peer.call('GET', '/events-acceptor-service/health')),
      );
      const statuses = new Set(answers.map(({ status }) => status));
      expect([...statuses].filter((status) => status !== 200 && status !== 429)).toEqual([]);
      expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(400);
    } finally {
      await world.close();
    }
  });

  it('shows the lists and the certificate in force, and no secret', async () => {
    const world = await startWorld({
      egress: { allow: ['*.example.com'] },
      egressProxy: 'http://user:hunter2@127.0.0.1:9',
      keyEncryptionKey: 'hunter2 hunter2 hunter2 hunter2 h',
    });
    try {
      const shown = await world.operator('GET', '/operator/system');
      expect(at(shown.json, 'settings')).toMatchObject({
        egress_allow: '*.example.com',
        egress_proxy: true,
        private_keys_encrypted: true,
        delivery_certificate_not_after: null,
      });
      expect(shown.text).not.toContain('hunter2');
      const metrics = await world.operator('GET', '/metrics');
      expect(metrics.text).toMatch(
        /^bellhop_delivery_certificate_not_after_timestamp_seconds\{owner="service"\} nan$/im,
      );
    } finally {
      await world.close();
    }
  });
});
