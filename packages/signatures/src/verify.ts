// Verifies a received message: form, cover, digest, times, key, signature, replay, in that order and in full.
// Contract: section "Verify". It is used at both ends and never throws for anything received: what a message can get
// wrong is a value with a reason of a closed set. It rejects only for a wrong call, or when the given key lookup or
// nonce memory rejects with anything but a KeySetError (a failing database is neither true nor forged).
import { algorithmEntry, type KeyAlgorithm, verifyBytes } from './algorithms.ts';
import { digestHeader, documentedComponents } from './components.ts';
import { checkDigest, type DigestFailure } from './digest.ts';
import { KeySetError } from './errors.ts';
import type { VerificationKey } from './keys.ts';
import { type HttpMessage, type MessageView, readMessage } from './message.ts';
import type { NonceMemory } from './nonce-memory.ts';
import { type BaseFailure, buildBase, quoted, type SignatureVersion } from './signature-base.ts';
import { readSignatureFields, type SignatureFields, type SignatureFieldsFailure } from './signature-fields.ts';
import { checkTimes, forgetNonceAfter, type TimeFailure, type TimeWindow, timeWindow } from './time-window.ts';

export type VerifyFailure =
  | SignatureFieldsFailure
  | BaseFailure
  | 'insufficient_cover'
  | 'content_length_mismatch'
  | DigestFailure
  | TimeFailure
  | 'keys_unavailable'
  | 'unknown_key'
  | 'algorithm_not_accepted'
  | 'algorithm_mismatch'
  | 'signature_mismatch'
  | 'replayed';

export interface VerificationSuccess {
  readonly ok: true;
  readonly keyId: string;
  readonly version: SignatureVersion;
  readonly algorithm: KeyAlgorithm;
  readonly created: number;
  readonly expires: number | undefined;
  readonly nonce: string;
  readonly coveredComponents: readonly string[];
}

export interface VerificationFailure {
  readonly ok: false;
  readonly reason: VerifyFailure;
  /** One sentence, printable, safe to log and to show to the sender. */
  readonly detail: string;
  /** What the message claims, unverified. */
  readonly keyId?: string;
}

export type Verification = VerificationSuccess | VerificationFailure;

export interface KeyLookup {
  /** Undefined when the key is not known. May reject with KeySetError when that cannot be told. */
  find(keyId: string): Promise<VerificationKey | undefined>;
}

export interface VerifyOptions extends Partial<TimeWindow> {
  readonly keys: KeyLookup;
  /** Without one, replays are not refused. */
  readonly nonces?: NonceMemory;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Headers that must be covered when present, beside `@method`, `@path`, `@query` and the digest. */
  readonly require?: readonly string[];
  /** Demands cover for every documented component that the message carries. Default false. */
  readonly strict?: boolean;
  /** Default: both. */
  readonly versions?: readonly SignatureVersion[];
  /** Default: all. */
  readonly algorithms?: readonly KeyAlgorithm[];
  /**
   * Some signers take the percent-decoded path. True: when the raw path does not verify and holds an escape, the
   * decoded one is tried. Default false.
   */
  readonly tryDecodedPath?: boolean;
}

export async function verify(message: HttpMessage, options: VerifyOptions): Promise<Verification> {
  const view = readMessage(message);
  const fields = readSignatureFields(view);
  if (!fields.ok) return fields;
  const refuse = (reason: VerifyFailure, detail: string): VerificationFailure => {
    return { ok: false, reason, detail, keyId: fields.keyId };
  };
  const { version, keyId, coveredComponents } = fields;
  if (options.versions?.includes(version) === false) {
    return refuse('unsupported_version', `Signatures of version ${version} are not accepted here`);
  }
  const base = buildBase(view, version, coveredComponents, fields.params);
  if (!base.ok) return refuse(base.reason, base.detail);
  const uncovered = requiredComponents(view, version, options).find((name) => !coveredComponents.includes(name));
  if (uncovered !== undefined) return refuse('insufficient_cover', `The signature does not cover ${quoted(uncovered)}`);
  const content = checkContent(view, fields);
  if (!content.ok) return refuse(content.reason, content.detail);

  const window = timeWindow(options);
  const now = options.now ?? Date.now;
  const times = checkTimes(fields, now() / 1000, window);
  if (!times.ok) return refuse(times.reason, times.detail);

  const replayed = () => refuse('replayed', 'A message with this keyid and nonce was seen before');
  // A nonce is known after a true signature only: whatever this message is, it would be refused in the end.
  if (options.nonces?.isKnown?.(keyId, fields.nonce)) return replayed();

  const found = await findKey(options.keys, keyId);
  if (found instanceof KeySetError) return refuse('keys_unavailable', 'The public keys cannot be had at the moment');
  if (found === undefined) return refuse('unknown_key', `The key ${quoted(keyId)} is not known`);
  const algorithm = algorithmEntry(found.algorithm);
  if (options.algorithms?.includes(algorithm.name) === false) {
    return refuse('algorithm_not_accepted', `Signatures with ${algorithm.name} are not accepted here`);
  }
  if (fields.alg !== undefined && !algorithm.algNames.includes(fields.alg)) {
    return refuse('algorithm_mismatch', `The parameter alg ${quoted(fields.alg)} does not fit the key`);
  }
  if (!algorithm.isWellFormed(fields.signature)) {
    const form = algorithm.keyType === 'ec' ? 'DER' : 'of 64 bytes';
    return refuse('malformed_signature', `The ${algorithm.name} signature is not ${form}`);
  }
  const isTrue =
    (await isSignedBy(found, base.base, fields.signature)) ||
    (options.tryDecodedPath === true && (await isSignedDecoded(found, view, fields)));
  if (!isTrue) return refuse('signature_mismatch', 'The signature does not match the message and the key');

  // Only now: a forged message must not be able to fill the memory or to burn a nonce.
  const isNew = (await options.nonces?.remember(keyId, fields.nonce, forgetNonceAfter(fields, window))) ?? true;
  if (!isNew) return replayed();
  const { created, expires, nonce } = fields;
  return { ok: true, keyId, version, algorithm: algorithm.name, created, expires, nonce, coveredComponents };
}

function requiredComponents(view: MessageView, version: SignatureVersion, options: VerifyOptions): string[] {
  const required = ['@method', '@path'];
  // A bare '?' says nothing, and fetch drops it before sending.
  if (view.query !== undefined && view.query !== '') required.push('@query');
  if (view.body.length > 0) required.push(digestHeader(version));
  for (const name of options.require ?? []) {
    if (view.headers.has(name.toLowerCase())) required.push(name.toLowerCase());
  }
  return options.strict === true ? [...required, ...documentedComponents(view, version)] : required;
}

type ContentResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: DigestFailure | 'content_length_mismatch'; readonly detail: string };

/** A covered digest is compared for an empty body too: else a body could be taken off a signed message. */
function checkContent(view: MessageView, fields: SignatureFields): ContentResult {
  const { version, coveredComponents } = fields;
  if (view.body.length > 0 || coveredComponents.includes(digestHeader(version))) {
    const result = checkDigest(version, view);
    if (!result.ok) return result;
  }
  const length = String(view.body.length);
  if (!coveredComponents.includes('content-length') || view.headers.get('content-length') === length)
    return { ok: true };
  return {
    ok: false,
    reason: 'content_length_mismatch',
    detail: `The body has ${length} bytes, which is not its content-length`,
  };
}

async function findKey(keys: KeyLookup, keyId: string): Promise<VerificationKey | KeySetError | undefined> {
  try {
    return await keys.find(keyId);
  } catch (error) {
    if (error instanceof KeySetError) return error;
    throw error;
  }
}

function isSignedBy(key: VerificationKey, base: string, signature: Uint8Array): Promise<boolean> {
  return verifyBytes(algorithmEntry(key.algorithm), Buffer.from(base, 'utf8'), key.publicKey, signature);
}

async function isSignedDecoded(key: VerificationKey, view: MessageView, fields: SignatureFields): Promise<boolean> {
  const path = decodedPath(view.path);
  if (path === undefined || path === view.path) return false;
  const base = buildBase({ ...view, path }, fields.version, fields.coveredComponents, fields.params);
  return base.ok && isSignedBy(key, base.base, fields.signature);
}

function decodedPath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    // Not an encoding of anything: there is no decoded form to try.
    return undefined;
  }
}
