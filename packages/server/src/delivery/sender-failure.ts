// From what went wrong to the closed list of reasons (outcome.ts). A status outside 2xx is the reason, also when the rest
// of that answer failed; a 2xx whose answer breaks off is not a success: the contract wants a complete one.
import { SignaturesError } from '@bellhop/signatures';
import type { OutcomeReason } from './outcome.ts';
import { ConnectError, errorCode } from './pools-connect.ts';

export interface Failure {
  readonly reason: OutcomeReason;
  readonly detail: string;
}

/** What an attempt's signal is aborted with. */
export class GaveUp extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.detail);
    this.name = 'GaveUp';
    this.failure = failure;
  }
}

export function timeoutFailure(timeoutMs: number): Failure {
  return { reason: 'timeout', detail: `No complete answer within ${timeoutMs} ms` };
}

export const abortedFailure: Failure = { reason: 'aborted', detail: 'Given up by the service' };

/** Undefined for success. */
export function statusFailure(status: number): Failure | undefined {
  if (status >= 200 && status < 300) return undefined;
  return { reason: statusReason(status), detail: `The endpoint answered ${status}` };
}

function statusReason(status: number): OutcomeReason {
  if (status === 413) return 'status_413';
  if (status === 429) return 'status_429';
  if (status >= 300 && status < 400) return 'status_3xx';
  if (status >= 400 && status < 500) return 'status_4xx';
  if (status >= 500 && status < 600) return 'status_5xx';
  return 'other';
}

export function errorFailure(error: unknown): Failure {
  if (error instanceof GaveUp) return error.failure;
  if (error instanceof ConnectError) return { reason: error.reason, detail: error.message };
  if (isClosedConnection(error))
    return { reason: 'connection_reset', detail: 'The connection closed before the answer' };
  const code = errorCode(error);
  const detail = `${code}: ${error instanceof Error ? error.message : 'unknown error'}`;
  // With TLS 1.3 a missing client certificate is refused after the handshake.
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return { reason: 'tls', detail };
  // The kernel gave up on a peer that no longer acknowledges.
  if (code === 'ETIMEDOUT') return { reason: 'timeout', detail };
  return { reason: 'other', detail };
}

/** The peer closed or reset an established connection. */
export function isClosedConnection(error: unknown): boolean {
  const code = errorCode(error);
  if (code === 'ECONNRESET' || code === 'EPIPE') return !(error instanceof ConnectError);
  return code === 'UND_ERR_SOCKET' && error instanceof Error && /^(other side )?closed$/.test(error.message);
}

/** Keys or signing failed: ours, not the endpoint's. */
export function signingFailure(error: unknown): Failure {
  const detail = error instanceof SignaturesError ? error.message : errorCode(error);
  return { reason: 'other', detail: `The package could not be signed: ${detail}` };
}
