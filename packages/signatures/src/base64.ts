// Strict base64 (RFC 4648 section 4, standard alphabet, with padding). Node's own decoder skips what it does not
// understand and accepts the URL alphabet; two texts for the same bytes are one too many where text is compared.

/** The bytes, or undefined unless `text` is exactly the one canonical encoding of them. */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
