// A clock that stands still until it is told to go on. Give `now` to everything that takes one: the handler, the service.
export interface FakeClock {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  advance(ms: number): void;
}

export function fakeClock(start: Date | string | number = '2026-01-01T00:00:00Z'): FakeClock {
  let nowMs = new Date(start).getTime();
  if (Number.isNaN(nowMs)) throw new TypeError('A clock starts at a date');
  return {
    now: () => nowMs,
    advance(ms) {
      if (!(ms >= 0)) throw new TypeError('A clock goes forward');
      nowMs += ms;
    },
  };
}
