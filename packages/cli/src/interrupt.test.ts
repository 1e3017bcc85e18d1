import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onInterrupt } from './interrupt.ts';

function process() {
  const source = new EventEmitter();
  const clock = { ms: 0 };
  let forced = 0;
  const interrupt = onInterrupt({ source, now: () => clock.ms, onSecond: () => forced++ });
  return { source, clock, interrupt, forced: () => forced };
}

describe('an interrupt', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('by %s asks for a clean stop first', (signal) => {
    const { source, interrupt, forced } = process();
    source.emit(signal);
    expect(interrupt.signal.aborted).toBe(true);
    expect(forced()).toBe(0);
  });

  it('that arrives twice at once, as npm sends it, is one interrupt', () => {
    const { source, clock, forced } = process();
    source.emit('SIGINT');
    clock.ms = 900;
    source.emit('SIGINT');
    expect(forced()).toBe(0);
  });

  it('by a second, later signal forces the end', () => {
    const { source, clock, forced } = process();
    source.emit('SIGINT');
    clock.ms = 1_500;
    source.emit('SIGTERM');
    expect(forced()).toBe(1);
  });

  it('leaves no listeners behind', () => {
    const { source, interrupt } = process();
    interrupt.dispose();
    expect(source.eventNames()).toEqual([]);
  });
});
