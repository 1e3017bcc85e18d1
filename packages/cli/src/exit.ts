// How the command ends. Every expected failure is a `CliError`: one clear line, what to do next, and an exit code that
// tells the truth to scripts. Anything else is a defect of the program and ends with 1.

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  declined: 3,
  unauthorised: 4,
  unreachable: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
/** The words for exit codes in errors as JSON. */
export type ExitName = keyof typeof exitCodes;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  /** What to do next, in one line. */
  readonly hint: string | undefined;

  constructor(exitCode: ExitCode, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError(exitCodes.usage, message, hint);
}

export function exitNameOf(exitCode: ExitCode): ExitName {
  switch (exitCode) {
    case 0:
      return 'ok';
    case 2:
      return 'usage';
    case 3:
      return 'declined';
    case 4:
      return 'unauthorised';
    case 5:
      return 'unreachable';
    case 130:
      return 'interrupted';
    default:
      return 'failed';
  }
}
