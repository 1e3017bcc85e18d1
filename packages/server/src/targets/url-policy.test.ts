import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkUrl, type InsecureTargets, type UrlRefusal } from './url-policy.ts';

function reasonOf(url: string, insecure: InsecureTargets = 'none'): UrlRefusal | 'ok' {
  const check = checkUrl(url, insecure);
  return check.ok ? 'ok' : check.reason;
}

const refusals: readonly (readonly [UrlRefusal, readonly string[]])[] = [
  ['scheme', ['http://example.com/', 'HTTP://example.com', 'ftp://example.com/', 'ws://example.com', 'file://host/x']],
  [
    'syntax',
    [
      ...[
        '',
        'example.com',
        '//example.com/x',
        '/webhooks',
        'https:example.com',
        'https:/example.com',
        'https:///x.com',
      ],
      ...['javascript:alert(1)', 'https://', 'https://example.com:99999/', 'https://1.2.3.4.5/', 'https://256.1.1.1/'],
      ...[
        'https://[::1',
        'https://[fe80::1%25eth0]/',
        'https://[fe80::1%eth0]/',
        'https://exa<mple.com/',
        'https://foo.1/',
      ],
    ],
  ],
  [
    'characters',
    [
      ...[
        'https://example.com\\@evil.com/',
        'https:\\\\example.com',
        'https://example.com/a b',
        ' https://example.com/',
      ],
      ...[
        'https://example.com/\n',
        'ht\ttps://example.com/',
        'https://exam\u0000ple.com',
        'https://example.com/\u2028',
      ],
      ...[
        'https://example.com/\u00a0',
        'https://exam\u00adple.com/',
        'https://example.com/\u200b',
        'https://a.com/\ud800',
      ],
      ...['https://example.com/\r\nhost: evil', 'https://example.com/\u007f', 'https://example.com/\u202e'],
    ],
  ],
  ['credentials', ['https://user@example.com/', 'https://user:pass@example.com/', 'https://@example.com/']],
  [
    'credentials',
    ['https://example.com@127.0.0.1/', 'https://example.com:443@127.0.0.1/', 'https://a%40b@example.com/'],
  ],
  ['fragment', ['https://example.com/#', 'https://example.com/x#y', 'https://example.com#@127.0.0.1/']],
  ['port', ['https://example.com:0/', 'https://example.com:/']],
  [
    'ip_address',
    [
      ...['https://127.0.0.1/', 'https://8.8.8.8/', 'https://127.1/', 'https://127.0.1/', 'https://2130706433/'],
      ...['https://0x7f000001/', 'https://0x7f.1/', 'https://0177.0.0.1/', 'https://017700000001/', 'https://0/'],
      ...[
        'https://0X7F.0x0.0.1/',
        'https://①②⑦.⓪.⓪.①/',
        'https://１２７.０.０.１/',
        'https://127。0。0。1/',
        'https://127.0.0.1./',
      ],
      ...[
        'https://[::1]/',
        'https://[::]/',
        'https://[::ffff:127.0.0.1]/',
        'https://[::ffff:7f00:1]/',
        'https://[::127.0.0.1]/',
      ],
      ...[
        'https://[64:ff9b::a9fe:a9fe]/',
        'https://[2002:7f00:1::]/',
        'https://[2606:4700::1111]/',
        'https://169.254.169.254/',
      ],
      ...['https://0x.0x.0/', 'https://10.0.0.1:8443/x', 'https://127.0.0.1:443?x'],
    ],
  ],
  [
    'local_name',
    [
      ...[
        'https://localhost/',
        'https://LOCALHOST/',
        'https://ⓛocalhost/',
        'https://ｌｏｃａｌｈｏｓｔ/',
        'https://intranet/',
      ],
      ...[
        'https://a.localhost/',
        'https://metadata.google.internal/',
        'https://printer.local/',
        'https://router.home.arpa/',
      ],
      ...['https://localhost.localdomain/', 'https://localhost:8080/', 'https://metadata/computeMetadata/v1/'],
    ],
  ],
  [
    'host_name',
    [
      ...[
        'https://example.com./',
        'https://localhost./',
        'https://example..com/',
        'https://.example.com/',
        'https://a.-b.com/',
      ],
      ...[
        'https://a-.com/',
        `https://${'a'.repeat(64)}.com/`,
        `https://${'a.'.repeat(127)}com/`,
        'https://ex%61mple.com/',
      ],
      ...['https://%6c%6f%63%61%6c%68%6f%73%74/', 'https://127.0.0.1%2e.example.com/', 'https://%31%32%37.0.0.1/'],
      ...['https://exa*mple.com/', 'https://a!b.com/', 'https://a..', 'https://...'],
    ],
  ],
  ['too_long', [`https://example.com/${'a'.repeat(981)}`]],
];

describe('checkUrl', () => {
  describe.each(refusals)('refuses with %s', (reason, urls) => {
    it.each(urls)('%j', (url) => {
      expect(reasonOf(url)).toBe(reason);
    });
  });

  it.each([
    'https://example.com',
    'https://tenant.tld/webhooks/users',
    'HTTPS://Example.COM/Path',
    'https://example.com:8443/hooks?tenant=1&x=%20y',
    'https://a_b.example.com/',
    'https://bücher.example/',
    'https://xn--bcher-kva.example/',
    'https://127.0.0.1.nip.example/',
    'https://1.2.3.4.com/',
    'https://localhost.example.com/',
    'https://notlocalhost.com/',
    'https://mylocal.com/x@y',
    `https://example.com/${'a'.repeat(980)}`,
  ])('allows %s', (url) => {
    expect(reasonOf(url)).toBe('ok');
  });

  it.each([
    ['https://example.com', '/'],
    ['https://example.com?a=1', '/?a=1'],
    ['https://example.com/', '/'],
    ['https://example.com/a/../b/./c', '/a/../b/./c'],
    ['https://example.com/%7Euser/%2f', '/%7Euser/%2f'],
    ['https://example.com//x//', '//x//'],
    ["https://example.com/'{}|^`?q='<>", "/'{}|^`?q='<>"],
    ['https://example.com/x?', '/x?'],
    ['https://example.com/x?a=1?b=2&&', '/x?a=1?b=2&&'],
    ['https://example.com/bücher?q=€𝄞', '/b%C3%BCcher?q=%E2%82%AC%F0%9D%84%9E'],
  ])('keeps path and query of %s as given: %s', (url, expected) => {
    const check = checkUrl(url, 'none');
    expect(check.ok && check.requestTarget).toBe(expected);
  });

  it('never lets an allowed URL mean anything but its host to the parser, whatever the text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'https://',
        'http://',
        '127.0.0.1',
        'localhost',
        '@',
        '\\',
        '/',
        '?',
        '#',
        ':',
        '.',
        '%',
        '[::1]',
      ),
      fc.constantFrom('example.com', '①', '。', '0x7f', '\t', '::', '443', ' ', '\u0000', 'xn--', 'ß', '2130706433'),
      fc.string({ unit: 'binary', maxLength: 4 }),
    );
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => `https://${pieces.join('')}`);
    fc.assert(
      fc.property(text, (url) => {
        const check = checkUrl(url, 'none');
        if (!check.ok) return;
        expect(check.url.protocol).toBe('https:');
        expect(check.url.hostname).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.[a-z0-9_-]*[a-z][a-z0-9_-]*$/);
        expect(check.url.username + check.url.password + check.url.hash).toBe('');
        expect(check.requestTarget).toMatch(/^\/[\x21-\x7e]*$/);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('checkUrl with insecure targets', () => {
  const loopback = [
    ...[
      'http://localhost:8080/x',
      'https://localhost/',
      'http://127.0.0.1:1/',
      'https://127.9.9.9/',
      'http://[::1]:80/',
    ],
    ...['http://hooks.localhost/', 'https://[::ffff:127.0.0.1]/'],
  ];

  it.each(loopback)('allows %s with loopback and all', (url) => {
    expect([reasonOf(url, 'loopback'), reasonOf(url, 'all')]).toEqual(['ok', 'ok']);
    expect(reasonOf(url, 'none')).not.toBe('ok');
  });

  it.each([
    ['http://example.com/', 'scheme'],
    ['http://10.0.0.1/', 'scheme'],
    ['https://10.0.0.1/', 'ip_address'],
    ['https://8.8.8.8/', 'ip_address'],
    ['https://0.0.0.0/', 'ip_address'],
    ['https://intranet/', 'local_name'],
    ['http://localhost.evil.example/', 'scheme'],
    ['http://user@localhost/', 'credentials'],
    ['http://localhost/#', 'fragment'],
    ['http://localhost./', 'scheme'],
  ] as const)('with loopback still refuses %s', (url, reason) => {
    expect(reasonOf(url, 'loopback')).toBe(reason);
  });

  it.each([
    'http://example.com/',
    'http://10.0.0.1/',
    'http://handler:3000/',
    'http://x.internal/',
    'http://[fd00::1]/',
  ])('with all allows %s', (url) => {
    expect(reasonOf(url, 'all')).toBe('ok');
  });

  it.each([
    ['ftp://example.com/', 'scheme'],
    ['http://user@example.com/', 'credentials'],
    ['http://example.com/#x', 'fragment'],
    ['http://example.com./', 'host_name'],
    ['http://a\\b/', 'characters'],
  ] as const)('with all still refuses %s', (url, reason) => {
    expect(reasonOf(url, 'all')).toBe(reason);
  });
});
