// Starts the service, keeps it up until somebody asks it to stop, and stops it within the promised time. Failures to
// start become one line with an exit code.

import { type Service, type ServiceConfig, StartError, startService } from '@bellhop/server';
import { CliError, type ExitCode, exitCodes } from './exit.ts';

const stopLimitMs = 10_000;

export interface Work {
  /** Runs before the service says that it is ready. */
  readonly beforeReady?: (service: Service) => Promise<void>;
  /** Runs while the service is up; the signal says that it is time to leave. What it returns is the exit code. */
  readonly whileUp: (service: Service, signal: AbortSignal) => Promise<ExitCode>;
  /** Runs when the service is closed. */
  readonly afterClose?: () => Promise<void>;
}

export async function runService(config: ServiceConfig, signal: AbortSignal, work: Work): Promise<ExitCode> {
  const service = await start(config, signal, work.beforeReady);
  if (!service) return exitCodes.ok;
  let exitCode: ExitCode;
  try {
    exitCode = await work.whileUp(service, signal);
  } finally {
    // A hanging stop must not hang the terminal; the process ends right after this, so the timer's race is harmless.
    const timer = rejectAfter(stopLimitMs);
    try {
      await Promise.race([service.close().then(work.afterClose), timer.late]);
    } finally {
      timer.cancel();
    }
  }
  return exitCode;
}

/** Undefined: it was asked to stop before it had started. */
async function start(
  config: ServiceConfig,
  signal: AbortSignal,
  beforeReady: Work['beforeReady'],
): Promise<Service | undefined> {
  try {
    return await startService(config, { signal, ...(beforeReady === undefined ? {} : { beforeReady }) });
  } catch (error) {
    if (error instanceof StartError) {
      if (signal.aborted && error.code === 'database_unavailable') return undefined;
      throw new CliError(exitCodeOf(error.code), error.message, error.hint, { cause: error });
    }
    throw error;
  }
}

/** A wrong value is a usage error; what is right but cannot be had now is a failure. */
function exitCodeOf(code: StartError['code']): ExitCode {
  switch (code) {
    case 'host_unavailable':
    case 'data_dir_unwritable':
    case 'data_dir_foreign':
    case 'settings_unreadable':
    case 'key_encryption_key':
      return exitCodes.usage;
    default:
      return exitCodes.failed;
  }
}

function rejectAfter(limitMs: number): { late: Promise<never>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new CliError(exitCodes.failed, `The service did not stop within ${limitMs / 1000} s.`));
    }, limitMs);
  });
  return { late, cancel: () => clearTimeout(timer) };
}

export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
