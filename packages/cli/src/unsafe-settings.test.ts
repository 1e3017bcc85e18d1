import { describe, expect, it } from 'vitest';
import { readSettings } from './settings.ts';
import { unsafeSettings } from './unsafe-settings.ts';

const safe = {
  BELLHOP_OPERATOR_TOKEN: 'a'.repeat(64),
  BELLHOP_KEY_ENCRYPTION_KEY: 'b'.repeat(64),
  BELLHOP_DATABASE_URL: 'postgres://bellhop@db.internal/bellhop?sslmode=verify-full',
  BELLHOP_OPERATOR_PORT: '9090',
  BELLHOP_HOST: '10.0.0.5',
};
const found = (env: Readonly<Record<string, string>>): readonly string[] =>
  unsafeSettings(readSettings('serve', {}, { ...safe, ...env }), env).map(({ level, text }) => `${level}: ${text}`);

describe('a start', () => {
  it('says nothing of settings that leave nothing open', () => {
    expect(found({})).toEqual([]);
    expect(found({ BELLHOP_OPERATOR_PORT: '', BELLHOP_HOST: '127.0.0.1' })).toEqual([]);
  });

  it.each([
    ['BELLHOP_OPERATOR_TOKEN', 'short', /^warning: .*fewer than 32 characters/],
    ['BELLHOP_ALLOW_INSECURE_TARGETS', 'all', /^warning: .*private addresses/],
    ['BELLHOP_REQUESTS_PER_SECOND', '0', /^warning: .*whole service/],
    ['BELLHOP_OPERATOR_REQUESTS_PER_SECOND', '0', /^warning: .*no limit/],
    ['BELLHOP_LOGIN_TRIES', '0', /^warning: .*guessed/],
    ['BELLHOP_KEY_ENCRYPTION_KEY', '', /^note: .*private keys/],
    ['BELLHOP_OPERATOR_PORT', '', /^note: .*operator API/],
  ])('tells what %s=%s opens', (variable, value, text) => {
    expect(found({ [variable]: value })).toEqual([expect.stringMatching(text)]);
  });

  it.each([
    ['postgres://db.internal/bellhop', true],
    ['postgres://db.internal/bellhop?sslmode=disable', true],
    ['postgres://db.internal/bellhop?sslmode=require', false],
    ['postgres://db.internal/bellhop?sslmode=', true],
    ['postgres://db.internal/bellhop?sslrootcert=/etc/ca.pem', false],
    ['postgres://db.internal/bellhop?ssl=true', false],
    ['postgres://127.0.0.1/bellhop', false],
    ['postgres://[::1]:5432/bellhop', false],
    ['postgres://localhost/bellhop?host=db.internal', true],
    ['postgres:///bellhop?host=/run/postgresql', false],
  ])('knows whether %s is encrypted, or needs no encryption', (url, isTold) => {
    expect(found({ BELLHOP_DATABASE_URL: url })).toEqual(isTold ? [expect.stringMatching(/sslmode/)] : []);
  });

  it('knows the variables of the driver', () => {
    const url = 'postgres://db.internal/bellhop';
    expect(found({ BELLHOP_DATABASE_URL: url, PGSSLMODE: 'require' })).toEqual([]);
    expect(found({ BELLHOP_DATABASE_URL: url, PGSSLMODE: 'disable' })).toHaveLength(1);
  });
});
