// Withdrawing a signing key, by the real command against a real service.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DevService, startDev } from '../service.fixture.ts';

let service: DevService;

beforeAll(async () => {
  service = await startDev();
});
afterAll(() => service?.close());

const published = async (): Promise<string[]> => {
  const set: { readonly keys: { readonly kid: string }[] } = JSON.parse(
    (await service.cli('keys', 'list', '--json')).stdout,
  );
  return set.keys.map(({ kid }) => kid);
};

describe('bellhop keys withdraw', () => {
  it('ends a key of the service, and the next one signs', async () => {
    const [active = '', next = ''] = await published();
    const one = await service.cli('keys', 'withdraw', active);
    expect(one).toMatchObject({ code: 0, stdout: '' });
    expect(one.stderr).toMatch(new RegExp(`^✓ withdrawn ${active}\n${next} signs; .*\n$`));
    const [signing, made = ''] = await published();
    expect(signing).toBe(next);
    expect(made).not.toBe(active);
    const other = await service.cli('keys', 'withdraw', made, '--json');
    expect(JSON.parse(other.stdout)).toMatchObject({ active: { key_id: next }, next: { status: 'next' } });
    expect(await published()).not.toContain(made);
    expect((await service.cli('keys', 'withdraw', active)).code).toBe(1);
    expect((await service.cli('webhooks', 'list')).code).toBe(0);
  });
});
