// Digests of the body. Version 15: `content-digest`, SHA-512, a structured field. Version 6: `digest`, SHA-256, the
// older form without colons and with a case-insensitive algorithm name. Contract: "Differences", "Verify" step 6.
// Other algorithms beside the required one are ignored; the comparison takes constant time.
import { createHash, timingSafeEqual } from 'node:crypto';
import { decodeBase64 } from './base64.ts';
import { digestHeader } from './components.ts';
import type { MessageView } from './message.ts';
import type { SignatureVersion } from './signature-base.ts';
import { parseMembers } from './structured-members.ts';

export type DigestFailure = 'digest_missing' | 'malformed_digest' | 'digest_mismatch';

export type DigestResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: DigestFailure; readonly detail: string };

/** Value of `content-digest` (version 15). */
export function contentDigest(body: Uint8Array): string {
  return `sha-512=:${createHash('sha512').update(body).digest('base64')}:`;
}

/** Value of `digest` (version 6). */
export function digest(body: Uint8Array): string {
  return `SHA-256=${createHash('sha256').update(body).digest('base64')}`;
}

export function digestValue(version: SignatureVersion, body: Uint8Array): string {
  return version === 15 ? contentDigest(body) : digest(body);
}

/** The base64 text of the version's own algorithm; undefined when absent, null when the header is malformed. */
function claimedDigest(version: SignatureVersion, header: string): string | undefined | null {
  if (version === 15) {
    const members = parseMembers(header);
    if (members === undefined) return null;
    const raw = members.get('sha-512')?.raw;
    if (raw === undefined) return undefined;
    return /^:([^:]*):$/.exec(raw)?.[1] ?? null;
  }
  const claims = header
    .split(',')
    .map((part) => /^[ \t]*sha-256=([^ \t]*)[ \t]*$/i.exec(part)?.[1])
    .filter((text) => text !== undefined);
  return claims.length > 1 ? null : claims[0];
}

/** Whether the message's digest header holds the digest of its body. */
export function checkDigest(version: SignatureVersion, message: MessageView): DigestResult {
  const name = digestHeader(version);
  const algorithm = version === 15 ? 'sha-512' : 'SHA-256';
  const header = message.headers.get(name);
  if (header === undefined)
    return { ok: false, reason: 'digest_missing', detail: `There is a body but no ${name} header` };
  const text = claimedDigest(version, header);
  if (text === undefined)
    return { ok: false, reason: 'digest_missing', detail: `The ${name} header has no ${algorithm}` };
  const claimed = text === null ? undefined : decodeBase64(text);
  const actual = createHash(version === 15 ? 'sha512' : 'sha256')
    .update(message.body)
    .digest();
  if (claimed === undefined || claimed.length !== actual.length) {
    return { ok: false, reason: 'malformed_digest', detail: `The ${name} header is malformed` };
  }
  if (timingSafeEqual(claimed, actual)) return { ok: true };
  return { ok: false, reason: 'digest_mismatch', detail: `The body does not match its ${name} header` };
}
