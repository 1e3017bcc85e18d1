// Listing and revoking access tokens, by the real command against a real service.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DevService, startDev } from '../service.fixture.ts';

let service: DevService;

beforeAll(async () => {
  service = await startDev();
});
afterAll(() => service?.close());

const ids = async (): Promise<string[]> => {
  const listed: { readonly id: string }[] = JSON.parse((await service.cli('tokens', 'list', '--json')).stdout);
  return listed.map(({ id }) => id);
};

describe('bellhop tokens', () => {
  it('lists tokens by their SHA-256 and revokes one, or all', async () => {
    const tokens = await Promise.all(Array.from({ length: 3 }, async () => (await service.cli('token')).stdout.trim()));
    const [id = '', ...others] = tokens.map((token) => createHash('sha256').update(token).digest('hex'));
    expect(await ids()).toEqual(expect.arrayContaining([id, ...others]));
    expect((await service.cli('tokens', 'list')).stdout).toMatch(new RegExp(`^${id}\t\\S+Z\twebhooks:`, 'm'));
    const one = await service.cli('tokens', 'revoke', id);
    expect(one).toEqual({ code: 0, stdout: '', stderr: '✓ revoked 1 token\n' });
    expect(await ids()).not.toContain(id);
    expect((await service.cli('tokens', 'revoke', id)).code).toBe(1);
    const count = (await ids()).length;
    const all = await service.cli('tokens', 'revoke', '--all', '--json');
    expect(JSON.parse(all.stdout)).toEqual({ revoked: count });
    expect((await service.cli('tokens', 'list')).stderr).toMatch(/^No token/);
    // What has a secret gets a new one.
    expect((await service.cli('webhooks', 'list')).code).toBe(0);
  });

  it('wants to know which', async () => {
    for (const args of [[], ['--all', 'f'.repeat(64)], ['not-a-hash']]) {
      expect((await service.cli('tokens', 'revoke', ...args)).code).toBe(2);
    }
  });
});
