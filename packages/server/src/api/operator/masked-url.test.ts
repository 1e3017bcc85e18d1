import { describe, expect, it } from 'vitest';
import { newToken } from '../../keys/client-secrets.ts';
import { maskedUrl } from './masked-url.ts';

describe('a masked URL', () => {
  it.each([
    'https://a.example/',
    'https://a.example:8443/hooks',
    'https://a.example/api/v2/tenant_12/webhooks/Orders.php',
    'https://a.example/order-filled/',
  ])('is %s as it was, for it is made of words', (url) => {
    expect(maskedUrl(url)).toBe(url);
  });

  it.each([
    ['https://user:pass@a.example/hooks?key=1#part', 'https://a.example/hooks?…'],
    ['https://a.example/hooks/0b9f6bd8-51a1-4a3c-9b0e-5f0f4c7cf2f1', 'https://a.example/hooks/…'],
    ['https://a.example/services/T0001/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX', 'https://a.example/services/T0001/…/…'],
    ['https://a.example/a8f3k2x9/in', 'https://a.example/…/in'],
    ['https://a.example/token=abcdefgh', 'https://a.example/…'],
    ['https://a.example/abcdefghijklmnopqrstuvwxyzabcdef', 'https://a.example/…'],
    ['https://a.example/%61bcdefgh', 'https://a.example/…'],
    ['no URL', ''],
  ])('is %s without what may be a secret', (url, masked) => {
    expect(maskedUrl(url)).toBe(masked);
  });

  it('is found at once, however many words come before what is none', () => {
    // Broke: 40 words and a `!` kept the process busy for ever, and a tenant chooses its URL.
    expect(maskedUrl(`https://a.example/${'aa-'.repeat(300)}!/in`)).toBe('https://a.example/…/in');
    expect(maskedUrl(`https://a.example/${'Order-'.repeat(150)}2026`)).toBe('https://a.example/…');
  });

  it('never holds the token of an acceptor endpoint', () => {
    for (let count = 0; count < 1_000; count += 1) {
      const url = `https://a.example/events-acceptor-service/receive/${newToken()}`;
      expect(maskedUrl(url)).toBe('https://a.example/events-acceptor-service/receive/…');
    }
  });
});
