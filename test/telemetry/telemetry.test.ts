// OpenTelemetry with the SDK's exporters in memory: a real service whose event is published, fails once and is delivered.

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@bellhop/client';
import { example } from '@bellhop/events';
import { type Service, startService } from '@bellhop/server';
import { generateSigningKey, privatePem, publicPem } from '@bellhop/signatures';
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const operatorToken = 'operator-token-of-the-telemetry-test';
const spans = new InMemorySpanExporter();
const numbers = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: numbers });

let dataDir: string;
let service: Service;
let endpoint: Server;
let failures = 1;

beforeAll(async () => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  propagation.setGlobalPropagator({
    inject() {},
    fields: () => ['traceparent'],
    extract(parent, carrier, getter) {
      const header = getter.get(carrier, 'traceparent');
      const [, traceId = '', spanId = ''] = typeof header === 'string' ? header.split('-') : [];
      return trace.setSpanContext(parent, { traceId, spanId, traceFlags: 1, isRemote: true });
    },
  });
  endpoint = createServer((request, response) => {
    request.resume().on('end', () => {
      failures -= 1;
      response.writeHead(failures >= 0 ? 500 : 200).end();
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  dataDir = await mkdtemp(join(tmpdir(), 'bellhop-telemetry-'));
  service = await startService({
    host: '127.0.0.1',
    port: 0,
    dataDir,
    operatorToken,
    logLevel: 'fatal',
    insecureTargets: 'all',
    dev: true,
    role: 'all',
    partitions: 2,
  });
});
afterAll(async () => {
  await service?.close();
  endpoint?.close();
  await reader.shutdown();
  for (const api of [trace, context, metrics, propagation]) api.disable();
  await rm(dataDir, { recursive: true, force: true });
});

async function operator<T>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const response = await fetch(service.url + path, {
    method,
    headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.ok).toBe(true);
  return response.json();
}

const named = (name: string): ReadableSpan[] => spans.getFinishedSpans().filter((span) => span.name === name);
const idOf = (span: ReadableSpan | undefined): string | undefined => span?.spanContext().spanId;

describe('telemetry', () => {
  it('spans publish, append, package and attempt, linked across the log, and counts what the metrics count', async () => {
    const clientId = randomUUID();
    const clientSecret = randomUUID();
    const scopes = ['webhooks:admin'];
    const key = await generateSigningKey(randomUUID(), 'ed25519');
    const keys = [{ keyId: key.keyId, publicKey: publicPem(key) }];
    await service.ensureTenant({ clientId, clientSecret, name: 'Acme', scopes, keys });
    const address = endpoint.address();
    if (address === null || typeof address === 'string') throw new TypeError('No port');
    const client = createClient({
      ...{ baseUrl: service.url, clientId, clientSecret, scopes },
      key: { keyId: key.keyId, privateKey: privatePem(key) },
    });
    const { id: webhookId } = await client.webhooks.create({
      title: 'Traced',
      url: `http://127.0.0.1:${address.port}/secret-path`,
      type: ['ORDER'],
      config: { delay: '1s' },
    });
    await client.webhooks.update(webhookId, { enabled: true });
    const traceId = randomUUID().replaceAll('-', '');
    const caller = '00f067aa0ba902b7';
    const event = example('ORDER.FILLED');
    await operator(
      'POST',
      '/operator/events',
      { client_id: clientId, events: [event] },
      { traceparent: `00-${traceId}-${caller}-01` },
    );
    await expect.poll(() => named('package').length, { timeout: 30_000 }).toBe(1);

    const [publish] = named('publish');
    const [append] = named('append');
    const [packed] = named('package');
    const attempts = named('attempt');
    expect(publish).toMatchObject({ attributes: { 'http.response.status_code': 202 } });
    expect(publish?.spanContext().traceId).toBe(traceId);
    expect(publish?.parentSpanContext?.spanId).toBe(caller);
    expect(append?.parentSpanContext?.spanId).toBe(idOf(publish));
    expect(append?.attributes).toMatchObject({ 'bellhop.events': 1, 'bellhop.accepted': 1, 'bellhop.duplicates': 0 });
    expect(packed?.links.map((link) => link.context.spanId)).toEqual([idOf(publish)]);
    expect(packed?.attributes).toMatchObject({ 'bellhop.webhook_id': webhookId, 'bellhop.events': 1 });
    expect(attempts.map(({ attributes, status }) => [attributes['bellhop.outcome'], status.code])).toEqual([
      ['status_5xx', 2],
      ['ok', 0],
    ]);
    for (const attempt of attempts) expect(attempt.parentSpanContext?.spanId).toBe(idOf(packed));
    const told = JSON.stringify(
      spans.getFinishedSpans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
    );
    for (const secret of [operatorToken, 'secret-path', event.id, ...Object.values(event.object).map(String)]) {
      if (secret.length > 8) expect(told).not.toContain(secret);
    }

    await reader.forceFlush();
    const points = numbers
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap(({ metrics: all }) => all)
      .map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints.length] as const);
    const found = new Map(points);
    for (const name of [
      'bellhop.published_events',
      'bellhop.append.duration',
      'bellhop.delivered_events',
      'bellhop.attempt.duration',
      'bellhop.due_to_wire',
      'bellhop.signing.duration',
      'bellhop.ledger.commit.duration',
    ]) {
      expect(found.get(name), name).toBeGreaterThan(0);
    }
    expect(found.get('bellhop.attempts')).toBe(2);
    // The same signature time is told to Prometheus.
    const scraped = await (await fetch(`${service.url}/metrics`)).text();
    expect(scraped).toMatch(/bellhop_signing_duration_seconds_count [1-9]/);
  });
});
