// Why a delivery was not taken: a closed set, shown to the sender and to hooks. Everything that verification can say, and
// what comes before and after it.
import type { VerifyFailure } from '@bellhop/signatures';

export type RejectReason =
  | VerifyFailure
  | 'method_not_allowed'
  | 'unsupported_content_type'
  | 'unsupported_content_encoding'
  | 'body_too_large'
  | 'body_incomplete'
  | 'body_consumed'
  | 'verification_unavailable'
  | 'malformed_json'
  | 'malformed_payload'
  | 'malformed_event'
  | 'store_failed'
  | 'stopping'
  | 'internal_error';
