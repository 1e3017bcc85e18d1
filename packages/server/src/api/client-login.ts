// Tells whether a client's secret is right, without letting one client keep the process busy: scrypt takes some 50 ms of a
// core and of the thread pool, in which signatures and deliveries wait too.
//
// * A right secret is remembered for five minutes, so that it costs one scrypt in that time. What is remembered is an
//   HMAC-SHA-256 under a key of this process, over the client, the secret and its stored hash: a secret that was rotated,
//   or whose overlap is over, is not found any more. A wrong one is never remembered.
// * The same secret at the same time is hashed once; whoever comes meanwhile gets that answer.
// * A guess counts before it is hashed, so that guesses in parallel meet the back-off (`login-back-off.ts`) as those in a row
//   do. While a client has to wait nothing is compared, not even with what is remembered.
// * scrypt itself has few slots and short lines, one for each client (`keys/client-secrets.ts`).

import { createHmac, randomBytes } from 'node:crypto';
import { isClientSecret, scryptTurns } from '../keys/client-secrets.ts';
import type { LoginBackOff } from './login-back-off.ts';

export type Login =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'wrong' }
  /** Too many wrong ones before, or too many waiting to be hashed. */
  | { readonly ok: false; readonly reason: 'back_off' | 'busy'; readonly waitSeconds: number };

export interface ClientLogin {
  /** `storedHashes` are those that are good now. */
  login(clientId: string, secret: string, storedHashes: readonly string[]): Promise<Login>;
}

const rememberMs = 5 * 60_000;

export function createClientLogin(options: {
  readonly backOff: LoginBackOff;
  readonly now: () => number;
  readonly maxRemembered?: number;
  /** scrypt, for tests that count it. */
  readonly isSecret?: typeof isClientSecret;
}): ClientLogin {
  const { backOff, now, maxRemembered = 10_000, isSecret = isClientSecret } = options;
  const key = randomBytes(32);
  // Until when, the last used one last.
  const remembered = new Map<string, number>();
  const pending = new Map<string, Promise<Login>>();

  function markOf(clientId: string, secret: string, storedHash: string): string {
    return createHmac('sha256', key)
      .update(JSON.stringify([clientId, storedHash, secret]))
      .digest('base64');
  }

  function isRemembered(mark: string): boolean {
    const untilMs = remembered.get(mark);
    if (untilMs === undefined) return false;
    remembered.delete(mark);
    if (untilMs <= now()) return false;
    remembered.set(mark, untilMs);
    return true;
  }

  function remember(mark: string): void {
    remembered.delete(mark);
    remembered.set(mark, now() + rememberMs);
    if (remembered.size <= maxRemembered) return;
    const [oldest] = remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
  }

  async function hash(clientId: string, secret: string, storedHashes: readonly string[]): Promise<Login> {
    const isRight = await scryptTurns.tryRun(clientId, async () => {
      for (const storedHash of storedHashes) {
        if (!(await isSecret(secret, storedHash))) continue;
        remember(markOf(clientId, secret, storedHash));
        return true;
      }
      return false;
    });
    if (isRight === undefined) {
      backOff.takeBack(clientId);
      return { ok: false, reason: 'busy', waitSeconds: 1 };
    }
    if (!isRight) return { ok: false, reason: 'wrong' };
    backOff.succeeded(clientId);
    return { ok: true };
  }

  return {
    async login(clientId, secret, storedHashes) {
      const marks = storedHashes.map((storedHash) => markOf(clientId, secret, storedHash));
      const id = marks.join();
      const running = pending.get(id);
      if (running) return running;
      // From here to `tried` nothing is awaited: no two guesses see the same count.
      const waitSeconds = backOff.waitSeconds(clientId);
      if (waitSeconds !== undefined) return { ok: false, reason: 'back_off', waitSeconds };
      if (marks.some(isRemembered)) {
        backOff.succeeded(clientId);
        return { ok: true };
      }
      backOff.tried(clientId);
      const hashing = hash(clientId, secret, storedHashes).finally(() => pending.delete(id));
      pending.set(id, hashing);
      return hashing;
    },
  };
}
