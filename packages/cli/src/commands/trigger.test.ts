// `bellhop trigger` and `bellhop events`, by the real command against a real service.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareInstants, eventTypes } from '@bellhop/events';
import { validateEvent } from '@bellhop/events/validate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bellhop } from '../program.fixture.ts';
import { type DevService, ended, startDev } from '../service.fixture.ts';
import { makeEvent } from '../trigger/make-event.ts';

let service: DevService;
beforeAll(async () => {
  service = await startDev();
});
afterAll(() => service?.close());

const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

interface Told {
  readonly created_at: string;
  readonly object: Readonly<Record<string, string>>;
}

function expectOneLife(events: readonly Told[]): void {
  for (const name of ['id', 'user_id', 'account_id', 'created_at']) {
    expect(new Set(events.map(({ object }) => object[name])).size, name).toBe(1);
  }
  for (const [at, { created_at, object }] of events.entries()) {
    const before = events[at - 1];
    const updated = object['updated_at'] ?? '';
    expect(compareInstants(updated, created_at)).toBeLessThanOrEqual(0);
    if (before === undefined) continue;
    expect(compareInstants(before.created_at, created_at)).toBeLessThan(0);
    expect(compareInstants(before.object['updated_at'] ?? '', updated)).toBeLessThan(0);
  }
}

describe('bellhop trigger', () => {
  it('makes a valid event of every type of the catalogue', () => {
    for (const type of eventTypes) {
      expect(validateEvent(makeEvent({ type, set: [] }), { as: 'published' }), type).toEqual({ ok: true });
    }
  });

  it('prints events without a service, with fields set as text or, where the schema wants it, JSON', async () => {
    const set = ['--set', 'object.status=FILLED', '--set', 'executions=[]', '--set', 'order_type=MARKET'];
    const { code, stdout, stderr } = await ended(
      ['trigger', 'order.filled', ...set, '--count', '3', '--same-key', '--dry-run'],
      { XDG_CONFIG_HOME: service.folder },
      service.folder,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const events = jsonLines(stdout);
    expect(events).toHaveLength(3);
    expect(new Set(events.map(({ id }) => id)).size).toBe(3);
    expect(new Set(events.map(({ object }) => object.id)).size).toBe(1);
    expect(events[0].object).toMatchObject({ status: 'FILLED', executions: [], order_type: 'MARKET' });
  });

  it.each([
    [['ORDER.FILLED', '--set', 'statsu=FILLED'], /has no field statsu\. Near: status/],
    [['ORDER.FILLED', '--set', 'status=NOPE'], /status must be one of/],
    [['ORDER.FILED'], /no event type ORDER\.FILED\. Near: ORDER\.FILLED.*--unknown/],
    [['orders'], /is no event type/],
    [[], /Which type\?/],
    [['ORDER.FILLED', '--set', 'status'], /takes path=value/],
    [['ORDER.FILLED', '--count', 'many'], /whole number/],
  ])('refuses %j with 2', async (args, message) => {
    const { code, stdout, stderr } = await service.cli('trigger', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('publishes, and the log shows it with its way', async () => {
    const { first } = JSON.parse((await service.cli('trigger', 'USER.CREATED', '--json')).stdout);
    const shown = await service.cli('events', 'get', first.id);
    expect(shown.stdout).toMatch(new RegExp(`id\\s+${first.id}`));
    expect(shown.stdout).toContain(`"id": "${first.object.id}"`);
    const unknown = await service.cli('trigger', 'COFFEE.BREWED', '--unknown', '--set', 'cups=2');
    expect(unknown.stdout).toMatch(/✓ published COFFEE\.BREWED {2}event \S+/);
    const nested = ['--set', 'bean.from=Peru', '--set', 'bean.kg=2', '--set', 'cup=1'];
    const brewed = await service.cli('trigger', 'COFFEE.BREWED', '--unknown', ...nested, '--dry-run');
    expect(JSON.parse(brewed.stdout).object).toMatchObject({ bean: { from: 'Peru', kg: 2 }, cup: 1 });
    expect((await service.cli('events', 'list', '--type', 'COFFEE')).stdout).toMatch(/\tCOFFEE\.BREWED\t/);
  });

  it('carries out a scenario: references, the same object, faults', async () => {
    const file = join(service.folder, 'story.yaml');
    await writeFile(
      file,
      `steps:
  - { type: ORDER.NEW, as: order, count: 2 }
  - delay: 10ms
  - { type: EXECUTION.FILLED, set: { order_id: "\${order.object.id}" } }
  - { type: ORDER.FILLED, about: order, fault: swap }
  - { type: ORDER.FILLED, about: order, fault: duplicate }
  - { type: ORDER.FILLED, fault: unknown-type }
`,
    );
    const planned = jsonLines((await service.cli('trigger', '--scenario', file, '--dry-run')).stdout);
    expect(planned.map(({ type }) => type)).toEqual([
      'ORDER.NEW',
      'ORDER.NEW',
      'ORDER.FILLED',
      'EXECUTION.FILLED',
      'ORDER.FILLED',
      'ORDER.FILLED',
      'ORDER.FILLED_UNHEARD_OF',
    ]);
    const order = planned[0].object.id;
    expect(planned[2].object.id).toBe(order);
    expect(planned[3].object.order_id).toBe(order);
    expect(planned[4].id).toBe(planned[5].id);
    const { code, stdout } = await service.cli('trigger', '--scenario', file);
    expect(code).toBe(0);
    expect(stdout).toMatch(/duplicate, 1 known already: stored once/);
    await writeFile(
      file,
      'steps: [{ type: ORDER.NEW, as: order }, { type: ORDER.FILLED, about: order, fault: large }]',
    );
    expect((await service.cli('trigger', '--scenario', file)).stdout).toMatch(/✓ ORDER\.FILLED .*\(large\)/);
    const [largest] = JSON.parse((await service.cli('events', 'list', '--json', '--limit', '1')).stdout);
    expect(largest.bytes).toBeGreaterThan(1_000_000);
    await writeFile(file, 'steps: [{ type: ORDER.NEW, set: { id: "$\x7bnobody.id}" } }]');
    expect((await service.cli('trigger', '--scenario', file)).stderr).toMatch(/step 1: \$\{nobody\.id\} leads nowhere/);
  });

  // The state FILLED was older than PROCESSING, so that latest() dropped it, and the user and account were others each time.
  it('makes the events of one object in its order of life, whoever the object is', async () => {
    const planned = async (...args: readonly string[]) =>
      jsonLines((await ended(['trigger', ...args, '--dry-run'], {}, service.folder)).stdout);
    const file = fileURLToPath(new URL('../../../../docs/how-to/order-lifecycle.yaml', import.meta.url));
    const steps = await planned('--scenario', file);
    const [placed] = steps;
    const orders = steps
      .filter(({ object }) => object.id === placed.object.id)
      .sort((a, b) => compareInstants(a.created_at, b.created_at));
    expect(orders.map(({ type }) => type)).toEqual([
      'ORDER.NEW',
      'ORDER.PROCESSING',
      'ORDER.FILLED',
      'ORDER.FILLED_UNHEARD_OF',
    ]);
    expect(Date.parse(orders[1].object.updated_at) - Date.parse(orders[0].object.updated_at)).toBeGreaterThanOrEqual(
      200,
    );
    expectOneLife(orders);
    expectOneLife(await planned('ORDER.FILLED', '--count', '200', '--same-key'));
    expectOneLife(await planned('ORDER.FILLED', '--count', '3', '--object-id', placed.object.id));
    const brewed = await planned('COFFEE.BREWED', '--unknown', '--count', '3', '--same-key');
    expect(new Set(brewed.map(({ object }) => object.id)).size).toBe(1);
    const [first, second] = await planned('ORDER.FILLED', '--count', '2');
    expect(second.object.user_id).not.toBe(first.object.user_id);
  });

  it('without an operator token ends with 4', async () => {
    const dev = JSON.parse(await readFile(service.devJson, 'utf8'));
    const env = {
      XDG_CONFIG_HOME: join(service.folder, 'none'),
      BELLHOP_BASE_URL: service.url,
      BELLHOP_CLIENT_ID: dev.client_id,
    };
    const { code, stderr } = await ended(['trigger', 'ORDER.FILLED'], env, service.folder);
    expect(stderr).toMatch(/has no operator token\. Set BELLHOP_OPERATOR_TOKEN/);
    expect(code).toBe(4);
  });
});

describe('bellhop events', () => {
  it('publishes from a file or stdin, once per id', async () => {
    const events = [makeEvent({ type: 'ORDER.NEW', set: [] }), makeEvent({ type: 'ORDER.FILLED', set: [] })];
    const file = join(service.folder, 'events.ndjson');
    await writeFile(
      file,
      events.map((event) => `${JSON.stringify({ ...event, webhook_id: crypto.randomUUID() })}\n`).join(''),
    );
    expect(JSON.parse((await service.cli('events', 'publish', file, '--json', '--validate')).stdout)).toEqual({
      accepted: 2,
      duplicates: 0,
    });
    const again = bellhop(['events', 'publish', '--json'], service.env);
    again.child.stdin?.end(JSON.stringify({ payload: events }));
    expect(await again.exit()).toBe(0);
    expect(JSON.parse(again.stdout())).toEqual({ accepted: 0, duplicates: 2 });
    await writeFile(file, '{"type":"ORDER.NEW"}\n{');
    expect((await service.cli('events', 'publish', file)).stderr).toMatch(/Line 2 is not JSON/);
  });

  it('follows what is published, each event once, oldest first', async () => {
    const tail = bellhop(
      ['events', 'tail', '--json', '--type', 'ACCOUNT', '--since', '1s', '--limit', '6'],
      service.env,
    );
    await service.cli('trigger', 'ACCOUNT.CREATED', '--count', '3');
    await service.cli('trigger', 'ACCOUNT.ACTIVATED', '--count', '3');
    expect(await tail.exit()).toBe(0);
    const events = jsonLines(tail.stdout());
    expect(events.map(({ type }) => type)).toEqual([
      ...Array(3).fill('ACCOUNT.CREATED'),
      ...Array(3).fill('ACCOUNT.ACTIVATED'),
    ]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(6);
  });

  it('sends again from a point on, and only counts with --dry-run', async () => {
    await service.cli(
      'webhooks',
      'create',
      '--title',
      'Replayed',
      '--url',
      'http://127.0.0.1:1/',
      '--type',
      'REPORT',
      '--enable',
    );
    await service.cli('trigger', 'REPORT.CREATED', '--count', '4');
    const counted = await service.cli('events', 'replay', 'Replayed', '--since', 'now', '--dry-run', '--json');
    expect(JSON.parse(counted.stdout)).toMatchObject({ dry_run: true, events: 0 });
    const [last] = JSON.parse((await service.cli('events', 'list', '--type', 'REPORT', '--json')).stdout);
    const moved = await service.cli('events', 'replay', 'Replayed', '--event', last.id, '--json');
    expect(JSON.parse(moved.stdout)).toMatchObject({ dry_run: false, events: 1 });
    expect((await service.cli('events', 'replay', 'Replayed')).code).toBe(2);
  });
});
