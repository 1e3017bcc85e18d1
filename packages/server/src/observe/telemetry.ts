// OpenTelemetry, when somebody set it up: an SDK registered in this process before the service starts (`node --import`).
// Without one nothing here runs, and no call on the way of an event knows that it could.
//
//   publish ── append            one call and its transaction; child of the caller's `traceparent`
//   package ── attempt, attempt  one package and its posts, linked to the publishes of its events
//
// A publish and a package are linked, not nested: a package carries events of many publishes, hours later when it was
// blocked. The links are kept in memory, of the newest appends of this process: a package posted by another process, or
// after a restart, has none. A span holds ids and counts, never a URL, a body or a secret.

import type { Context, Link, Meter, Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { AttemptRow, Ledger } from '../delivery/ledger.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Signals } from '../store/signals.ts';
import type { Observer } from './observer.ts';

type Api = typeof import('@opentelemetry/api');

export interface Telemetry {
  readonly observer: Observer;
  log(log: EventLog): EventLog;
  ledger(ledger: Ledger): Ledger;
  /** A publishing call: what it appends belongs to it. */
  publishing<T extends { readonly status: number }>(headers: Headers, work: () => Promise<T>): Promise<T>;
}

const name = '@bellhop/server';
const maxAppends = 1_000;
const maxOpenPackages = 10_000;
const maxLinks = 32;

/** Undefined when the API is not installed or no SDK is registered. */
export async function openTelemetry(
  signals: Pick<Signals, 'onAppended'>,
  version: string,
): Promise<Telemetry | undefined> {
  const api = await loadApi();
  if (!api) return undefined;
  const tracer = api.trace.getTracer(name, version);
  // Without an SDK spans have no identity; this one is never ended and so never exported.
  if (!api.isSpanContextValid(tracer.startSpan('start').spanContext())) return undefined;
  const spans = createSpans(api, tracer);
  signals.onAppended((partition, stored) => {
    if (stored) spans.appended(partition, stored.events);
  });
  return { ...spans, observer: otelObserver(api.metrics.getMeter(name, version)) };
}

async function loadApi(): Promise<Api | undefined> {
  try {
    return await import('@opentelemetry/api');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

interface Appended {
  readonly partition: number;
  readonly clientId: string;
  readonly first: number;
  readonly last: number;
  readonly context: SpanContext;
}

interface Spans extends Pick<Telemetry, 'log' | 'ledger' | 'publishing'> {
  appended(
    partition: number,
    events: readonly { readonly id: string; readonly clientId: string; readonly offset: number }[],
  ): void;
}

function createSpans(api: Api, tracer: Tracer): Spans {
  const { context, propagation, SpanKind, SpanStatusCode, trace } = api;
  /** Of events whose append is under way, by tenant and id. */
  const publishers = new Map<string, SpanContext>();
  let appends: Appended[] = [];
  /** Packages that are not delivered yet. */
  const packages = new Map<string, Span>();

  const fail = (span: Span, message: string): void => {
    span.setStatus({ code: SpanStatusCode.ERROR, message });
  };

  async function within<T>(span: Span, work: () => Promise<T>, done: (result: T) => void): Promise<T> {
    try {
      const result = await context.with(trace.setSpan(context.active(), span), work);
      done(result);
      return result;
    } catch (error) {
      fail(span, error instanceof Error ? error.name : 'error');
      throw error;
    } finally {
      span.end();
    }
  }

  function linksOf({ partition, clientId, firstOffset, lastOffset }: AttemptRow): Link[] {
    const links = new Map<string, Link>();
    if (firstOffset === null || lastOffset === null) return [];
    for (const append of appends) {
      if (append.partition !== partition || append.clientId !== clientId) continue;
      if (append.last < firstOffset || append.first > lastOffset) continue;
      links.set(append.context.spanId, { context: append.context });
      if (links.size === maxLinks) break;
    }
    return [...links.values()];
  }

  function packageOf(attempt: AttemptRow): Span {
    const known = packages.get(attempt.packageId);
    if (known) return known;
    const span = tracer.startSpan(
      'package',
      {
        root: true,
        startTime: attempt.outcome.startedAt,
        links: linksOf(attempt),
        attributes: {
          'bellhop.package_id': attempt.packageId,
          'bellhop.webhook_id': attempt.webhookId,
          'bellhop.client_id': attempt.clientId,
          'bellhop.partition': attempt.partition,
          'bellhop.events': attempt.eventCount,
          'bellhop.bytes': attempt.bytes,
        },
      },
      api.ROOT_CONTEXT,
    );
    packages.set(attempt.packageId, span);
    // The oldest that is still open: it ends here, though its package does not.
    const [oldest] = packages.keys();
    if (packages.size > maxOpenPackages && oldest !== undefined) endPackage(oldest, undefined);
    return span;
  }

  function endPackage(packageId: string, at: Date | undefined): void {
    packages.get(packageId)?.end(at);
    packages.delete(packageId);
  }

  function attempted(attempt: AttemptRow, isOver: boolean): void {
    const { outcome } = attempt;
    const within: Context = trace.setSpan(api.ROOT_CONTEXT, packageOf(attempt));
    const endedAt = new Date(outcome.startedAt.getTime() + outcome.durationMs);
    const span = tracer.startSpan(
      'attempt',
      {
        kind: SpanKind.CLIENT,
        startTime: outcome.startedAt,
        attributes: {
          'bellhop.attempt_id': attempt.id,
          'bellhop.attempt': attempt.attempt,
          'bellhop.outcome': outcome.ok ? 'ok' : outcome.reason,
          ...(outcome.status === undefined ? {} : { 'http.response.status_code': outcome.status }),
        },
      },
      within,
    );
    if (!outcome.ok) fail(span, outcome.reason);
    span.end(endedAt);
    if (isOver) endPackage(attempt.packageId, endedAt);
  }

  return {
    publishing(headers, work) {
      const parent = propagation.extract(context.active(), headers, {
        get: (carrier, key) => carrier.get(key) ?? undefined,
        keys: (carrier) => [...carrier.keys()],
      });
      const span = tracer.startSpan('publish', { kind: SpanKind.SERVER }, parent);
      return within(span, work, ({ status }) => {
        span.setAttribute('http.response.status_code', status);
        if (status >= 500) fail(span, String(status));
      });
    },

    log: (log) => ({
      ...log,
      append(partition, events) {
        const span = tracer.startSpan('append', {
          attributes: { 'bellhop.partition': partition, 'bellhop.events': events.length },
        });
        const publisher = trace.getActiveSpan()?.spanContext() ?? span.spanContext();
        for (const { clientId, id } of events) publishers.set(`${clientId} ${id}`, publisher);
        return within(
          span,
          () => log.append(partition, events),
          ({ accepted, duplicates }) => {
            span.setAttributes({ 'bellhop.accepted': accepted, 'bellhop.duplicates': duplicates });
          },
        ).finally(() => {
          for (const { clientId, id } of events) publishers.delete(`${clientId} ${id}`);
        });
      },
    }),

    appended(partition, events) {
      for (const { clientId, id, offset } of events) {
        const publisher = publishers.get(`${clientId} ${id}`);
        if (!publisher) continue;
        const last = appends.at(-1);
        if (last && last.context === publisher && last.partition === partition && last.clientId === clientId) {
          appends[appends.length - 1] = { ...last, last: offset };
        } else {
          appends.push({ partition, clientId, first: offset, last: offset, context: publisher });
        }
      }
      if (appends.length > maxAppends) appends = appends.slice(-maxAppends);
    },

    ledger: (ledger) => ({
      ...ledger,
      async add(entry) {
        const result = await ledger.add(entry);
        if (result !== 'fenced' && entry.kind !== 'checkpoint') {
          attempted(entry.attempt, entry.kind === 'lane' && entry.blocked === null);
        }
        return result;
      },
    }),
  };
}

/** The numbers of `metrics.ts` that are counted as they happen; the others are asked for at `/metrics`. */
function otelObserver(meter: Meter): Observer {
  const seconds = { unit: 's' };
  const published = meter.createCounter('bellhop.published_events', { description: 'Events accepted.' });
  const duplicate = meter.createCounter('bellhop.duplicate_events', { description: 'Event ids known already.' });
  const appendTime = meter.createHistogram('bellhop.append.duration', seconds);
  const delivered = meter.createCounter('bellhop.delivered_events', { description: 'Times webhooks.' });
  const attempts = meter.createCounter('bellhop.attempts', { description: 'By outcome.' });
  const attemptTime = meter.createHistogram('bellhop.attempt.duration', seconds);
  const dueToWire = meter.createHistogram('bellhop.due_to_wire', seconds);
  const signing = meter.createHistogram('bellhop.signing.duration', seconds);
  const ledgerEntries = meter.createHistogram('bellhop.ledger.batch_entries');
  const ledgerTime = meter.createHistogram('bellhop.ledger.commit.duration', seconds);
  return {
    appended(accepted, duplicates, durationMs) {
      published.add(accepted);
      duplicate.add(duplicates);
      appendTime.record(durationMs / 1_000);
    },
    attempted(outcome, events, durationMs, dueToWireMs) {
      if (outcome === 'ok') delivered.add(events);
      attempts.add(1, { outcome });
      attemptTime.record(durationMs / 1_000, { result: outcome === 'ok' ? 'ok' : 'failed' });
      if (dueToWireMs !== undefined) dueToWire.record(Math.max(0, dueToWireMs) / 1_000);
    },
    signed(durationMs) {
      signing.record(durationMs / 1_000);
    },
    recorded(entries, durationMs) {
      ledgerEntries.record(entries);
      ledgerTime.record(durationMs / 1_000);
    },
  };
}
