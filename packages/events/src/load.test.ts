// What importing the package loads. The module cache is the process's own, so this file must not import the package
// at its top.
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';

const loadedFiles = () => Object.keys(createRequire(import.meta.url).cache);
const ajvFiles = () => loadedFiles().filter((path) => /[\\/]ajv(?:-formats)?[\\/]/.test(path));
const dataFiles = () => loadedFiles().filter((path) => /[\\/]catalogue[\\/]/.test(path));

it('importing the package and its validator reads no data and loads no ajv until they are used', async () => {
  const { example, matches } = await import('./index.ts');
  const { validateEvent } = await import('./validate.ts');
  matches({ type: ['ALL'] }, 'ORDER.NEW');
  expect([...ajvFiles(), ...dataFiles()]).toEqual([]);

  const event = example('ORDER.NEW');
  expect(dataFiles()).toHaveLength(1);
  expect(ajvFiles()).toEqual([]);

  expect(validateEvent(event, { as: 'published' })).toEqual({ ok: true });
  expect(ajvFiles().length).toBeGreaterThan(0);
});
