// `bellhop listen --forward-to` under a steady stream of events while everything around it fails in turn: the server it
// forwards to is away, the command is killed, stopped and started again, a package of 1 MiB comes by. Every event arrives,
// and in the order of the log. Counts and order are asserted, speed is not.

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { idsOf, type Received, startTarget, type Target } from '../listen/target.fixture.ts';
import { bellhop, type Run } from '../program.fixture.ts';
import { type DevService, startDev } from '../service.fixture.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

const eventsPerSecond = 1_000;
const seconds = process.env['CI'] ? 8 : 20;
const batch = 100;

let service: DevService;
const stops: (() => unknown)[] = [];

beforeAll(async () => {
  service = await startDev();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => service?.close());

const eventOf = (text: string) => ({
  id: crypto.randomUUID(),
  type: 'POSITION.UPDATED',
  object: { id: crypto.randomUUID(), text },
});

/** No faster than the rate; on a busy machine slower. Gives the ids in the order of the log. */
async function stream(ids: string[], signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  for (let sent = 0; sent < eventsPerSecond * seconds && !signal.aborted; sent += batch) {
    const large = sent === (eventsPerSecond * seconds) / 2;
    const events = Array.from({ length: batch }, (_, index) =>
      eventOf(large && index === 0 ? 'é'.repeat(510_000) : 'x'.repeat(300)),
    );
    ids.push(...(await service.publish(events)));
    const aheadMs = startedMs + (ids.length / eventsPerSecond) * 1_000 - performance.now();
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe.each(['direct', 'acceptor'])('bellhop listen --via %s', (via) => {
  it('loses and reorders nothing', async () => {
    const received: Received[] = [];
    const serve = async (port?: number): Promise<Target> => {
      const started = await startTarget(port, (got) => {
        received.push(got);
        return 200;
      });
      stops.push(() => started.close());
      return started;
    };
    const listen = async (...more: readonly string[]): Promise<Run> => {
      const args = ['listen', '--via', via, '-f', target.url, '--quiet', '--title', via, ...more];
      const run = bellhop(args, service.env, service.folder);
      stops.push(() => run.stop('SIGKILL'));
      await run.see(/^ready/m);
      return run;
    };
    /** So many more packages have come. */
    const flowing = () => {
      const enough = received.length + 5;
      return until(() => received.length >= enough);
    };

    let target = await serve();
    let run = await listen();
    const ids: string[] = [];
    const stopping = new AbortController();
    stops.push(() => stopping.abort());
    const published = stream(ids, stopping.signal);
    await flowing();

    target.close();
    await run.see(/is down \(\w+\); packages wait/);
    const waited = ids.length + 2 * eventsPerSecond;
    await until(() => ids.length >= waited);
    target = await serve(target.port);
    await run.see(/is back after/);
    await flowing();

    await run.stop('SIGKILL');
    // Between two packages the queue may be empty for a moment; then Ctrl-C would be the end of it.
    run = await listen('--keep');
    await flowing();

    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stderr()).toMatch(/events? in \d+ packages?.*; webhook kept/);
    run = await listen();
    await published;
    await until(() => new Set(idsOf(received)).size === ids.length);
    const first = [...new Set(idsOf(received))];
    expect(first.length).toBe(eventsPerSecond * seconds);
    expect(first.findIndex((id, index) => id !== ids[index])).toBe(-1);
    expect(Math.max(...received.map(({ body }) => Buffer.byteLength(body)))).toBeGreaterThan(1_000_000);

    expect(await run.stop('SIGINT')).toBe(0);
    expect(run.stderr()).toMatch(/webhook removed/);
    expect(run.stderr()).not.toMatch(/Warning/);
  });
});
