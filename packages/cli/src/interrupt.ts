// Ctrl-C and friends. The first signal asks for a clean stop; a second one, given by somebody who has seen that the stop is
// under way, ends the process at once. Two signals within a second are one: npm passes Ctrl-C on to a process that the
// terminal has told already.

export interface Interrupt {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  dispose(): void;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const sameSignalMs = 1_000;

export function onInterrupt(options: {
  readonly source: NodeJS.EventEmitter;
  readonly onSecond: () => void;
  readonly now: () => number;
}): Interrupt {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const listener = () => {
    if (firstAt === undefined) {
      firstAt = options.now();
      controller.abort();
    } else if (options.now() - firstAt >= sameSignalMs) {
      options.onSecond();
    }
  };
  for (const signal of signals) options.source.on(signal, listener);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of signals) options.source.off(signal, listener);
    },
  };
}
