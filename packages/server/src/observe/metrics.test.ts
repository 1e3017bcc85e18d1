import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { outcomeReasons } from '../delivery/outcome.ts';
import { createMetrics } from './metrics.ts';

const standing = {
  total: 10,
  enabled: 9,
  blocked: 2,
  behind: 3,
  muted: 1,
  oldestAt: new Date(40_000),
  blockedSince: new Date(10_000),
  unownedPartitions: 1,
};

function start(read: () => Promise<typeof standing> = async () => standing) {
  const registry = new Registry();
  const errors: unknown[] = [];
  const observer = createMetrics({
    registry,
    version: '1.2.3',
    sender: () => ({ inFlight: 4, suspectsInFlight: 1, queued: 7, origins: 2, connections: 5 }),
    partitions: () => [
      { ringBytes: 100, lanes: 3 },
      { ringBytes: 50, lanes: 2 },
    ],
    standing: read,
    now: () => 100_000,
    onError: (error) => errors.push(error),
  });
  return { registry, observer, errors };
}

describe('metrics', () => {
  it('count what the observer is told, in seconds and events', async () => {
    const { registry, observer } = start();
    observer.appended(100, 3, 12);
    observer.attempted('ok', 40, 20, 3);
    observer.attempted('status_5xx', 40, 2_000, undefined);
    observer.signed(2);
    observer.recorded(8, 4);
    const text = await registry.metrics();
    for (const line of [
      'bellhop_published_events_total 100',
      'bellhop_duplicate_events_total 3',
      'bellhop_append_batch_events_sum 103',
      'bellhop_append_duration_seconds_sum 0.012',
      'bellhop_delivered_events_total 40',
      'bellhop_delivered_packages_total 1',
      'bellhop_attempts_total{outcome="ok"} 1',
      'bellhop_attempts_total{outcome="status_5xx"} 1',
      'bellhop_attempt_duration_seconds_sum{result="failed"} 2',
      'bellhop_due_to_wire_seconds_count 1',
      'bellhop_signing_duration_seconds_sum 0.002',
      'bellhop_ledger_batch_entries_sum 8',
      'bellhop_sender_in_flight 4',
      'bellhop_sender_queued 7',
      'bellhop_partitions_owned 2',
      'bellhop_lanes 5',
      'bellhop_ring_bytes 150',
      'bellhop_webhooks{state="retrying"} 2',
      'bellhop_webhooks{state="flowing"} 4',
      'bellhop_webhooks{state="disabled"} 1',
      'bellhop_oldest_undelivered_seconds 60',
      'bellhop_blocked_seconds_max 90',
      'bellhop_partitions_unowned 1',
      'bellhop_info{version="1.2.3"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toContain('nodejs_eventloop_lag_seconds');
  });

  it('have a series for every outcome from the start, and none for anything without bound', async () => {
    const { registry, observer } = start();
    const seriesOf = (text: string) => text.split('\n').filter((line) => line.startsWith('bellhop_')).length;
    const before = await registry.metrics();
    for (const reason of outcomeReasons) expect(before).toContain(`bellhop_attempts_total{outcome="${reason}"} 0\n`);
    for (let events = 1; events < 500; events += 1) observer.attempted('ok', events, events, events);
    expect(seriesOf(await registry.metrics())).toBe(seriesOf(before));
  });

  it("tell the process's own numbers also while the database is away", async () => {
    const { registry, errors } = start(() => Promise.reject(new Error('away')));
    const text = await registry.metrics();
    expect(text).toContain('bellhop_standing_up 0\n');
    expect(text).toContain('bellhop_sender_in_flight 4\n');
    expect(errors).toHaveLength(1);
  });

  it('are named by the conventions: base units, and _total for counters only', async () => {
    const { registry } = start();
    for (const { name, type } of await registry.getMetricsAsJSON()) {
      if (!name.startsWith('bellhop_')) continue;
      expect(name.endsWith('_total'), name).toBe(String(type) === 'counter');
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|kib)(_|$)/);
    }
  });
});
