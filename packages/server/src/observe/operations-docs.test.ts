import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { measureCertificates } from '../keys/certificate-metrics.ts';
import { createMetrics } from './metrics.ts';

const folder = new URL('../../../../docs/operations/', import.meta.url);

async function knownNames(): Promise<Set<string>> {
  const registry = new Registry();
  createMetrics({
    registry,
    version: '1',
    sender: () => ({ inFlight: 0, suspectsInFlight: 0, queued: 0, origins: 0, connections: 0 }),
    partitions: () => [],
    standing: async () => ({
      total: 0,
      enabled: 0,
      blocked: 0,
      behind: 0,
      muted: 0,
      oldestAt: null,
      blockedSince: null,
      unownedPartitions: 0,
    }),
    now: () => 0,
    onError: () => {},
  });
  measureCertificates({
    registry,
    notAfter: undefined,
    certificates: { endings: async () => ({ first: null, ended: 0 }) },
    onError: () => {},
  });
  const text = await registry.metrics();
  return new Set([...text.matchAll(/^([a-z_]+)[{ ]/gm)].map(([, name = '']) => name));
}

describe('the Grafana dashboard and the alert rules', () => {
  it('ask only for metrics that the service has', async () => {
    const known = await knownNames();
    for (const file of ['grafana-dashboard.json', 'alerts.yaml']) {
      const text = readFileSync(new URL(file, folder), 'utf8');
      const asked = [...text.matchAll(/\b(?:bellhop|nodejs|process)_[a-z_]+\b(?=[[{)(]|\)| )/g)].map(([name]) => name);
      expect(asked.length, file).toBeGreaterThan(5);
      expect(
        asked.filter((name) => !known.has(name)),
        file,
      ).toEqual([]);
    }
  });
});
