// Which parts of a message a signature covers, and the text each contributes. Contract: section "Components".
// The exclusion lists bind signers only: a verifier takes what the signature names.

import type { MessageView } from './message.ts';
import type { SignatureVersion } from './signature-base.ts';

export const derivedComponents: readonly string[] = ['@method', '@path', '@query'];

/** The header with the digest of the body, per version. */
export function digestHeader(version: SignatureVersion): 'content-digest' | 'digest' {
  return version === 15 ? 'content-digest' : 'digest';
}

const bodyHeaders: ReadonlySet<string> = new Set(['content-length', 'content-type', 'content-digest', 'digest']);

function orderOf(version: SignatureVersion): readonly string[] {
  return [
    ...derivedComponents,
    'accept',
    'authorization',
    'content-length',
    'content-type',
    digestHeader(version),
    'idempotency-key',
    'upvest-api-version',
    'upvest-client-id',
  ];
}

const documentedOrder: Readonly<Record<SignatureVersion, readonly string[]>> = { 15: orderOf(15), 6: orderOf(6) };

// The union of what the provider's proxy and the official examples leave out.
const excludedPrefixes: readonly string[] = [
  'cf-',
  'cdn-',
  'cookie',
  'x-',
  'priority',
  'upvest-signature',
  'sec-',
  'user-agent',
  'accept-encoding',
  'connection',
  'host',
];

// The signature's own headers, and those that end at the next hop (RFC 9110, 7.6.1): a proxy may change them.
const excludedNames: ReadonlySet<string> = new Set([
  'signature',
  'signature-input',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a signer covers a header of this (lower-case) name by default. */
function isSignableHeader(name: string): boolean {
  return !excludedNames.has(name) && !excludedPrefixes.some((prefix) => name.startsWith(prefix));
}

function isPresent(name: string, message: MessageView): boolean {
  if (name === '@query') return message.query !== undefined && message.query !== '';
  if (name.startsWith('@')) return true;
  if (bodyHeaders.has(name) && message.body.length === 0) return false;
  return message.headers.has(name);
}

/** The documented components that the message carries, in the documented order. */
export function documentedComponents(message: MessageView, version: SignatureVersion): string[] {
  return documentedOrder[version].filter((name) => name !== 'upvest-api-version' && isPresent(name, message));
}

/** What a signer covers unless told otherwise: the documented order, then every other signable header by name. */
export function defaultComponents(message: MessageView, version: SignatureVersion): string[] {
  const documented = documentedOrder[version];
  const others = [...message.headers.keys()].filter((name) => !documented.includes(name) && isSignableHeader(name));
  return [...documented, ...others.sort()].filter((name) => isPresent(name, message));
}

/** The value a component contributes to the base, undefined when the message lacks that header. */
export function componentValue(name: string, message: MessageView): string | undefined {
  switch (name) {
    case '@method':
      return message.method;
    case '@path':
      return message.path;
    case '@query':
      return `?${message.query ?? ''}`;
    default:
      return message.headers.get(name);
  }
}
