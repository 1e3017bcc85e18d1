// Secrets, and what is computed from them, are compared in constant time. Time itself is not measured here, a shared machine
// would decide the test: what is shown is that the verdict comes from the one function that is made for it, over equal
// lengths, whatever the guess has in common with the secret.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { standardWebhooks } from '@bellhop/handler/senders';
import { memoryNonces } from '@bellhop/signatures';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { hashClientSecret, isClientSecret, isSameSecret } from '../../packages/server/src/keys/client-secrets.ts';

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

const compared = vi.mocked(timingSafeEqual);
beforeEach(() => {
  compared.mockClear();
});

/** One comparison, of equal lengths, whose verdict is the given one. */
function expectConstantTime(isEqual: boolean): void {
  expect(compared.mock.results.map(({ value }) => value)).toEqual([isEqual]);
  const [left, right] = (compared.mock.calls[0] ?? []).map(({ byteLength }) => byteLength);
  expect(left).toBe(right);
  expect(left).toBeGreaterThanOrEqual(32);
}

const secret = randomBytes(32).toString('hex');
const flipped = (index: number): string =>
  secret.slice(0, index) + (secret[index] === 'a' ? 'b' : 'a') + secret.slice(index + 1);
const guesses = [
  ['the secret', secret],
  ['another first character', flipped(0)],
  ['another last character', flipped(secret.length - 1)],
  ['its beginning', secret.slice(0, 8)],
  ['more than it', `${secret}a`],
  ['nothing', ''],
] as const;

describe.each(guesses)('a guess that is %s', (_, guess) => {
  it('is compared with the operator token in constant time', () => {
    expect(isSameSecret(guess, secret)).toBe(guess === secret);
    expectConstantTime(guess === secret);
  });

  it('is compared with a client secret in constant time', async () => {
    const stored = await hashClientSecret(secret);
    expect(await isClientSecret(guess, stored)).toBe(guess === secret);
    expectConstantTime(guess === secret);
  });
});

it.each([
  ['the true one', undefined],
  ['another first byte', 0],
  ['another last byte', 31],
])('a symmetric signature with %s is compared in constant time', async (_, changedByte) => {
  const key = randomBytes(32);
  const sender = standardWebhooks({ name: 'OTHER', keys: [`whsec_${key.toString('base64')}`] });
  const body = Buffer.from('{"type":"a"}');
  const timestamp = '1777636800';
  const mac = createHmac('sha256', key).update(`id.${timestamp}.`).update(body).digest();
  if (changedByte !== undefined) mac.writeUInt8(mac.readUInt8(changedByte) ^ 1, changedByte);
  const headers = {
    'webhook-id': 'id',
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac.toString('base64')}`,
  };
  const verdict = await sender.verify(
    { method: 'POST', path: '/', url: '/', headers: new Map(Object.entries(headers)), body },
    { now: () => Number(timestamp) * 1_000, nonces: memoryNonces() },
  );
  expect(verdict.ok).toBe(changedByte === undefined);
  expectConstantTime(changedByte === undefined);
});
