// Finds exports that no other file imports, dependencies that nothing imports, and imports of packages that are not
// declared. A package's entry points (its `exports` and `bin`) are its public surface and need no importer; a type that
// its own file uses may be exported for the sake of its readers.
//
// It reads the text, not the types: enough for the one way this project writes imports (named, with literal paths).

import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { projectFiles, read, readJson, report } from './source-files.mjs';

/** Used by name only: from a configuration file, another tool, or as a peer. */
const usedByName = new Map([
  ['@types/node', 'tsconfig "types"'],
  ['@vitest/coverage-v8', 'loaded by vitest --coverage'],
  ['axe-core', 'its file is run in the browser of the dashboard tests'],
  ['rapidoc', 'its file is copied by vite.config.ts'],
]);

const codeFile = /\.(ts|tsx|mts|mjs|js)$/;
const testFile = /\.(test|contract|fixture)\.ts$|(^|\/)test\//;
const files = projectFiles(codeFile).map((path) => ({ path, text: withoutComments(read(path)) }));
const manifests = projectFiles(/(^|\/)package\.json$/).map((path) => ({ folder: dirname(path), ...readJson(path) }));
const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]));
const faults = [];

const entries = new Set(manifests.flatMap(entryFiles));
const used = new Map();
for (const file of files) collectImports(file);

for (const { path, text } of files) {
  if (entries.has(path) || testFile.test(path) || !/^(packages\/[^/]+\/src|scripts|test)\//.test(path)) continue;
  const names = used.get(path) ?? new Set();
  if (names.has('*')) continue;
  for (const { name, isType } of exportsOf(text)) {
    if (names.has(name)) continue;
    const mentions = text.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0;
    if (isType && mentions > 1) continue;
    faults.push(`${path}: export ${name} is imported nowhere`);
  }
}

for (const manifest of manifests) checkDependencies(manifest);
report('unused exports and dependencies', faults);

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function entryFiles({ folder, exports = {}, bin = {} }) {
  const targets = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [target] : Object.values(target),
  );
  const paths = [...targets, ...Object.values(bin)].map((path) => normalize(join(folder, path)));
  // `bin` imports the built main file.
  return [...paths, normalize(join(folder, 'src/main.ts'))];
}

function* statements(text) {
  // import … from '…'; export … from '…';
  const names = String.raw`\{[^}]*\}|\*(?:\s*as\s+\w+)?`;
  const pattern = new RegExp(
    String.raw`^(?:import|export)\s+(?:type\s+)?((?:\w+\s*,?\s*)?(?:${names})?)\s*from\s*['"]([^'"]+)['"]`,
    'gm',
  );
  for (const [, clause, source] of text.matchAll(pattern)) yield { clause, source };
  // import '…', import('…'), require('…'): the whole module.
  const whole = /(?:\bimport\s*\(\s*|\brequire\s*\(\s*|(?:^|\n)\s*import\s+|new URL\(\s*)['"]([^'"]+)['"]/g;
  for (const [, source] of text.matchAll(whole)) yield { clause: '*', source };
}

function collectImports({ path, text }) {
  for (const { clause, source } of statements(text)) {
    const target = resolve(path, source);
    if (target === undefined) continue;
    const names = used.get(target) ?? new Set();
    used.set(target, names);
    const list = /\{([^}]*)\}/.exec(clause);
    if (list === null) names.add('*');
    for (const part of list?.[1]?.split(',') ?? [])
      names.add(
        part
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)[0],
      );
  }
}

function resolve(from, source) {
  if (!source.startsWith('.')) return undefined;
  // A script of a package imports what was built.
  return normalize(join(dirname(from), source)).replace(/^(packages\/[^/]+)\/dist\/(.+)\.js$/, '$1/src/$2.ts');
}

function* exportsOf(text) {
  const declared =
    /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function\*?|const|let|class|interface|type)\s+(\w+)/gm;
  for (const [, kind, name] of text.matchAll(declared)) yield { name, isType: kind === 'interface' || kind === 'type' };
  for (const [, list] of text.matchAll(/^export\s+(?:type\s+)?\{([^}]*)\}(?!\s*from)/gm)) {
    for (const part of list.split(',')) {
      const name = part
        .trim()
        .split(/\s+as\s+/)
        .at(-1);
      if (name) yield { name, isType: false };
    }
  }
}

function packageOf(source) {
  return source
    .split('/')
    .slice(0, source.startsWith('@') ? 2 : 1)
    .join('/');
}

function checkDependencies(manifest) {
  const { folder, name, dependencies = {}, devDependencies = {}, peerDependencies = {} } = manifest;
  const isRoot = folder === '.';
  const own = files.filter(({ path }) => (isRoot ? true : path.startsWith(`${folder}/`)));
  // Without a folder for sources, all of the package is run.
  const sources = own.some(({ path }) => path.startsWith(`${folder}/src/`)) ? `${folder}/src/` : `${folder}/`;
  const imported = new Set();
  const importedAtRunTime = new Map();
  for (const { path, text } of own) {
    for (const { source } of statements(text)) {
      if (source.startsWith('.') || source.startsWith('node:') || source.startsWith('#')) continue;
      const target = packageOf(source);
      if (builtinModules.includes(target) || !/^(@[\w-]+\/)?[\w.-]+$/.test(target)) continue;
      imported.add(target);
      if (!testFile.test(path) && path.startsWith(sources)) importedAtRunTime.set(target, path);
    }
  }
  const scripts = Object.values(manifest.scripts ?? {}).join('\n');
  const binaries = { typescript: 'tsc', '@biomejs/biome': 'biome', vitest: 'vitest' };
  for (const dependency of Object.keys({ ...dependencies, ...devDependencies })) {
    const binary = binaries[dependency];
    // Types of a package belong to whoever imports the package.
    if (imported.has(dependency.replace(/^@types\//, ''))) continue;
    if (imported.has(dependency) || usedByName.has(dependency) || (binary && scripts.includes(binary))) continue;
    faults.push(`${join(folder, 'package.json')}: dependency ${dependency} is imported nowhere`);
  }
  if (isRoot) return;
  for (const dependency of Object.keys(dependencies)) {
    if (importedAtRunTime.has(dependency) || !imported.has(dependency)) continue;
    faults.push(`${join(folder, 'package.json')}: dependency ${dependency} is used by tests only`);
  }
  for (const [target, path] of importedAtRunTime) {
    if (target === name || target in dependencies || target in peerDependencies) continue;
    // What is never published may use what is installed for development.
    if (manifest.private && target in devDependencies) continue;
    const kind = byName.has(target) ? 'workspace package' : 'package';
    faults.push(`${path}: ${kind} ${target} is not a dependency in ${join(folder, 'package.json')}`);
  }
}
