import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CliError } from './exit.ts';
import { readSettings, settingsTable } from './settings.ts';

function refusal(read: () => unknown): CliError {
  try {
    read();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('settings', () => {
  it('have the documented defaults', () => {
    expect(readSettings('dev', {}, {})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      dataDir: resolve('.bellhop'),
      databaseUrl: undefined,
      databaseWaitMs: 30_000,
      operatorToken: undefined,
      publicUrl: undefined,
      operatorPort: undefined,
      logLevel: 'error',
      insecureTargets: 'loopback',
      role: 'all',
    });
    expect(readSettings('serve', {}, {})).toMatchObject({ insecureTargets: 'none', logLevel: 'info' });
  });

  it('come from the environment, and flags win', () => {
    const env = { BELLHOP_PORT: '9000', BELLHOP_HOST: '::1', BELLHOP_LOG_LEVEL: 'debug' };
    expect(readSettings('dev', {}, env)).toMatchObject({ port: 9000, host: '::1', logLevel: 'debug' });
    expect(readSettings('dev', { port: '0' }, env)).toMatchObject({ port: 0, host: '::1' });
  });

  it('take an empty variable as unset', () => {
    expect(readSettings('serve', {}, { BELLHOP_PORT: '', BELLHOP_OPERATOR_TOKEN: '' })).toMatchObject({
      port: 8080,
      operatorToken: undefined,
    });
  });

  it('take true and false for insecure targets', () => {
    expect(readSettings('serve', {}, { BELLHOP_ALLOW_INSECURE_TARGETS: 'true' }).insecureTargets).toBe('all');
    expect(readSettings('dev', {}, { BELLHOP_ALLOW_INSECURE_TARGETS: 'false' }).insecureTargets).toBe('none');
  });

  it('take a public URL as it is published, without the slash at its end', () => {
    for (const value of ['https://x:8443', 'https://x:8443/']) {
      expect(readSettings('serve', { publicUrl: value }, {}).publicUrl).toBe('https://x:8443');
    }
  });

  it('leave the role to serve', () => {
    expect(readSettings('serve', { role: 'worker' }, {}).role).toBe('worker');
    expect(readSettings('dev', {}, { BELLHOP_ROLE: 'worker' }).role).toBe('all');
  });

  it.each([
    ['BELLHOP_PORT', 'eighty'],
    ['BELLHOP_PORT', '65536'],
    ['BELLHOP_PORT', '-1'],
    ['BELLHOP_PORT', '0x50'],
    ['BELLHOP_PORT', '8080.0'],
    ['BELLHOP_OPERATOR_PORT', 'x'],
    ['BELLHOP_HOST', 'http://here'],
    ['BELLHOP_DATABASE_URL', 'mysql://root@localhost/x'],
    ['BELLHOP_DATABASE_URL', 'localhost'],
    ['BELLHOP_OPERATOR_TOKEN', 'two words'],
    ['BELLHOP_OPERATOR_TOKEN', 'a-line\nbreak'],
    ['BELLHOP_PUBLIC_URL', 'ftp://x'],
    ['BELLHOP_PUBLIC_URL', 'https://x/?q=1'],
    ['BELLHOP_PUBLIC_URL', 'https://x/?'],
    ['BELLHOP_PUBLIC_URL', 'https://x/#a'],
    ['BELLHOP_PUBLIC_URL', 'https://u@x/'],
    ['BELLHOP_PUBLIC_URL', 'https://x//'],
    // Was published, and nothing behind it worked: links led outside, signatures over the public path failed.
    ['BELLHOP_PUBLIC_URL', 'https://x/webhooks'],
    ['BELLHOP_LOG_LEVEL', 'loud'],
    ['BELLHOP_ALLOW_INSECURE_TARGETS', 'yes'],
    ['BELLHOP_ROLE', 'king'],
    ['BELLHOP_KEY_ENCRYPTION_KEY', 'short'],
    ['BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY', 'short'],
    ['BELLHOP_PREVIOUS_KEY_ENCRYPTION_KEY', 'alone, without the one that seals from now on'],
    ['BELLHOP_SIGNING_KEY_ROTATION_DAYS', 'monthly'],
    ['BELLHOP_ACCEPTED_ALGORITHMS', 'ecdsa-p521,none'],
    ['BELLHOP_SIGNING_ALGORITHM', 'hs256'],
    ['BELLHOP_SIGNATURE_VERSION', '7'],
    ['BELLHOP_REQUESTS_PER_SECOND', '-1'],
    ['BELLHOP_REQUEST_BURST', '0'],
    ['BELLHOP_LOGIN_TRIES', 'many'],
    ['BELLHOP_MAX_WEBHOOKS', '0'],
    ['BELLHOP_AUDIT_DAYS', 'for ever'],
    ['BELLHOP_MAX_CONNECTIONS', '0'],
    ['BELLHOP_HEADERS_TIMEOUT_MS', '1s'],
    ['BELLHOP_DELIVERY_CERT_FILE', '/only/the/certificate'],
    ['BELLHOP_EGRESS_PORTS', '443,https'],
    ['BELLHOP_EGRESS_PORTS', '65536'],
    ['BELLHOP_EGRESS_PROXY', 'socks5://x'],
    // Was read as no list, which allows everything.
    ['BELLHOP_EGRESS_ALLOW', ' , '],
    ['BELLHOP_ACCEPTED_ALGORITHMS', ','],
    ['BELLHOP_OPERATOR_HOST', '10.0.0.5'],
  ])('refuse %s=%j and name the variable', (variable, value) => {
    const error = refusal(() => readSettings('serve', {}, { [variable]: value }));
    expect(error.exitCode).toBe(2);
    expect(error.message).toContain(variable);
    expect(error.message).not.toContain('\n');
  });

  it('name the flag when the flag is wrong', () => {
    expect(refusal(() => readSettings('dev', { port: 'x' }, { BELLHOP_PORT: '1' })).message).toContain('--port');
  });

  it('never repeat a database password or an operator token', () => {
    const wrong = { BELLHOP_DATABASE_URL: 'postgre://u:hunter2@host/db' };
    expect(refusal(() => readSettings('serve', {}, wrong)).message).not.toContain('hunter2');
    const proxy = { BELLHOP_EGRESS_PROXY: 'https://u:hunter2@proxy' };
    expect(refusal(() => readSettings('serve', {}, proxy)).message).not.toContain('hunter2');
    const publicUrl = { BELLHOP_PUBLIC_URL: 'https://u:hunter2@x' };
    expect(refusal(() => readSettings('serve', {}, publicUrl)).message).not.toContain('hunter2');
    const secret = { BELLHOP_KEY_ENCRYPTION_KEY: 'hunter2' };
    expect(refusal(() => readSettings('serve', {}, secret)).message).not.toContain('hunter2');
    const token = { BELLHOP_OPERATOR_TOKEN: 'hunter2 hunter2' };
    expect(refusal(() => readSettings('serve', {}, token)).message).not.toContain('hunter2');
  });

  it('are named after one pattern', () => {
    for (const { variable, flag } of settingsTable) {
      expect(variable).toMatch(/^BELLHOP_[A-Z_]+$/);
      if (flag) expect(flag).toMatch(/^--[a-z-]+ <[a-z]+>$/);
    }
  });
});
