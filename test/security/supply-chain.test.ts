// What comes in and what goes out: every package of the lock file is pinned with its hash and comes from a registry, nothing
// that runs in production runs a script when it is installed, and what is published holds neither tests nor fixtures and
// asks for provenance. Known vulnerabilities are a question to a registry: `npm audit`, at every release.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { at } from './world.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, root), 'utf8'));
const workspaces = [at(read('package.json'), 'workspaces')].flat().map(String);
const published = workspaces.filter((path) => path.startsWith('packages/'));

interface Locked {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

describe('the lock file', () => {
  const packages: Readonly<Record<string, Locked>> = Object(at(read('package-lock.json'), 'packages'));
  const installed = Object.entries(packages).filter(([path, { link }]) => path.includes('node_modules/') && !link);

  it('pins every package with its hash, from a registry', () => {
    expect(installed.length).toBeGreaterThan(50);
    expect(installed.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual(
      [],
    );
    const elsewhere = installed.filter(
      ([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https://'),
    );
    expect(elsewhere.map(([path]) => path)).toEqual([]);
  });

  it('has nothing for production that runs a script when it is installed', () => {
    const scripts = installed.filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev);
    expect(scripts.map(([path]) => path)).toEqual([]);
    process.stdout.write(
      `packages locked: ${installed.length}, for production: ${installed.filter(([, { dev }]) => !dev).length}\n`,
    );
  });

  it('is asked for exact versions only', () => {
    const loose = ['package.json', ...workspaces.map((path) => `${path}/package.json`)].flatMap((path) =>
      ['dependencies', 'devDependencies'].flatMap((kind) =>
        Object.entries(Object(at(read(path), kind))).filter(
          ([, version]) => !/^(npm:[\w@/-]+@)?\d+\.\d+\.\d+$/.test(String(version)),
        ),
      ),
    );
    expect(loose).toEqual([]);
  });
});

describe.each(published)('%s', (path) => {
  it('is published with licence, oldest Node and provenance, and without tests', async () => {
    const manifest = read(`${path}/package.json`);
    expect(manifest).toMatchObject({
      license: 'Apache-2.0',
      engines: { node: '^20.20.2 || ^22.22.2 || >=24.14.1' },
      publishConfig: { access: 'public', provenance: true },
    });
    const scripts = Object.keys(Object(at(manifest, 'scripts')));
    expect(scripts.filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: new URL(`${path}/`, root),
      maxBuffer: 16 * 1024 * 1024,
    });
    const files = [at(JSON.parse(stdout), 0, 'files')].flat().map((file) => String(at(file, 'path')));
    expect(files).toContain('package.json');
    expect(files.filter((file) => /\.(test|fixture|property)\.|\.env|\.pem$/.test(file))).toEqual([]);
  });
});
