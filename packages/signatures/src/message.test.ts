import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageTarget, SignError, signatureBase } from './index.ts';
import { readCall } from './messages.fixture.ts';

describe('messageTarget', () => {
  it.each([
    ['/webhooks', '/webhooks', undefined],
    ['/webhooks?limit=2&a=?', '/webhooks', 'limit=2&a=?'],
    ['/webhooks?', '/webhooks', ''],
    ['/%E4?%E4=ä', '/%E4', '%E4=ä'],
    ['//host/x', '//host/x', undefined],
    ['', '', undefined],
    ['*', '*', undefined],
    ['https://tenant.tld', '/', undefined],
    ['https://tenant.tld/a%20b/../c?d=e f#g', '/c', 'd=e%20f'],
    ['HTTP://tenant.tld/a?', '/a', undefined],
    ['http://[broken/a?b', 'http://[broken/a', 'b'],
  ])('cuts %s', (target, path, query) => {
    expect(messageTarget(target)).toEqual({ path, query });
  });

  it('takes a URL', () => {
    expect(messageTarget(new URL('https://tenant.tld/a?b'))).toEqual({ path: '/a', query: 'b' });
  });

  it('never throws for a received target', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `http://${text}`),
        ),
        (text) => {
          expect(typeof messageTarget(text).path).toBe('string');
        },
      ),
    );
  });
});

describe('signatureBase', () => {
  it('differs between the versions in quotes only', () => {
    const message = { ...readCall, method: 'get', path: '', query: 'a=b' };
    const components = ['@path', '@query', '@method'];
    expect(signatureBase(message, 15, components, '(x)')).toBe(
      '"@path": /\n"@query": ?a=b\n"@method": GET\n"@signature-params": (x)',
    );
    expect(signatureBase(message, 6, components, '(x)')).toBe(
      '@path: /\n@query: ?a=b\n@method: GET\n@signature-params: (x)',
    );
  });

  it('throws a coded error for a message that has no such base', () => {
    expect(() => signatureBase(readCall, 15, ['date'], '()')).toThrow(SignError);
    expect(() => signatureBase(readCall, 15, [], 'a\nb')).toThrow(
      expect.objectContaining({ code: 'invalid_parameter' }),
    );
    // @ts-expect-error there is no version 7
    expect(() => signatureBase(readCall, 7, [], '()')).toThrow(TypeError);
  });

  it('changes letters of ASCII only', () => {
    const headers: [string, string][] = [['\u212aey', 'v']];
    expect(() => signatureBase({ ...readCall, headers }, 15, ['key'], '()')).toThrow(
      expect.objectContaining({ code: 'missing_component' }),
    );
    expect(() => signatureBase({ ...readCall, method: 'ß' }, 15, ['@method'], '()')).toThrow(
      expect.objectContaining({ code: 'malformed_message' }),
    );
  });
});
