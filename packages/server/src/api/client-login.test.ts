import { describe, expect, it } from 'vitest';
import { hashClientSecret, isClientSecret } from '../keys/client-secrets.ts';
import { createClientLogin } from './client-login.ts';
import { createLoginBackOff } from './login-back-off.ts';

function start(options: { readonly freeTries?: number; readonly maxRemembered?: number } = {}) {
  const { freeTries = 5, ...rest } = options;
  const clock = { ms: 0 };
  let hashed = 0;
  const now = () => clock.ms;
  const clients = createClientLogin({
    backOff: createLoginBackOff({ freeTries, now }),
    now,
    isSecret(secret, stored) {
      hashed += 1;
      return isClientSecret(secret, stored);
    },
    ...rest,
  });
  return { clients, clock, hashed: () => hashed };
}

describe('the login of a client', () => {
  it('hashes a right secret once in five minutes, however often and from how many calls at once it comes', async () => {
    const { clients, clock, hashed } = start();
    const stored = [await hashClientSecret('right')];
    const logins = await Promise.all(Array.from({ length: 400 }, () => clients.login('a', 'right', stored)));
    expect(logins.every(({ ok }) => ok)).toBe(true);
    clock.ms += 299_999;
    expect(await clients.login('a', 'right', stored)).toEqual({ ok: true });
    expect(hashed()).toBe(1);
    clock.ms += 1;
    expect(await clients.login('a', 'right', stored)).toEqual({ ok: true });
    expect(hashed()).toBe(2);
  });

  it('remembers a secret for its client and its stored hash only', async () => {
    const { clients, hashed } = start();
    const [before, after] = [await hashClientSecret('old'), await hashClientSecret('new')];
    expect(await clients.login('a', 'old', [before])).toEqual({ ok: true });
    expect(await clients.login('a', 'new', [after, before])).toEqual({ ok: true });
    // The overlap: found without hashing.
    expect(await clients.login('a', 'old', [after, before])).toEqual({ ok: true });
    expect(hashed()).toBe(2);
    expect(await clients.login('a', 'old', [after])).toEqual({ ok: false, reason: 'wrong' });
    expect(await clients.login('b', 'old', [after])).toEqual({ ok: false, reason: 'wrong' });
    expect(hashed()).toBe(4);
  });

  it('counts a guess before it is hashed, and the same guess at the same time once', async () => {
    const { clients, hashed } = start({ freeTries: 3 });
    const stored = [await hashClientSecret('right')];
    const guesses = Array.from({ length: 40 }, (_, index) => clients.login('a', `wrong ${index % 20}`, stored));
    const reasons = (await Promise.all(guesses)).map((login) => (login.ok ? 'ok' : login.reason));
    expect(hashed()).toBe(3);
    expect(reasons.slice(0, 3)).toEqual(['wrong', 'wrong', 'wrong']);
    expect(reasons.slice(3, 20)).toEqual(Array.from({ length: 17 }, () => 'back_off'));
    expect(reasons.slice(20, 23)).toEqual(['wrong', 'wrong', 'wrong']);
  });

  it('compares nothing while a client has to wait, not even with what it remembers', async () => {
    const { clients, clock } = start({ freeTries: 1 });
    const stored = [await hashClientSecret('right')];
    expect(await clients.login('a', 'right', stored)).toEqual({ ok: true });
    expect(await clients.login('a', 'wrong', stored)).toEqual({ ok: false, reason: 'wrong' });
    expect(await clients.login('a', 'right', stored)).toEqual({ ok: false, reason: 'back_off', waitSeconds: 1 });
    clock.ms += 1_000;
    expect(await clients.login('a', 'right', stored)).toEqual({ ok: true });
  });

  it('has a short line for each client; who finds it full has not guessed', async () => {
    const { clients, hashed } = start({ freeTries: 50 });
    const stored = [await hashClientSecret('right')];
    const guesses = Array.from({ length: 20 }, (_, index) => clients.login('a', `wrong ${index}`, stored));
    const other = clients.login('b', 'right', stored);
    const reasons = (await Promise.all(guesses)).map((login) => (login.ok ? 'ok' : login.reason));
    expect(reasons.filter((reason) => reason === 'busy')).toHaveLength(15);
    expect(await other).toEqual({ ok: true });
    expect(hashed()).toBe(6);
  });

  it('forgets the secret used longest ago when it is full', async () => {
    const { clients, hashed } = start({ maxRemembered: 2 });
    const stored = [await hashClientSecret('right')];
    for (const id of ['a', 'b', 'a', 'c', 'a', 'b']) await clients.login(id, 'right', stored);
    expect(hashed()).toBe(4);
  });
});
