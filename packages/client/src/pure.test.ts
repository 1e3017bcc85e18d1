import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { delayMs } from './delay.ts';
import { ApiError, NetworkError } from './errors.ts';
import { problemOf, slugOf } from './problem.ts';
import { nextDelayMs, repeatable, retryAfterMs, retryPolicy } from './retry.ts';

describe('problem types', () => {
  it('are the same in both spellings and both forms', () => {
    for (const type of [
      'https://docs.upvest.co/errors/unauthorised',
      'unauthorized',
      'https://x/errors/unauthorized/',
    ]) {
      expect(slugOf(type)).toBe('unauthorised');
    }
    expect(slugOf('internal_server_error')).toBe(slugOf('https://docs.upvest.co/errors/internal'));
    expect(slugOf('about:blank')).toBeUndefined();
  });

  it('follow the status where the word is missing or the known slip', () => {
    expect(problemOf(503, { type: 'method_not_allowed' }).slug).toBe('service_unavailable');
    expect(problemOf(405, { type: 'method_not_allowed' }).slug).toBe('method_not_allowed');
    expect(problemOf(429, undefined).slug).toBe('too_many_requests');
  });

  it('never throw, whatever the body is', () => {
    fc.assert(
      fc.property(fc.anything(), fc.integer({ min: 400, max: 599 }), (body, status) => {
        expect(problemOf(status, body).slug).not.toBe('');
      }),
    );
  });
});

describe('delays', () => {
  it('are read in seconds and minutes', () => {
    expect([delayMs('1s'), delayMs('30s'), delayMs('2m')]).toEqual([1_000, 30_000, 120_000]);
    expect([delayMs('0s'), delayMs('5'), delayMs('5h'), delayMs(' 5s')]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('retry-after', () => {
  it('is read as seconds or as an HTTP date', () => {
    const now = Date.UTC(2026, 0, 1, 12, 0, 0);
    expect(retryAfterMs('120', now)).toBe(120_000);
    expect(retryAfterMs('Thu, 01 Jan 2026 12:00:30 GMT', now)).toBe(30_000);
    expect(retryAfterMs('Thu, 01 Jan 2026 11:00:00 GMT', now)).toBe(0);
    for (const nonsense of [null, '', 'soon', '-1', '1.5']) expect(retryAfterMs(nonsense, now)).toBeUndefined();
  });
});

describe('the decision to repeat', () => {
  const lost = new NetworkError('ECONNRESET', { operation: 'POST /webhooks', mayHaveHappened: true });
  const refused = new NetworkError('ECONNREFUSED', { operation: 'POST /webhooks', mayHaveHappened: false });
  const certificate = new NetworkError('CERT_HAS_EXPIRED', { operation: 'GET /webhooks', mayHaveHappened: false });

  it('knows where an idempotency key is ignored', () => {
    expect(repeatable('POST', '/webhooks', true)).toBe('not-carried-out');
    expect(repeatable('POST', '/webhooks/a/test', true)).toBe('not-carried-out');
    expect(repeatable('POST', '/webhooks', false)).toBe('any');
    expect(repeatable('POST', '/orders', true)).toBe('any');
    expect(repeatable('DELETE', '/webhooks/a', true)).toBe('any');
  });

  it('repeats a lost try only where that is safe, and a bad certificate never', () => {
    const policy = retryPolicy();
    expect(nextDelayMs(lost, 1, 'not-carried-out', policy, () => 1)).toBeUndefined();
    expect(nextDelayMs(lost, 1, 'any', policy, () => 1)).toBe(250);
    expect(nextDelayMs(refused, 1, 'not-carried-out', policy, () => 1)).toBe(250);
    expect(nextDelayMs(certificate, 1, 'any', policy, () => 1)).toBeUndefined();
  });

  it('waits within its bounds and never more often than allowed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (tries, attempts, random) => {
          const delay = nextDelayMs(lost, tries, 'any', retryPolicy({ attempts }), () => random);
          if (tries >= attempts) expect(delay).toBeUndefined();
          else expect(delay).toBeLessThanOrEqual(8_000);
        },
      ),
    );
  });

  it('repeats an ApiError by its status only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), (status) => {
        const problem = { status, slug: 's', type: undefined, title: undefined, detail: undefined };
        const error = new ApiError(problem, { operation: 'GET /', mayHaveHappened: status >= 500 });
        const repeats = nextDelayMs(error, 1, 'any', retryPolicy(), () => 0) !== undefined;
        expect(repeats).toBe([429, 500, 502, 503, 504].includes(status));
      }),
    );
  });
});
