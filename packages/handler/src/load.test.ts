// What importing the package loads, as built: a backend pays for it at each start, a Lambda at each cold one. No framework, no
// driver, no data of the catalogue, and of the registry only what the README names with its reason.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { needBuild } from '../../../test/support/build.ts';

function filesLoadedBy(entry: string): readonly string[] {
  needBuild();
  const { stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `await import(${JSON.stringify(entry)})`],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { PATH: '', NODE_DEBUG: 'esm' },
      encoding: 'utf8',
      // Node 24 tells much more.
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  expect(status, stderr).toBe(0);
  return [...new Set(stderr.match(/file:\/\/[^'"\s]+/g))];
}

/** Of `@bellhop/events`: what is asked of the catalogue at run time, and nothing that makes or checks events. */
const eventsFiles = ['catalogue.js', 'generated/catalogue.js', 'instant.js', 'lookup.js', 'match.js'];

const registryPackage = /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//;

describe('importing the package', () => {
  it.each(['.', './express', './fastify', './hono', './koa', './next', './lambda', './postgres', './metrics'])(
    '%s loads no framework, no driver and no data',
    (path) => {
      const files = filesLoadedBy(`@bellhop/handler${path.slice(1)}`);
      expect(files.some((file) => file.includes('/handler/dist/'))).toBe(true);
      const packages = files.flatMap((file) => registryPackage.exec(file)?.[1] ?? []);
      expect([...new Set(packages)].filter((name) => name !== 'structured-headers')).toEqual([]);
      expect(files.filter((file) => file.includes('/catalogue/'))).toEqual([]);
    },
  );

  it('loads few files: each costs more than what is in it', () => {
    const files = filesLoadedBy('@bellhop/handler');
    const ofEvents = files.flatMap((file) => /\/events\/dist\/(.*)$/.exec(file)?.[1] ?? []);
    expect(ofEvents.sort()).toEqual(eventsFiles);
    expect(files.length).toBeLessThan(60);
  });
});
