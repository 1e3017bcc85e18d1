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

  it('escapes what a terminal would obey or show turned around, and leaves JSON its value', () => {
    // What broke: JSON.stringify escapes what is below U+0020 only, so a webhook's title could drive the terminal.
    const title = 'a\x1b[2J\x9b2J\x7f\u202Efdp.exe\u200D\uFEFF\u{E0041} ü 😀\n';
    const { stdout, stderr, output } = terminal(true);
    output.line(JSON.stringify({ title }));
    output.note(JSON.stringify({ title }));
    output.line(output.colors.red('red\u202E'));
    const [json = '', red] = stdout.text.split('\n');
    expect(json).toBe('{"title":"a\\u001b[2J\\u009b2J\\u007f\\u202efdp.exe\\u200d\\ufeff\\udb40\\udc41 ü 😀\\n"}');
    expect(JSON.parse(json)).toEqual({ title });
    expect(stderr.text).toBe(`${json}\n`);
    expect(red).toBe('\x1b[31mred\\u202e\x1b[39m');
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
