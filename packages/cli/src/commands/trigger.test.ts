// `bellhop trigger` and `bellhop events`, by the real command against a real service.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventTypes } from '@bellhop/events';
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
