import { describe, expect, it } from 'vitest';
import { isOwnHost } from './own-host.ts';

describe('the host of a request', () => {
  it.each([
    ['localhost:3000', '127.0.0.1'],
    ['LocalHost', '127.0.0.1'],
    ['127.0.0.1:3000', '127.0.0.1'],
    ['127.8.9.1:3000', '127.0.0.1'],
    ['[::1]:3000', '127.0.0.1'],
    ['proxy.internal:3000', 'proxy.internal'],
    ['192.168.1.20:3000', '192.168.1.20'],
    ['[fd00::5]:3000', 'fd00::5'],
    ['192.168.1.20:3000', '0.0.0.0'],
    ['[fd00::5]:3000', '::'],
    ['127.0.0.1:3000', '::'],
  ])('%s is its own when it listens on %s', (header, listenHost) => {
    expect(isOwnHost(header, listenHost)).toBe(true);
  });

  it.each([
    ['attacker.example:3000', '127.0.0.1'],
    ['attacker.example:3000', '0.0.0.0'],
    ['attacker.example:3000', '::'],
    ['localhost.attacker.example', '127.0.0.1'],
    ['127.0.0.1.attacker.example', '127.0.0.1'],
    ['192.168.1.20:3000', '127.0.0.1'],
    ['user@127.0.0.1', '127.0.0.1'],
    ['127.0.0.1:3000:80', '127.0.0.1'],
    ['', '127.0.0.1'],
    [undefined, '127.0.0.1'],
  ])('%s is not when it listens on %s', (header, listenHost) => {
    expect(isOwnHost(header, listenHost)).toBe(false);
  });
});
