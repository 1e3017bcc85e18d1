// Why a target cannot be dialled. `code` is the outcome reason of the delivery that wanted it; the message names the
// host and the address, so it belongs in attempts and logs, never in an answer to a tenant who chose the URL.

export type TargetErrorCode = 'dns' | 'address_not_allowed';

export class TargetError extends Error {
  readonly code: TargetErrorCode;
  readonly hostname: string;

  constructor(code: TargetErrorCode, hostname: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TargetError';
    this.code = code;
    this.hostname = hostname;
  }
}
