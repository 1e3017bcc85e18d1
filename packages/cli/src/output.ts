// The terminal. Results go to stdout, everything else (ready line, warnings, errors) to stderr. Colours and the live
// line appear only on a terminal and never with NO_COLOR; a closed pipe silences the stream instead of ending the program.
// Control and format characters of the other side (C1, which some terminals obey, and those that turn text around) come out
// as \u escapes, whatever was printed: in JSON they stand in strings only, so it keeps its value.

import picocolors from 'picocolors';

type Colors = ReturnType<typeof picocolors.createColors>;

export interface OutputStream {
  write(text: string): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Output {
  /** A line of the result, on stdout. */
  line(text?: string): void;
  /** A line about the program, on stderr. */
  note(text: string): void;
  /** Replaces the one live line at the bottom of a terminal; nothing where there is none. Undefined removes it. */
  live(text: string | undefined): void;
  /** stdout is a terminal that can redraw a line. */
  readonly interactive: boolean;
  readonly colors: Colors;
  readonly noteColors: Colors;
}

export function createOutput(stdout: OutputStream, stderr: OutputStream, env: NodeJS.ProcessEnv): Output {
  let liveText: string | undefined;
  const interactive = stdout.isTTY === true && env['TERM'] !== 'dumb';
  const write = guarded(stdout);
  const writeNote = guarded(stderr);
  const clear = () => {
    if (liveText !== undefined) write('\r\x1b[2K');
  };
  const draw = () => {
    if (liveText !== undefined) write(fit(liveText, stdout.columns || 80));
  };
  return {
    line(text = '') {
      clear();
      write(`${escaped(text)}\n`);
      draw();
    },
    note(text) {
      clear();
      writeNote(`${escaped(text)}\n`);
      draw();
    },
    live(text) {
      if (!interactive) return;
      clear();
      liveText = text === undefined ? undefined : escaped(text);
      draw();
    },
    interactive,
    colors: picocolors.createColors(wantsColor(stdout, env)),
    noteColors: picocolors.createColors(wantsColor(stderr, env)),
  };
}

/** Whoever read our output may leave: the service goes on, only the words are lost. */
function guarded(stream: OutputStream): (text: string) => void {
  let open = true;
  stream.on('error', () => {
    open = false;
  });
  return (text) => {
    if (open) stream.write(text);
  };
}

/** What is below the space stays: JSON has escaped it, and the colours and line breaks of people are made of it. */
function escaped(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (found) =>
    found < ' '
      ? found
      : found
          .split('')
          .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
          .join(''),
  );
}

// The library's own test turns colours on in CI, also into files.
export function wantsColor(stream: Pick<OutputStream, 'isTTY'>, env: NodeJS.ProcessEnv): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true;
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

// A live line longer than the terminal would wrap and could not be cleared. It carries no colour codes.
function fit(text: string, columns: number): string {
  return text.length < columns ? text : `${text.slice(0, Math.max(0, columns - 2))}…`;
}
