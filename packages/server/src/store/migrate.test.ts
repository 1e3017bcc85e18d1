import { readdir } from 'node:fs/promises';
import { expect, it } from 'vitest';

it('migrations are numbered from 1 on, each number once', async () => {
  // What broke: two files had the number 6. The second one found its number taken, as by another process, and was skipped.
  const files = await readdir(new URL('../../sql/', import.meta.url));
  const numbers = files.filter((name) => name.endsWith('.sql')).map((name) => Number(name.slice(0, 4)));
  expect(numbers.sort((one, other) => one - other)).toEqual(numbers.map((_, index) => index + 1));
});
