// Metrics of a handler for Prometheus or OpenTelemetry: `@bellhop/handler/metrics`. Neither is a dependency: `prometheus` takes
// the module `prom-client`, `openTelemetry` a meter, and anything else can be a `MetricSink`. Labels come from closed sets, but
// the type of an event, which only the sender can choose. Times in seconds.
import { isEventType } from '@bellhop/events/lookup';
import type { Hooks } from './hooks.ts';
import type { InboxStats } from './inbox/inbox.ts';

type Labels = Readonly<Record<string, string>>;

export interface MetricSink {
  count(metric: Metric, by: number, labels: Labels): void;
  observe(metric: Metric, seconds: number, labels: Labels): void;
  /** `read` is called at each collection. */
  gauge(metric: Metric, read: () => Promise<number>): void;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

const metric = (name: string, help: string, ...labels: string[]): Metric => ({
  name: `bellhop_handler_${name}`,
  help,
  labels,
});

const received = metric('events_received_total', 'Events stored; with those that were found to be known later');
const duplicates = metric('events_duplicate_total', 'Events that were known already');
const packages = metric('packages_received_total', 'Packages stored and acknowledged');
const rejected = metric('packages_rejected_total', 'Requests refused, by reason', 'reason', 'status');
const processed = metric('events_processed_total', 'Events processed', 'type', 'outcome');
const failed = metric('listener_failures_total', 'Runs of a listener that failed', 'type');
const parked = metric('events_parked_total', 'Events given up as dead letters', 'type');
const slow = metric('listeners_slow_total', 'Runs of a listener that took longer than slowListenerMs', 'type');
const inboxErrors = metric('inbox_errors_total', 'Failures of the inbox while processing', 'operation');
const duration = metric('processing_seconds', 'Time a listener took, with its transaction', 'type');
const lag = metric('lag_seconds', 'Time from receiving an event to having processed it', 'type');
const gauges: readonly (readonly [Metric, (stats: InboxStats) => number])[] = [
  [metric('inbox_waiting', 'Events that wait'), (stats) => stats.waiting],
  [metric('inbox_running', 'Events being processed'), (stats) => stats.running],
  [metric('inbox_retrying', 'Failed events that will run again'), (stats) => stats.retrying],
  [metric('inbox_parked', 'Dead letters'), (stats) => stats.parked],
  [metric('inbox_blocked_keys', 'Keys blocked by a failed event'), (stats) => stats.blockedKeys],
  [metric('inbox_oldest_seconds', 'Age of the oldest open event'), (stats) => stats.oldestMs / 1000],
];

/** Hooks that count: the option `metrics` of `createHandler`. */
export function metricHooks(sink: MetricSink): Hooks {
  return {
    onReceived(fact) {
      sink.count(packages, 1, {});
      sink.count(received, fact.stored, {});
      sink.count(duplicates, fact.duplicates, {});
    },
    onDuplicates: ({ count }) => sink.count(duplicates, count, {}),
    onRejected: ({ reason, status }) => sink.count(rejected, 1, { reason, status: String(status) }),
    onProcessed({ type, outcome, durationMs, lagMs }) {
      sink.count(processed, 1, { type: known(type), outcome });
      sink.observe(duration, durationMs / 1000, { type: known(type) });
      sink.observe(lag, lagMs / 1000, { type: known(type) });
    },
    onFailed: ({ type }) => sink.count(failed, 1, { type: known(type) }),
    onParked: ({ type }) => sink.count(parked, 1, { type: known(type) }),
    onSlow: ({ type }) => sink.count(slow, 1, { type: known(type) }),
    onInboxError: ({ operation }) => sink.count(inboxErrors, 1, { operation }),
  };
}

/** Gauges of the inbox, read at each collection in one query. */
export function inboxGauges(sink: MetricSink, handler: { readonly inbox: { stats(): Promise<InboxStats> } }): void {
  let reading: Promise<InboxStats> | undefined;
  const stats = (): Promise<InboxStats> => {
    reading ??= handler.inbox.stats().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  for (const [gauge, pick] of gauges) sink.gauge(gauge, async () => pick(await stats()));
}

/** Types that the catalogue does not know share one label, so that a sender cannot make ever more of them. */
function known(type: string): string {
  return isEventType(type) ? type : 'other';
}

interface PromOptions {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  readonly registers?: never[];
  collect?(): Promise<void>;
}

interface PromClient {
  readonly Counter: new (options: PromOptions) => { inc(labels: Record<string, string>, by: number): void };
  readonly Histogram: new (options: PromOptions) => { observe(labels: Record<string, string>, value: number): void };
  readonly Gauge: new (options: PromOptions) => { set(value: number): void };
}

/** `prometheus(await import('prom-client'))`: metrics in its default registry. Once a process. */
export function prometheus(client: PromClient): MetricSink {
  const counters = new Map<string, InstanceType<PromClient['Counter']>>();
  const histograms = new Map<string, InstanceType<PromClient['Histogram']>>();
  const optionsOf = ({ name, help, labels }: Metric): PromOptions => ({ name, help, labelNames: [...labels] });
  return {
    count: (which, by, labels) =>
      once(counters, which, () => new client.Counter(optionsOf(which))).inc({ ...labels }, by),
    observe: (which, seconds, labels) =>
      once(histograms, which, () => new client.Histogram(optionsOf(which))).observe({ ...labels }, seconds),
    gauge(which, read) {
      const gauge = new client.Gauge({
        ...optionsOf(which),
        async collect() {
          gauge.set(await read());
        },
      });
    },
  };
}

interface Instrument {
  readonly description: string;
  readonly unit?: string;
}

interface OpenTelemetryMeter {
  createCounter(name: string, options: Instrument): { add(by: number, attributes: Record<string, string>): void };
  createHistogram(name: string, options: Instrument): { record(by: number, attributes: Record<string, string>): void };
  createObservableGauge(
    name: string,
    options: Instrument,
  ): { addCallback(callback: (result: { observe(value: number): void }) => Promise<void>): void };
}

/** `openTelemetry(metrics.getMeter('webhooks'))`. */
export function openTelemetry(meter: OpenTelemetryMeter): MetricSink {
  const counters = new Map<string, ReturnType<OpenTelemetryMeter['createCounter']>>();
  const histograms = new Map<string, ReturnType<OpenTelemetryMeter['createHistogram']>>();
  return {
    count: (which, by, labels) =>
      once(counters, which, () => meter.createCounter(which.name, { description: which.help })).add(by, { ...labels }),
    observe: (which, seconds, labels) =>
      once(histograms, which, () => meter.createHistogram(which.name, { description: which.help, unit: 's' })).record(
        seconds,
        { ...labels },
      ),
    gauge(which, read) {
      meter
        .createObservableGauge(which.name, { description: which.help })
        .addCallback(async (result) => result.observe(await read()));
    },
  };
}

function once<T>(made: Map<string, T>, { name }: Metric, make: () => T): T {
  const known = made.get(name);
  if (known !== undefined) return known;
  const created = make();
  made.set(name, created);
  return created;
}
