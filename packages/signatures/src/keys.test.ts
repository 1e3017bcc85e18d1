import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  generateSigningKey,
  importSigningKey,
  importVerificationKey,
  KeyError,
  keyAlgorithms,
  privatePem,
  publicJwk,
  publicPem,
  verificationKeyOf,
} from './index.ts';
import { encryptedPkcs8Pem, legacyEncryptedPem, passphrase, pkcs8Pem, sec1Pem, spkiPem } from './keys.fixture.ts';

function codeOf(read: () => unknown): string {
  try {
    read();
    return 'read';
  } catch (error) {
    return error instanceof KeyError ? error.code : String(error);
  }
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

describe('importSigningKey', () => {
  it.each([
    ['SEC1', sec1Pem, {}],
    ['SEC1 with a passphrase nobody needs', sec1Pem, { passphrase }],
    ['PKCS#8', pkcs8Pem, {}],
    ['encrypted PKCS#8', encryptedPkcs8Pem, { passphrase }],
    ['the legacy encrypted form', legacyEncryptedPem, { passphrase }],
    [
      'SEC1 behind curve parameters',
      `-----BEGIN EC PARAMETERS-----\nBgUrgQQAIw==\n-----END EC PARAMETERS-----\n${sec1Pem}`,
      {},
    ],
    ['CRLF line ends', sec1Pem.replaceAll('\n', '\r\n'), {}],
    ['indentation', `  ${legacyEncryptedPem.replaceAll('\n', '\n    ')}`, { passphrase }],
    ['no line end', pkcs8Pem.trim(), {}],
  ])('reads PEM: %s', (_form, pem, options) => {
    const key = importSigningKey('id', pem, options);
    expect(key.algorithm).toBe('ecdsa-p521');
    expect(publicPem(key)).toBe(spkiPem);
  });

  it('reads JWK and KeyObject', () => {
    const key = importSigningKey('id', sec1Pem);
    expect(publicPem(importSigningKey('id', key.privateKey))).toBe(spkiPem);
    expect(publicPem(importSigningKey('id', key.privateKey.export({ format: 'jwk' })))).toBe(spkiPem);
  });

  it('tells what is wrong with a key', () => {
    expect(codeOf(() => importSigningKey('id', encryptedPkcs8Pem))).toBe('passphrase_missing');
    expect(codeOf(() => importSigningKey('id', legacyEncryptedPem))).toBe('passphrase_missing');
    expect(codeOf(() => importSigningKey('id', encryptedPkcs8Pem, { passphrase: 'x' }))).toBe('passphrase_wrong');
    expect(codeOf(() => importSigningKey('id', legacyEncryptedPem, { passphrase: '' }))).toBe('passphrase_wrong');
    expect(codeOf(() => importSigningKey('id', spkiPem))).toBe('not_a_private_key');
    expect(codeOf(() => importSigningKey('id', createPublicKey(spkiPem)))).toBe('not_a_private_key');
    expect(codeOf(() => importSigningKey('id', { kty: 'EC' }))).toBe('not_a_private_key');
    expect(codeOf(() => importSigningKey('id', { kty: 'EC', crv: 'P-521', d: 'AA' }))).toBe('malformed_key');
    expect(codeOf(() => importSigningKey('id', 'hello'))).toBe('malformed_key');
    expect(codeOf(() => importSigningKey('id', ''))).toBe('malformed_key');
    expect(codeOf(() => importSigningKey('id', sec1Pem.replace('MIHc', 'AAAA')))).toBe('malformed_key');
    expect(codeOf(() => importSigningKey('id', ' '.repeat(20_000)))).toBe('malformed_key');
    expect(codeOf(() => importSigningKey('id', rsa.privateKey))).toBe('unsupported_algorithm');
    const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
    expect(codeOf(() => importSigningKey('id', k256))).toBe('unsupported_algorithm');
  });

  it.each(['', 'a\nb', 'ü', 'x'.repeat(257)])('refuses the key id %j', (keyId) => {
    expect(codeOf(() => importSigningKey(keyId, sec1Pem))).toBe('invalid_key_id');
  });

  it('shows neither key nor passphrase in what it throws', () => {
    try {
      importSigningKey('id', legacyEncryptedPem, { passphrase: 'wrong-secret' });
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain('wrong-secret');
      expect(error).toHaveProperty('cause');
    }
  });
});

describe('importVerificationKey', () => {
  it('reads SubjectPublicKeyInfo, JWK and KeyObject', () => {
    const jwk = publicJwk(importSigningKey('id', sec1Pem));
    for (const input of [spkiPem, { ...jwk }, createPublicKey(spkiPem)]) {
      const key = importVerificationKey('id', input);
      expect(key.algorithm).toBe('ecdsa-p521');
      expect(publicPem(key)).toBe(spkiPem);
    }
  });

  it('reads the 32 raw bytes of an Ed25519 key in base64', async () => {
    const key = await generateSigningKey('id', 'ed25519');
    const raw = Buffer.from(publicJwk(key).x, 'base64url').toString('base64');
    expect(publicJwk(importVerificationKey('id', raw))).toEqual(publicJwk(key));
    expect(publicJwk(importVerificationKey('id', `${raw}\n`))).toEqual(publicJwk(key));
    expect(codeOf(() => importVerificationKey('id', raw.slice(4)))).toBe('malformed_key');
  });

  it('refuses private keys instead of taking their public half', () => {
    const key = importSigningKey('id', sec1Pem);
    expect(codeOf(() => importVerificationKey('id', sec1Pem))).toBe('not_a_public_key');
    expect(codeOf(() => importVerificationKey('id', legacyEncryptedPem))).toBe('not_a_public_key');
    expect(codeOf(() => importVerificationKey('id', `${spkiPem}${sec1Pem}`))).toBe('not_a_public_key');
    expect(codeOf(() => importVerificationKey('id', key.privateKey))).toBe('not_a_public_key');
    expect(codeOf(() => importVerificationKey('id', key.privateKey.export({ format: 'jwk' })))).toBe(
      'not_a_public_key',
    );
  });

  it('refuses what is no key of this API', () => {
    expect(codeOf(() => importVerificationKey('id', rsa.publicKey))).toBe('unsupported_algorithm');
    expect(codeOf(() => importVerificationKey('id', { kty: 'EC', crv: 'P-521', x: 'AA', y: 'AA' }))).toBe(
      'malformed_key',
    );
    expect(codeOf(() => importVerificationKey('id', 'garbage'))).toBe('malformed_key');
    expect(codeOf(() => importVerificationKey('id', spkiPem.replace('MIGb', 'AAAA')))).toBe('malformed_key');
  });
});

describe('export', () => {
  it.each(keyAlgorithms)('writes %s keys that read back the same', async (algorithm) => {
    const key = await generateSigningKey('id', algorithm);
    expect(key).toMatchObject({ keyId: 'id', algorithm });
    expect(publicJwk(importSigningKey('id', privatePem(key)))).toEqual(publicJwk(key));
    const locked = privatePem(key, { passphrase });
    expect(locked).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    expect(publicJwk(importSigningKey('id', locked, { passphrase }))).toEqual(publicJwk(key));
    expect(importVerificationKey('id', publicPem(key)).algorithm).toBe(algorithm);
    expect(publicJwk(verificationKeyOf(key))).toEqual(publicJwk(key));
    expect(JSON.stringify(publicJwk(key))).not.toContain('"d"');
  });

  it('pads P-521 coordinates to 66 bytes', async () => {
    // A coordinate has a leading zero byte in every second key.
    for (let count = 0; count < 20; count++) {
      const jwk = publicJwk(await generateSigningKey('id', 'ecdsa-p521'));
      expect([jwk.x, jwk.y].map((text) => Buffer.from(text ?? '', 'base64url').length)).toEqual([66, 66]);
    }
  });

  it('does not show private keys in JSON', async () => {
    expect(JSON.stringify(await generateSigningKey('id', 'ed25519'))).toBe(
      '{"keyId":"id","algorithm":"ed25519","privateKey":{}}',
    );
  });

  it('refuses an algorithm that does not exist', async () => {
    // @ts-expect-error not an algorithm
    await expect(generateSigningKey('id', '__proto__')).rejects.toThrow(TypeError);
  });
});
