// The doctor against the examples, each as a reader starts it: the real service signs, the example fetches its keys and
// keeps a durable inbox. It finds nothing, and proves exactly-once effects in order.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bellhop, type Run, runNode, temporaryFolder } from '../../packages/cli/src/program.fixture.ts';
import { needBuild } from '../support/build.ts';

const example = fileURLToPath(new URL('../../examples/dist/main.js', import.meta.url));

let folder: Awaited<ReturnType<typeof temporaryFolder>> | undefined;
let service: Run | undefined;

beforeAll(async () => {
  needBuild();
  folder = await temporaryFolder();
  service = bellhop(['dev', '--no-demo', '--port', '0'], {}, folder.path);
  await service.see(/ready\s+http/);
}, 180_000);

afterAll(async () => {
  await service?.stop();
  await folder?.remove();
});

describe('the doctor finds nothing in the example', () => {
  it.each(['express', 'fastify', 'hono', 'next', 'lambda', 'nestjs'])('%s', async (name) => {
    const path = folder?.path ?? '';
    const env = { BELLHOP_DEV_JSON: join(path, '.bellhop/dev.json'), PORT: '0', DATA_DIR: join(path, name) };
    const handler = runNode([example, name], env, path);
    try {
      const [, origin = ''] = await handler.see(/listening on (http:\S+)\/webhooks/);
      const junit = join(path, `${name}.xml`);
      const args = ['--effects-url', `${origin}/effects`, '--junit', junit, '--json'];
      const check = bellhop(['check', `${origin}/webhooks`, ...args], {}, path);
      const code = await check.exit();
      expect(check.stderr()).toBe('');
      const report: { probes: { id: string; result: string; detail: string }[] } = JSON.parse(check.stdout());
      expect(report.probes.filter(({ result }) => result === 'fail')).toEqual([]);
      const untold = report.probes.filter(({ result }) => result === 'unknown').map(({ id }) => id);
      expect(untold.sort()).toEqual(['dns-name', 'tls-certificate', 'tls-version']);
      expect(code).toBe(0);
      expect(await readFile(junit, 'utf8')).toContain('failures="0"');
    } finally {
      await handler.stop();
    }
  });
});
