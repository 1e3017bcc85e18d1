// Failures of calls as exit codes and one line with the way out. What is not an expected failure stays what it is.

import { ApiError, NetworkError, TimeoutError, UnexpectedAnswerError, UpvestError } from '@bellhop/client';
import { KeyError } from '@bellhop/signatures';
import { CliError, type ExitCode, exitCodes, usageError } from './exit.ts';
import type { Target } from './profiles/target.ts';

export function failureOf(error: unknown, target: Target): unknown {
  if (error instanceof ApiError) return apiFailure(error, target);
  if (error instanceof NetworkError || error instanceof TimeoutError) {
    return new CliError(
      exitCodes.unreachable,
      `${error.message} (${target.baseUrl}).`,
      unreachableHint(error, target),
      {
        cause: error,
      },
    );
  }
  if (error instanceof UnexpectedAnswerError) {
    return new CliError(
      exitCodes.failed,
      `${error.message}.`,
      `Is ${target.baseUrl} the API? bellhop whoami shows it.`,
      {
        cause: error,
      },
    );
  }
  if (error instanceof KeyError) {
    return usageError(`${target.privateKeyFile}: ${error.message}.`, 'Passphrase: BELLHOP_KEY_PASSPHRASE.');
  }
  return error;
}

export function unreachableHint(error: unknown, target: Target): string {
  if (error instanceof UpvestError && error.mayHaveHappened && !/^GET |^POST \/auth\/token$/.test(error.operation)) {
    return 'It may have happened: look before you repeat it.';
  }
  if (target.environment === 'local') return 'Is it running? Start it: bellhop dev';
  return 'Check the network and the base URL: bellhop whoami';
}

function apiFailure(error: ApiError, target: Target): CliError {
  const said = error.detail ?? error.title ?? error.slug;
  const id = error.requestId === undefined ? '' : ` (request ${error.requestId})`;
  const message = `${error.operation} answered ${error.status}: ${said}${id}.`;
  return new CliError(exitOfStatus(error.status), message, hintOf(error, target), { cause: error });
}

export function exitOfStatus(status: number): ExitCode {
  if (status === 401 || status === 403) return exitCodes.unauthorised;
  if (status === 400 || status === 422) return exitCodes.usage;
  if (status === 502 || status === 503 || status === 504) return exitCodes.unreachable;
  return exitCodes.failed;
}

function hintOf(error: ApiError, target: Target): string | undefined {
  if (error.status === 401 && /signature/i.test(error.detail ?? '')) {
    return `Is ${target.privateKeyFile} the private key of key id ${target.keyId}?`;
  }
  if (error.status === 401) return `Check client id and secret of profile ${target.profile}: bellhop whoami`;
  if (error.status === 403)
    return 'The token lacks the scope; ask for it at your provider, set it with bellhop login --scopes.';
  if (error.status === 404 && error.operation.includes('/webhooks/')) return 'Which there are: bellhop webhooks list';
  if (error.status === 429) {
    const wait = error.retryAfterMs === undefined ? 'a moment' : `${Math.ceil(error.retryAfterMs / 1000)} s`;
    return `Throttled: wait ${wait} and repeat.`;
  }
  return undefined;
}
