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

/** Tries the key of now, then the one before it, where there is one. */
export function openPrivateKey(
  sealed: string,
  keyEncryptionKey: string | undefined,
  previousKeyEncryptionKey?: string | undefined,
): string {
  if (keyEncryptionKey === undefined) {
    throw new PrivateKeySealError(
      'key_encryption_key_missing',
      'Private keys in the database are encrypted, and no key-encryption key was given',
    );
  }
  const pem =
    openUnder(sealed, keyEncryptionKey) ??
    (previousKeyEncryptionKey === undefined ? undefined : openUnder(sealed, previousKeyEncryptionKey));
  if (pem === undefined) {
    throw new PrivateKeySealError(
      'key_encryption_key_wrong',
      'Private keys in the database were encrypted with another key-encryption key',
    );
  }
  return pem;
}

export function isSealedUnder(sealed: string, keyEncryptionKey: string): boolean {
  return openUnder(sealed, keyEncryptionKey) !== undefined;
}

/** Undefined when it was sealed under another key, or is not what was sealed. */
function openUnder(sealed: string, keyEncryptionKey: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  const nonceAt = saltBytes;
  const tagAt = nonceAt + nonceBytes;
  const textAt = tagAt + tagBytes;
  if (bytes.byteLength < textAt) return undefined;
  const key = derive(keyEncryptionKey, bytes.subarray(0, nonceAt));
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(nonceAt, tagAt), { authTagLength: tagBytes });
  decipher.setAuthTag(bytes.subarray(tagAt, textAt));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(textAt)), decipher.final()]).toString('utf8');
  } catch {
    // The tag is not that of this key and text: that is the answer.
    return undefined;
  }
}
