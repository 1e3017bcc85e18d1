// Private keys at rest: AES-256-GCM under a key derived from the key-encryption key the operator gives. Base64 of salt,
// nonce, tag and text.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export class PrivateKeySealError extends Error {
  override readonly name = 'PrivateKeySealError';
  readonly code: 'key_encryption_key_missing' | 'key_encryption_key_wrong';

  constructor(code: PrivateKeySealError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;

function derive(keyEncryptionKey: string, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', keyEncryptionKey, salt, 'bellhop private keys', 32));
}

export function sealPrivateKey(pem: string, keyEncryptionKey: string): string {
  const salt = randomBytes(saltBytes);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', derive(keyEncryptionKey, salt), nonce);
  const text = Buffer.concat([cipher.update(pem, 'utf8'), cipher.final()]);
  return Buffer.concat([salt, nonce, cipher.getAuthTag(), text]).toString('base64');
}

export function openPrivateKey(sealed: string, keyEncryptionKey: string | undefined): string {
  if (keyEncryptionKey === undefined) {
    throw new PrivateKeySealError(
      'key_encryption_key_missing',
      'Private keys in the database are encrypted, and no key-encryption key was given',
    );
  }
  const bytes = Buffer.from(sealed, 'base64');
  const nonceAt = saltBytes;
  const tagAt = nonceAt + nonceBytes;
  const textAt = tagAt + tagBytes;
  const key = derive(keyEncryptionKey, bytes.subarray(0, nonceAt));
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(nonceAt, tagAt));
  decipher.setAuthTag(bytes.subarray(tagAt, textAt));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(textAt)), decipher.final()]).toString('utf8');
  } catch {
    throw new PrivateKeySealError(
      'key_encryption_key_wrong',
      'Private keys in the database were encrypted with another key-encryption key',
    );
  }
}
