// docs/tutorial.md, "The same from the command line": the commands it shows, run in its order, print the lines it shows. Ids,
// times and ports differ from run to run and are left out of the comparison.

import { once } from 'node:events';
import { readFile, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bellhop, type Run, runNode, temporaryFolder } from '../packages/cli/src/program.fixture.ts';
import { needBuild } from './support/build.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let env: NodeJS.ProcessEnv;
const runs: Run[] = [];

beforeAll(async () => {
  needBuild();
  folder = await temporaryFolder();
  env = { XDG_CONFIG_HOME: join(folder.path, 'config'), XDG_STATE_HOME: join(folder.path, 'state') };
  // The folder stands for the root of a clone.
  await symlink(join(root, 'node_modules'), join(folder.path, 'node_modules'));
});
afterAll(async () => {
  for (const run of runs.reverse()) await run.stop('SIGKILL');
  await folder?.remove();
});

function start(...args: readonly string[]): Run {
  const run = bellhop(args, env, folder.path);
  run.child.stdin?.end();
  runs.push(run);
  return run;
}

async function startHandler(port: number): Promise<Run> {
  const run = runNode(['webhooks.mjs'], { ...env, PORT: String(port) }, folder.path);
  runs.push(run);
  await run.see(/listening, POST \/webhooks/);
  return run;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return address.port;
}

const comparable = (line: string) =>
  line
    .replace(/^\^C/, '')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replaceAll(/\d\d:\d\d:\d\d/g, 'TIME')
    .replaceAll(/ +\d+ ms/g, ' MS')
    .replaceAll(/pkg [0-9a-f]{4}/g, 'PKG')
    .replaceAll(/(after) [\d.]+ (s|min)/g, '$1 WHILE')
    .replaceAll(/:\d{4,5}\b|on port \d+/g, ':PORT')
    .trim();

/** What its blocks show as printed, in order. */
async function shown(): Promise<readonly string[]> {
  const text = await readFile(join(root, 'docs/tutorial.md'), 'utf8');
  const [, section = ''] = /^## The same from the command line$([\s\S]*?)^## /m.exec(text) ?? [];
  const lines = [...section.matchAll(/^```\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.split('\n'));
  return lines.filter((line) => line.trim() !== '' && line !== '…' && !line.startsWith('$ ')).map(comparable);
}

it('prints what the tutorial shows', { timeout: 180_000 }, async () => {
  const service = start('dev', '--no-demo', '--port', '0');
  await service.see(/ready {2}http/);
  const init = start('init', '--env', 'local');
  expect(await init.exit()).toBe(0);
  const port = await freePort();
  const handler = await startHandler(port);
  const listen = start('listen', '-f', `http://localhost:${port}/webhooks`);
  await listen.see(/Ctrl-C stops/);
  const trigger = async (...args: readonly string[]) => {
    const run = start('trigger', ...args);
    expect(await run.exit()).toBe(0);
    return run;
  };
  const many = await trigger('ORDER.FILLED', '--count', '3', '--same-key');
  await listen.see(/3 events .*\n/);
  const one = await trigger('USER.CREATED');
  await listen.see(/1 event {2}USER\.CREATED .*\n/);
  await handler.see(/USER\.CREATED /);
  await handler.stop('SIGTERM');
  await trigger('ORDER.NEW');
  await listen.see(/is down .*\n/);
  const again = await startHandler(port);
  await listen.see(/is back after .*\n/);
  await listen.see(/ORDER\.NEW .*\n/);
  await again.see(/ORDER\.NEW /);
  expect(await listen.stop('SIGINT')).toBe(0);
  const printed = [service, init, handler, listen, many, one]
    .flatMap((run) => `${run.stdout()}\n${run.stderr()}`.split('\n'))
    .map(comparable);
  for (const line of await shown()) expect(printed).toContain(line);
});
