// What other programs may use of the command line: its exit codes and its settings (checked against the documentation).
export { CliError, type ExitCode, exitCodes } from './exit.ts';
export { type Setting, type Settings, settingsTable } from './settings.ts';
