import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createOutput, type OutputStream } from './output.ts';

class Recorder extends EventEmitter implements OutputStream {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 20;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

function terminal(isTTY: boolean, env: NodeJS.ProcessEnv = {}) {
  const stdout = new Recorder(isTTY);
  const stderr = new Recorder(isTTY);
  return { stdout, stderr, output: createOutput(stdout, stderr, env) };
}

describe('output', () => {
  it('keeps results on stdout and everything else on stderr', () => {
    const { stdout, stderr, output } = terminal(false);
    output.line('result');
    output.note('remark');
    expect(stdout.text).toBe('result\n');
    expect(stderr.text).toBe('remark\n');
  });

  it('redraws the live line below what is printed, cut to the width of the terminal', () => {
    const { stdout, output } = terminal(true);
    output.live('a live line that is far too long');
    expect(stdout.text).toBe('a live line that i…');
    stdout.text = '';
    output.line('printed');
    expect(stdout.text).toBe('\r\x1b[2Kprinted\na live line that i…');
    stdout.text = '';
    output.live(undefined);
    output.line('after');
    expect(stdout.text).toBe('\r\x1b[2Kafter\n');
  });

  it('writes no live line and no colour where there is no terminal', () => {
    for (const { stdout, output } of [terminal(false), terminal(true, { TERM: 'dumb' })]) {
      output.live('live');
      output.line(output.colors.red('red'));
      expect(stdout.text).toBe('red\n');
    }
  });

  it('obeys NO_COLOR on a terminal', () => {
    expect(terminal(true, { NO_COLOR: '1' }).output.colors.red('x')).toBe('x');
    expect(terminal(true).output.colors.red('x')).toBe('\x1b[31mx\x1b[39m');
  });

  it('goes on in silence when the reader has left', () => {
    const { stdout, output } = terminal(false);
    stdout.emit('error', new Error('EPIPE'));
    output.line('into the void');
    expect(stdout.text).toBe('');
  });
});
