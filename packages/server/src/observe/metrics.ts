// The service's metrics for Prometheus: base units (seconds, bytes), `_total` for counters, and labels from closed lists
// only, so that the number of series does not grow with tenants or webhooks. What the database has to tell is asked for
// when somebody scrapes, and at most once in `standingMs`.

import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client';
import { outcomeReasons } from '../delivery/outcome.ts';
import type { SenderStats } from '../delivery/sender.ts';
import type { Observer } from './observer.ts';
import type { Standing } from './overview.ts';

export interface MetricsOptions {
  readonly registry: Registry;
  readonly version: string;
  readonly sender: () => SenderStats;
  readonly partitions: () => readonly { readonly ringBytes: number; readonly lanes: number }[];
  readonly standing: () => Promise<Standing>;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

const shortSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const answerSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const batchSizes = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 10000];

export function createMetrics(options: MetricsOptions): Observer {
  const { registry } = options;
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const published = new Counter({
    name: 'bellhop_published_events_total',
    help: 'Events accepted into the log.',
    registers,
  });
  const duplicates = new Counter({
    name: 'bellhop_duplicate_events_total',
    help: 'Published events whose id the log had already.',
    registers,
  });
  const appendBatch = new Histogram({
    name: 'bellhop_append_batch_events',
    help: 'Events of one append transaction.',
    buckets: batchSizes,
    registers,
  });
  const appendSeconds = new Histogram({
    name: 'bellhop_append_duration_seconds',
    help: 'Time of one append transaction, its commit included.',
    buckets: shortSeconds,
    registers,
  });
  const deliveredEvents = new Counter({
    name: 'bellhop_delivered_events_total',
    help: 'Events (times webhooks) in packages that were answered 2xx.',
    registers,
  });
  const deliveredPackages = new Counter({
    name: 'bellhop_delivered_packages_total',
    help: 'Packages that were answered 2xx.',
    registers,
  });
  const attempts = new Counter({
    name: 'bellhop_attempts_total',
    help: 'Attempts by outcome: ok, or the reason why it failed.',
    labelNames: ['outcome'],
    registers,
  });
  const attemptSeconds = new Histogram({
    name: 'bellhop_attempt_duration_seconds',
    help: 'Time of one attempt, connecting included, by whether it succeeded.',
    labelNames: ['result'],
    buckets: answerSeconds,
    registers,
  });
  const dueToWire = new Histogram({
    name: 'bellhop_due_to_wire_seconds',
    help: 'Time from when a package was due until its first attempt was posted.',
    buckets: shortSeconds,
    registers,
  });
  const signing = new Histogram({
    name: 'bellhop_signing_duration_seconds',
    help: 'Time of one signature, waiting for the thread pool included.',
    buckets: shortSeconds,
    registers,
  });
  const ledgerEntries = new Histogram({
    name: 'bellhop_ledger_batch_entries',
    help: 'Entries of one group commit of cursors and attempts.',
    buckets: batchSizes,
    registers,
  });
  const ledgerSeconds = new Histogram({
    name: 'bellhop_ledger_commit_duration_seconds',
    help: 'Time of one group commit of cursors and attempts.',
    buckets: shortSeconds,
    registers,
  });
  // Every series is there from the start, so that a rate over the first failure is one.
  const byOutcome = new Map(['ok' as const, ...outcomeReasons].map((name) => [name, attempts.labels(name)]));
  for (const counter of byOutcome.values()) counter.inc(0);
  for (const result of ['ok', 'failed']) attemptSeconds.zero({ result });
  const okSeconds = attemptSeconds.labels('ok');
  const failedSeconds = attemptSeconds.labels('failed');

  new Gauge({ name: 'bellhop_info', help: 'The version that runs.', labelNames: ['version'], registers })
    .labels(options.version)
    .set(1);
  senderGauges(options);
  partitionGauges(options);
  standingGauges(options);

  return {
    appended(accepted, repeated, durationMs) {
      published.inc(accepted);
      if (repeated > 0) duplicates.inc(repeated);
      appendBatch.observe(accepted + repeated);
      appendSeconds.observe(durationMs / 1_000);
    },
    attempted(outcome, events, durationMs, dueToWireMs) {
      byOutcome.get(outcome)?.inc();
      if (outcome === 'aborted') return;
      (outcome === 'ok' ? okSeconds : failedSeconds).observe(durationMs / 1_000);
      if (dueToWireMs !== undefined) dueToWire.observe(dueToWireMs / 1_000);
      if (outcome !== 'ok') return;
      deliveredEvents.inc(events);
      deliveredPackages.inc();
    },
    signed: (durationMs) => signing.observe(durationMs / 1_000),
    recorded(entries, durationMs) {
      ledgerEntries.observe(entries);
      ledgerSeconds.observe(durationMs / 1_000);
    },
  };
}

function senderGauges({ registry, sender }: MetricsOptions): void {
  const gauge = (name: string, help: string, read: (stats: SenderStats) => number): void => {
    new Gauge({
      name: `bellhop_sender_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read(sender()));
      },
    });
  };
  gauge('in_flight', 'Attempts that hold a slot.', (stats) => stats.inFlight);
  gauge('suspects_in_flight', 'Of these, tests, and of lanes whose last attempt failed or was slow.', (stats) => {
    return stats.suspectsInFlight;
  });
  gauge('queued', 'Attempts that wait for a slot.', (stats) => stats.queued);
  gauge('origins', 'Origins with open connections.', (stats) => stats.origins);
  gauge('connections', 'Open connections.', (stats) => stats.connections);
}

function partitionGauges({ registry, partitions }: MetricsOptions): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `bellhop_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  gauge('partitions_owned', 'Partitions that this process runs.', () => partitions().length);
  gauge('lanes', 'Webhooks whose lanes this process runs.', () =>
    partitions().reduce((sum, { lanes }) => sum + lanes, 0),
  );
  gauge('ring_bytes', 'Events kept in memory for the lanes.', () =>
    partitions().reduce((sum, { ringBytes }) => sum + ringBytes, 0),
  );
}

/**
 * Over the whole service, the same in every process: take the maximum, not the sum. A scrape collects its gauges at the
 * same time, so each waits for the one reading itself. While the database is away they have no value: the process's own
 * metrics are worth having then too.
 */
function standingGauges({ registry, standing, now, onError }: MetricsOptions): void {
  let reading: Promise<Standing | undefined> | undefined;
  const read = (): Promise<Standing | undefined> => {
    reading ??= standing()
      .catch((error: unknown) => {
        onError(error);
        return undefined;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
  const gauge = (name: string, help: string, numberOf: (seen: Standing) => number): void => {
    new Gauge({
      name: `bellhop_${name}`,
      help: `${help} Over the whole service.`,
      registers: [registry],
      async collect() {
        const seen = await read();
        this.set(seen === undefined ? Number.NaN : numberOf(seen));
      },
    });
  };
  const ageSeconds = (at: Date | null): number => (at === null ? 0 : Math.max(0, (now() - at.getTime()) / 1_000));
  gauge('oldest_undelivered_seconds', 'Age of the oldest event that an enabled webhook has not delivered.', (seen) =>
    ageSeconds(seen.oldestAt),
  );
  gauge('blocked_seconds_max', 'How long the longest blocked webhook has been blocked.', (seen) =>
    ageSeconds(seen.blockedSince),
  );
  gauge(
    'partitions_unowned',
    'Partitions without a live owner: nothing of theirs is delivered.',
    (seen) => seen.unownedPartitions,
  );
  new Gauge({
    name: 'bellhop_standing_up',
    help: 'Whether the gauges over the whole service could be read from the database.',
    registers: [registry],
    async collect() {
      this.set((await read()) === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: 'bellhop_webhooks',
    help: 'Webhooks by state: retrying (blocked), behind, flowing, disabled. Over the whole service.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      const seen = await read();
      const { total, enabled, blocked, behind } = seen ?? noStanding;
      this.set({ state: 'retrying' }, blocked);
      this.set({ state: 'behind' }, behind);
      this.set({ state: 'flowing' }, enabled - blocked - behind);
      this.set({ state: 'disabled' }, total - enabled);
    },
  });
}

const noStanding = { total: Number.NaN, enabled: Number.NaN, blocked: Number.NaN, behind: Number.NaN };
