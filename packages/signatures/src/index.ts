// @bellhop/signatures: HTTP message signatures as the Upvest Investment API uses them. The public surface, by name.
export { type KeyAlgorithm, keyAlgorithms } from './algorithms.ts';
export { contentDigest, digest } from './digest.ts';
export {
  KeyError,
  type KeyErrorCode,
  KeySetError,
  type KeySetErrorCode,
  SignaturesError,
  SignError,
  type SignErrorCode,
} from './errors.ts';
export { importSigningKey, importVerificationKey } from './key-import.ts';
export { type RemoteKeySet, type RemoteKeySetOptions, remoteKeySet, staticKeys } from './key-set.ts';
export {
  generateSigningKey,
  type JwkInput,
  type PublicJwk,
  privatePem,
  publicJwk,
  publicPem,
  type SigningKey,
  type VerificationKey,
  verificationKeyOf,
} from './keys.ts';
export { type HeaderSource, type HttpMessage, messageTarget } from './message.ts';
export { memoryNonces, type NonceMemory } from './nonce-memory.ts';
export { type SignatureParameter, type SignOptions, sign } from './sign.ts';
export { type SignatureVersion, signatureBase } from './signature-base.ts';
export {
  readSignature,
  type SignatureFields,
  type SignatureFieldsFailure,
  type SignatureFieldsRefusal,
} from './signature-fields.ts';
export { nonceMarginSeconds, type TimeWindow } from './time-window.ts';
export {
  type KeyLookup,
  type Verification,
  type VerificationFailure,
  type VerificationSuccess,
  type VerifyFailure,
  type VerifyOptions,
  verify,
} from './verify.ts';
