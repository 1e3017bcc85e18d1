// Signs a request: chooses the components, fixes length and digest of the body, builds the base, signs it, and gives
// the headers to set. Contract: section "Sign". It sends nothing and changes nothing; every attempt needs a call of
// its own, because times and nonce are new for each. Clock and randomness are parameters.
import { randomUUID } from 'node:crypto';
import { isValidKeyStr, serializeInteger, serializeString } from 'structured-headers';
import { algorithmEntry, signBytes } from './algorithms.ts';
import { encodeBase64 } from './base64.ts';
import { defaultComponents, digestHeader } from './components.ts';
import { digestValue } from './digest.ts';
import { SignError } from './errors.ts';
import type { SigningKey } from './keys.ts';
import { type HttpMessage, type MessageView, readMessage } from './message.ts';
import { assertVersion, buildBase, quoted, type SignatureVersion } from './signature-base.ts';
import { maxIdentifierLength } from './signature-fields.ts';

export type SignatureParameter = 'keyid' | 'created' | 'expires' | 'nonce';

const documentedParameterOrder: readonly SignatureParameter[] = ['keyid', 'created', 'expires', 'nonce'];

export interface SignOptions {
  readonly key: SigningKey;
  readonly version: SignatureVersion;
  /** Unix seconds; default: now. */
  readonly created?: number;
  /** Unix seconds; default: `created + lifetimeSeconds`; null leaves it out. */
  readonly expires?: number | null;
  /** Default 60. */
  readonly lifetimeSeconds?: number;
  readonly nonce?: string;
  /** Default: the documented components in the documented order, then every other signable header. */
  readonly components?: readonly string[];
  /** All four, in the order wanted; default: the documented one, as listed in the type. */
  readonly parameterOrder?: readonly SignatureParameter[];
  /** Default `sig1`. */
  readonly label?: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Default: a random UUID. */
  readonly randomNonce?: () => string;
}

/**
 * The headers to set on the message (replacing any of the same name): `content-length` and the digest when there is a
 * body, `signature-input`, `signature`, and for version 15 `upvest-signature-version`.
 * Rejects with SignError when the message or an option cannot be signed as given.
 */
export async function sign(message: HttpMessage, options: SignOptions): Promise<Readonly<Record<string, string>>> {
  const { key, version, label = 'sig1' } = options;
  assertVersion(version);
  const algorithm = algorithmEntry(key.algorithm);
  if (!isValidKeyStr(label)) throw new SignError('invalid_parameter', `The label ${quoted(label)} is not valid`);
  const view = readMessage(message);
  assertHeaders(view.headers);
  const bodyHeaders = headersOfBody(view.body, version);
  const complete = { ...view, headers: new Map([...view.headers, ...Object.entries(bodyHeaders)]) };

  const components = [...(options.components ?? defaultComponents(complete, version))];
  const params = serializeParams(components, options);
  const result = buildBase(complete, version, components, params);
  if (!result.ok) throw new SignError(result.reason, result.detail);
  const signature = await signBytes(algorithm, Buffer.from(result.base, 'utf8'), key.privateKey);
  return {
    ...bodyHeaders,
    'signature-input': `${label}=${params}`,
    signature: `${label}=:${encodeBase64(signature)}:`,
    ...(version === 15 ? { 'upvest-signature-version': '15' } : {}),
  };
}

function headersOfBody(body: Uint8Array, version: SignatureVersion): Readonly<Record<string, string>> {
  if (body.length === 0) return {};
  return { 'content-length': String(body.length), [digestHeader(version)]: digestValue(version, body) };
}

/** Only what HTTP can carry (RFC 9110, 5.5) is signed: anything else would be refused or altered on the way. */
function assertHeaders(headers: MessageView['headers']): void {
  for (const [name, value] of headers) {
    if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) continue;
    throw new SignError('malformed_message', `The header ${quoted(name)} holds characters that HTTP cannot carry`);
  }
}

function serializeParams(components: readonly string[], options: SignOptions): string {
  const { key, now = Date.now, randomNonce = randomUUID, lifetimeSeconds = 60 } = options;
  const { parameterOrder = documentedParameterOrder } = options;
  if ([...parameterOrder].sort().join() !== [...documentedParameterOrder].sort().join()) {
    throw new TypeError(`parameterOrder holds each of ${documentedParameterOrder.join(', ')} once`);
  }
  const created = options.created ?? Math.floor(now() / 1000);
  const expires = options.expires === undefined ? created + lifetimeSeconds : options.expires;
  const values: Readonly<Record<SignatureParameter, string | undefined>> = {
    keyid: text('keyid', key.keyId),
    created: seconds('created', created),
    expires: expires === null ? undefined : seconds('expires', expires),
    nonce: text('nonce', options.nonce ?? randomNonce()),
  };
  const parameters = parameterOrder.map((name) => (values[name] === undefined ? '' : `;${name}=${values[name]}`));
  return `(${components.map((name) => text('component', name)).join(' ')})${parameters.join('')}`;
}

function text(what: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value) && value.length <= maxIdentifierLength) return serializeString(value);
  throw new SignError('invalid_parameter', `A ${what} is 1 to ${maxIdentifierLength} printable ASCII characters`);
}

function seconds(what: string, value: number): string {
  if (Number.isSafeInteger(value) && value >= 0 && value < 1e15) return serializeInteger(value);
  throw new SignError('invalid_parameter', `${what} is a whole number of Unix seconds`);
}
