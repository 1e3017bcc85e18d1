// Every error this package throws on purpose, each with a stable `code` from a closed set. Messages are safe to log
// and to show: they never hold key material, passphrases, bodies or signatures.
// What can be expected of a received message (forged, expired, replayed) is not an error: `verify` gives a value.
// A wrong call (an algorithm that does not exist, a number where a function belongs) is a plain TypeError.

export type KeyErrorCode =
  | 'malformed_key'
  | 'not_a_private_key'
  | 'not_a_public_key'
  | 'unsupported_algorithm'
  | 'passphrase_missing'
  | 'passphrase_wrong'
  | 'invalid_key_id';

export type SignErrorCode =
  | 'malformed_message'
  | 'unsupported_component'
  | 'duplicate_component'
  | 'missing_component'
  | 'invalid_parameter';

export type KeySetErrorCode = 'keys_unavailable' | 'malformed_key_set';

/** Base class: `instanceof SignaturesError` tells this package's errors from all others. */
export abstract class SignaturesError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A key could not be read or made. The original OpenSSL error is the `cause`. */
export class KeyError extends SignaturesError<KeyErrorCode> {}

/** A message or its options cannot be signed as asked. */
export class SignError extends SignaturesError<SignErrorCode> {}

/** The set of public keys could not be had, so whether a key is known cannot be told. */
export class KeySetError extends SignaturesError<KeySetErrorCode> {}
