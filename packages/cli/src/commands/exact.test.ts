// What a publisher wrote is what arrives: numbers, order of keys and escapes, from a file to a handler, through what is saved
// and published again. Real commands against a real service.

import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { bellhop } from '../program.fixture.ts';
import { type DevService, startDev } from '../service.fixture.ts';

// Many processes, one after the other: a busy machine needs its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let service: DevService;
beforeAll(async () => {
  service = await startDev();
});
afterAll(() => service?.close());

/** Every value would be another one after JSON.parse and JSON.stringify. */
const object = String.raw`{"z":1.0,"a":12345678901234567890,"10":1e2,"2":-0,"name":"J\u00fcrgen \/ é","list":[ 0.10 , 1.50 ]}`;
const eventOf = (id: string, more = '') =>
  `{"id":"${id}","created_at":"2026-01-02T03:04:05.123456789Z","type":"PRICE.CHANGED","object":${object}${more}}`;

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(service.folder, name);
  await writeFile(path, content);
  return path;
}

describe('events as text', () => {
  it.each([
    ['a list', (event: string) => `[\n  ${event}\n]\n`],
    ['one event', (event: string) => event],
    ['events', (event: string) => `{"events":[${event}]}`],
    ['a line', (event: string) => `${event}\n${event.replace(/"id":"[^"]*"/, `"id":"${crypto.randomUUID()}"`)}\n`],
    ['a delivery', (event: string) => `{"payload":[${event.replace(/}$/, ',"webhook_id":"x"}')}]}`],
  ])('publishes %s as it is written', async (name, wrap) => {
    const id = crypto.randomUUID();
    const path = await file(`${name}.json`, wrap(eventOf(id)));
    expect(await service.cli('events', 'publish', path)).toMatchObject({ code: 0, stderr: '' });
    const shown = await service.cli('events', 'get', id, '--json');
    expect(shown.stdout).toContain(object);
    expect(shown.stdout.split('\n')).toHaveLength(2);
  });

  it('listen forwards, saves and prints it so, and what was saved can be published again', async () => {
    const bodies: string[] = [];
    const target = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      request.on('end', () => {
        bodies.push(body);
        response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(target, 'listening');
    const address = target.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const run = bellhop(['listen', '-f', `${port}`, '--json', '--save', 'saved.ndjson'], service.env, service.folder);
    try {
      await run.see(/"kind":"ready"/);
      const id = crypto.randomUUID();
      // White space of the publisher is part of the body, and no line of what is printed or saved.
      const written = eventOf(id).replace('{"z"', '{\n  "z"');
      await service.cli('events', 'publish', await file('wide.json', written));
      await run.see(/"kind":"event"/);
      expect(bodies).toEqual([expect.stringContaining(object.replace('{"z"', '{\n  "z"'))]);
      const printed =
        run
          .stdout()
          .split('\n')
          .find((line) => line.includes('"kind":"event"')) ?? '';
      expect(printed).toContain(object.slice(1));
      expect(JSON.parse(printed)).toMatchObject({ event: { id, type: 'PRICE.CHANGED' } });
      const saved = await readFile(join(service.folder, 'saved.ndjson'), 'utf8');
      expect(saved.trim().split('\n')).toEqual([expect.stringContaining(object.slice(1))]);
      expect(await run.stop('SIGINT')).toBe(0);
      const again = await service.cli('events', 'publish', 'saved.ndjson', '--json');
      expect(JSON.parse(again.stdout)).toEqual({ accepted: 0, duplicates: 1 });
    } finally {
      await run.stop('SIGKILL');
      target.close().closeAllConnections();
    }
  });

  it('sends a large file in several calls, and says what was published when one of them is refused', async () => {
    const many = Array.from({ length: 1_500 }, () => eventOf(crypto.randomUUID()));
    const path = await file('many.ndjson', many.join('\n'));
    expect(JSON.parse((await service.cli('events', 'publish', path, '--json')).stdout)).toEqual({
      accepted: 1_500,
      duplicates: 0,
    });
    const large = await file('large.ndjson', `${many.join('\n')}\n${eventOf('no uuid')}\n`);
    const refused = await service.cli('events', 'publish', large);
    expect(refused.stderr).toMatch(/must be a UUID\. 1000 events before were published/);
    expect(refused.code).toBe(2);
  });

  it.each([
    ['a key twice', `{"type":"A.B","object":{"a":1,"a":2}}`, /key "a" occurs twice/],
    [
      'a key twice in a line',
      `{"type":"A.B","object":{}}\n{"type":"A.B","object":{"a":1,"\\u0061":2}}`,
      /Line 2.*twice/,
    ],
    ['a broken line', `{"type":"A.B","object":{}}\n{"type":`, /Line 2 is not JSON/],
    ['a broken document', '[\n  {"type":"A.B",}\n]', /It is not JSON: expected a string, found "}" at character \d+/],
    ['an unknown field', '{"type":"A.B","object":{},"colour":"red"}', /unknown field "colour"/],
    ['no object', '[{"type":"A.B"}]', /Event 1 must have type and object/],
    ['no events', '[]', /no events/],
    ['another encoding', Buffer.from('{"type":"A.B","object":{"name":"J\xfcrgen"}}', 'latin1'), /is not UTF-8/],
  ])('refuses %s with 2 and publishes nothing', async (name, content, message) => {
    const { code, stdout, stderr } = await service.cli('events', 'publish', await file(`${name}.json`, content));
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('trigger refuses a number that it would round', async () => {
    const number = '12345678901234567890';
    const json = await service.cli('trigger', 'A.B', '--unknown', '--set-json', `n=${number}`);
    expect(json.stderr).toMatch(`--set-json: ${number} would be rounded`);
    expect(json.code).toBe(2);
    const text = await service.cli('trigger', 'A.B', '--unknown', '--set', `n=${number}`, '--dry-run');
    expect(JSON.parse(text.stdout).object.n).toBe(number);
    const scenario = await file('round.yaml', `steps: [{ type: A.B, unknown: true, set: { n: ${number} } }]`);
    const planned = await service.cli('trigger', '--scenario', scenario, '--dry-run');
    expect(planned.stderr).toMatch(/step 1: .* would be rounded/);
    expect(planned.code).toBe(2);
  });
});
