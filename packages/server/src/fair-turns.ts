// Bounds how much of something expensive happens at a time, and shares it out: work waits in a line of its own for each
// caller, lines take turns, and one line has no more than its part of the slots. Who floods waits behind himself.
//
// Lines are short: what does not fit, or has waited too long, is not done at all and the caller says so. Lines without work
// are forgotten, so nothing grows with the number of callers ever seen. Work that has begun is never cut off.

export interface FairTurns {
  /** Undefined when the line is full or the turn did not come in time: the work was not begun and never will be. */
  tryRun<T extends NonNullable<unknown>>(line: string, work: () => Promise<T>): Promise<T | undefined>;
  /** Waits however long, for work whose number is bounded elsewhere. */
  run<T>(line: string, work: () => Promise<T>): Promise<T>;
}

export interface FairTurnsOptions {
  /** At a time, in all and of one line. */
  readonly slots: number;
  readonly slotsEach: number;
  /** Waiting, in all and in one line. */
  readonly maxWaiting: number;
  readonly maxWaitingEach: number;
  readonly maxWaitMs: number;
}

interface Line {
  running: number;
  /** In the order of their coming. */
  readonly waiting: Set<() => void>;
}

export function createFairTurns(options: FairTurnsOptions): FairTurns {
  const { slots, slotsEach, maxWaiting, maxWaitingEach, maxWaitMs } = options;
  // In the order of their next turns: a line that was served, and a new one, stands last.
  const lines = new Map<string, Line>();
  let running = 0;
  let waiting = 0;

  function mayBegin(line: Line): boolean {
    return running < slots && line.running < slotsEach;
  }

  function begin(id: string, line: Line): void {
    line.running += 1;
    running += 1;
    lines.delete(id);
    lines.set(id, line);
  }

  function end(id: string, line: Line): void {
    line.running -= 1;
    running -= 1;
    forgetIfIdle(id, line);
    // Lines that cannot begin now have work running: no more of them stand before the next one than there are slots.
    for (const [nextId, next] of lines) {
      const [start] = next.waiting;
      if (start === undefined || !mayBegin(next)) continue;
      next.waiting.delete(start);
      waiting -= 1;
      begin(nextId, next);
      start();
      return;
    }
  }

  function forgetIfIdle(id: string, line: Line): void {
    if (line.running === 0 && line.waiting.size === 0) lines.delete(id);
  }

  /** True when a slot is held. */
  function slotOf(id: string, isPatient: boolean): true | Promise<boolean> {
    const line = lines.get(id) ?? { running: 0, waiting: new Set() };
    if (line.waiting.size === 0 && mayBegin(line)) {
      begin(id, line);
      return true;
    }
    const isFull = line.waiting.size >= maxWaitingEach || waiting >= maxWaiting;
    if (isFull && !isPatient) return Promise.resolve(false);
    lines.set(id, line);
    return new Promise((resolve) => {
      const start = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const giveUp = () => {
        line.waiting.delete(start);
        waiting -= 1;
        forgetIfIdle(id, line);
        resolve(false);
      };
      const timer = isPatient ? undefined : setTimeout(giveUp, maxWaitMs);
      line.waiting.add(start);
      waiting += 1;
    });
  }

  async function work<T>(id: string, todo: () => Promise<T>): Promise<T> {
    try {
      return await todo();
    } finally {
      const line = lines.get(id);
      if (line) end(id, line);
    }
  }

  return {
    async tryRun(id, todo) {
      const slot = slotOf(id, false);
      // Not awaited when there is room: an idle process answers without a detour.
      if (slot === true || (await slot)) return work(id, todo);
      return undefined;
    },
    async run(id, todo) {
      const slot = slotOf(id, true);
      if (slot !== true) await slot;
      return work(id, todo);
    },
  };
}
