import { describe, expect, it } from 'vitest';
import { createTlsContext } from './tls.ts';

describe('createTlsContext', () => {
  it('refuses certificates and keys that cannot be read, when it is made and not at the first delivery', () => {
    expect(() => createTlsContext({ clientCert: { cert: 'no PEM', key: 'no PEM' } })).toThrow();
    expect(() => createTlsContext({ ca: 'no PEM' })).toThrow();
    expect(() => createTlsContext({ ca: ['no PEM'] })).toThrow();
    expect(() => createTlsContext({})).not.toThrow();
  });
});
