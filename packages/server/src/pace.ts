// Spreads starts that would come all at once: one each `everyMs`, and as many more as it takes to be through with those that
// wait within some `withinMs`, so that few are spread widely and a crowd of any size comes to its turn. Lines take turns: one
// line's crowd does not make another line wait behind it. After a pause of the process nothing is made up for.

export interface Pace {
  /** True when it is one's turn; false when the signal aborted first, and no turn is lost. */
  turn(line: string, signal: AbortSignal): Promise<boolean>;
}

export interface PaceOptions {
  readonly everyMs: number;
  readonly withinMs: number;
  /** Monotonic. */
  readonly now: () => number;
}

export function createPace({ everyMs, withinMs, now }: PaceOptions): Pace {
  /** Those who wait, in the order of their turns: a line that was served stands last. */
  const lines = new Map<string, Set<() => void>>();
  let waiting = 0;
  let nextAtMs = Number.NEGATIVE_INFINITY;
  let isTicking = false;

  function startNext(): void {
    const [next] = lines;
    if (next === undefined) return;
    const [id, line] = next;
    const [start] = line;
    if (start === undefined) return;
    remove(id, line, start);
    if (line.size > 0) {
      lines.delete(id);
      lines.set(id, line);
    }
    start();
  }

  function remove(id: string, line: Set<() => void>, start: () => void): void {
    line.delete(start);
    waiting -= 1;
    if (line.size === 0) lines.delete(id);
  }

  function startSome(): void {
    const count = Math.ceil((waiting * everyMs) / withinMs);
    for (let started = 0; started < count; started += 1) startNext();
    nextAtMs = now() + everyMs;
    isTicking = waiting > 0;
    if (isTicking) setTimeout(startSome, everyMs);
  }

  return {
    async turn(id, signal) {
      if (signal.aborted) return false;
      const nowMs = now();
      if (waiting === 0 && nowMs >= nextAtMs) {
        nextAtMs = nowMs + everyMs;
        return true;
      }
      const line = lines.get(id) ?? new Set();
      lines.set(id, line);
      waiting += 1;
      if (!isTicking) setTimeout(startSome, nextAtMs - nowMs);
      isTicking = true;
      return new Promise<boolean>((resolve) => {
        const start = (): void => {
          signal.removeEventListener('abort', leave);
          resolve(true);
        };
        const leave = (): void => {
          remove(id, line, start);
          resolve(false);
        };
        signal.addEventListener('abort', leave, { once: true });
        line.add(start);
      });
    },
  };
}
