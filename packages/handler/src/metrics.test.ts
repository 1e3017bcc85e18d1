import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { metrics } from '@opentelemetry/api';
import prom from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { Hooks } from './index.ts';
import { createHandler, memoryInbox, ParkError } from './index.ts';
import { inboxGauges, metricHooks, openTelemetry, prometheus } from './metrics.ts';
import { createSender, eventOf } from './sender.fixture.ts';

const sender = await createSender();

/** Receives twice, refuses once; one event is processed, one fails and waits, one is parked. */
async function exercise(metrics: Hooks, hooks: Hooks = { onFailed: () => undefined, onParked: () => undefined }) {
  const handler = createHandler({ keys: sender.keys, inbox: memoryInbox(), hooks, metrics });
  handler
    .on('ORDER.FILLED', () => undefined)
    .on('ORDER.NEW', () => Promise.reject(new Error('no')))
    .on('USER.CREATED', () => Promise.reject(new ParkError('never')));
  const events = [
    eventOf('ORDER.FILLED'),
    eventOf('ORDER.NEW'),
    eventOf('USER.CREATED'),
    { ...eventOf('ORDER.NEW'), type: 'OF.THE_SENDER' },
  ];
  for (let times = 0; times < 2; times += 1) {
    const { headers, body } = await sender.prepare('/hook', events);
    expect((await handler.receive({ method: 'POST', url: '/hook', headers, body })).status).toBe(200);
  }
  await handler.receive({ method: 'GET', url: '/hook', headers: {}, body: new Uint8Array() });
  await handler.drain();
  return handler;
}

describe('metrics', () => {
  it('for Prometheus count what happened, with labels from closed sets, and read the inbox when collected', async () => {
    prom.register.clear();
    const sink = prometheus(prom);
    inboxGauges(sink, await exercise(metricHooks(sink)));
    const text = await prom.register.metrics();
    for (const line of [
      'bellhop_handler_packages_received_total 2',
      'bellhop_handler_events_received_total 4',
      'bellhop_handler_events_duplicate_total 4',
      'bellhop_handler_packages_rejected_total{reason="method_not_allowed",status="405"} 1',
      'bellhop_handler_events_processed_total{type="ORDER.FILLED",outcome="done"} 1',
      'bellhop_handler_events_processed_total{type="other",outcome="ignored"} 1',
      'bellhop_handler_listener_failures_total{type="ORDER.NEW"} 1',
      'bellhop_handler_events_parked_total{type="USER.CREATED"} 1',
      'bellhop_handler_processing_seconds_count{type="ORDER.FILLED"} 1',
      'bellhop_handler_lag_seconds_count{type="ORDER.FILLED"} 1',
      'bellhop_handler_inbox_retrying 1',
      'bellhop_handler_inbox_parked 1',
      'bellhop_handler_inbox_blocked_keys 1',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });

  it('for OpenTelemetry go through a meter', async () => {
    const api = openTelemetry(metrics.getMeter('test'));
    await exercise(metricHooks(api));
    const recorded: unknown[] = [];
    const note =
      (name: string) =>
      (value: number, attributes: Record<string, string> = {}) =>
        void recorded.push([name, value, attributes]);
    const callbacks: ((result: { observe(value: number): void }) => Promise<void>)[] = [];
    const sink = openTelemetry({
      createCounter: (name) => ({ add: note(name) }),
      createHistogram: (name) => ({ record: note(name) }),
      createObservableGauge: (name) => ({
        addCallback: (callback) => void callbacks.push(() => callback({ observe: note(name) })),
      }),
    });
    inboxGauges(sink, await exercise(metricHooks(sink)));
    await Promise.all(callbacks.map((callback) => callback({ observe: () => undefined })));
    expect(recorded).toContainEqual(['bellhop_handler_events_parked_total', 1, { type: 'USER.CREATED' }]);
    expect(recorded).toContainEqual(['bellhop_handler_inbox_parked', 1, {}]);
  });

  it('leave your own hooks and the warnings as they are, and may throw', async () => {
    const seen: string[] = [];
    const warned: unknown[] = [];
    const note = (warning: Error) => void warned.push(Reflect.get(warning, 'code'));
    process.on('warning', note);
    const throwing: Hooks = {
      onFailed: () => undefined,
      onRejected: () => {
        throw new Error('of the hook');
      },
    };
    await exercise(throwing, { onRejected: ({ reason }) => seen.push(reason) });
    expect(seen).toEqual(['method_not_allowed']);
    await expect
      .poll(() => warned)
      .toEqual(expect.arrayContaining(['BELLHOP_HOOK_THREW', 'BELLHOP_LISTENER_FAILED', 'BELLHOP_EVENT_PARKED']));
    process.off('warning', note);
  });
});

describe('the diagnostics channels', () => {
  it('carry the facts of the hooks, without contents of events', async () => {
    const facts: [string, unknown][] = [];
    const names = ['received', 'rejected', 'processed', 'failed', 'parked'].map((name) => `bellhop.handler.${name}`);
    const note = (message: unknown, name: string | symbol) => void facts.push([String(name), message]);
    for (const name of names) subscribe(name, note);
    await exercise({});
    for (const name of names) unsubscribe(name, note);
    expect(new Set(facts.map(([name]) => name))).toEqual(new Set(names));
    expect(facts).toContainEqual([
      'bellhop.handler.processed',
      expect.objectContaining({ type: 'ORDER.FILLED', outcome: 'done', attempt: 1, lagMs: expect.any(Number) }),
    ]);
    expect(JSON.stringify(facts)).not.toContain('object');
  });
});
