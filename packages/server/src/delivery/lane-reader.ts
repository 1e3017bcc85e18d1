// Reads the events of a lane: from the ring where it reaches back far enough, else in pages from the log. What was read to cut
// a package is kept until the package is built, so that it is not read twice. Small packages share a read of the log: what it
// brought beyond the first is kept for the next ones, as long as the lane goes on without a pause.

import { matches } from '@bellhop/events';
import type { EventLog, LogEvent } from '../log/event-log.ts';
import type { Clock } from './clock.ts';
import type { Cut, Filter } from './package.ts';
import { type Ring, type RingEvent, toRingEvent } from './ring.ts';

const pageEvents = 500;
const pageBytes = 2 * 1024 * 1024;
/** A read of the log brings this much, also for a smaller package: many lanes catch up at once, each with its own. */
const aheadBytes = 16 * 1024;

/** Matching events, and up to where all of them were seen. */
export interface Read {
  readonly events: readonly RingEvent[];
  readonly end: number;
}

export interface ReadFrom {
  readonly partition: number;
  readonly ring: Ring;
  readonly log: Pick<EventLog, 'read'>;
  readonly clock: Clock;
}

export class LaneReader {
  readonly #clientId: string;
  readonly #from: ReadFrom;
  #kept: { readonly filter: Filter; readonly events: readonly RingEvent[] } | undefined;
  /** All that matches behind `after`, up to the last of these. */
  #ahead: { readonly filter: Filter; readonly after: number; readonly events: readonly RingEvent[] } | undefined;

  constructor(clientId: string, from: ReadFrom) {
    this.#clientId = clientId;
    this.#from = from;
  }

  keep(filter: Filter, events: readonly RingEvent[]): void {
    this.#kept = { filter, events };
  }

  forget(): void {
    this.#kept = undefined;
    this.#ahead = undefined;
  }

  /** For a wait of unknown length: a thousand lanes with a full package each would hold 100 MiB, so they read it again. */
  slim(): void {
    const held = this.#ahead?.events ?? this.#kept?.events ?? [];
    if (held.reduce((bytes, event) => bytes + event.bytes, 0) > 2 * aheadBytes) this.forget();
  }

  /** Undefined: the ring does not reach back that far. */
  recent(after: number, filter: Filter, maxBytes: number): Read | undefined {
    const { ring } = this.#from;
    if (!ring.covers(after)) return undefined;
    return { events: [...this.#matching(ring.after(this.#clientId, after), filter, maxBytes)], end: ring.end };
  }

  /** Stops one event after the package is full: that one shows that nothing more fits. */
  *#matching(events: Iterable<RingEvent>, filter: Filter, maxBytes: number): Generator<RingEvent> {
    let bytes = 0;
    for (const event of events) {
      if (!matches({ type: filter.type, exclude_type: filter.excludeType }, event.type)) continue;
      yield event;
      bytes += event.bytes;
      if (bytes > maxBytes) return;
    }
  }

  /** Catching up: pages of the log, already filtered. The log was read up to `end` at least. */
  async older(after: number, filter: Filter, maxBytes: number): Promise<Read> {
    const end = this.#from.ring.end;
    const known = this.#takeAhead(after, filter, maxBytes);
    if (known) return { events: known, end };
    const events: RingEvent[] = [];
    let bytes = 0;
    for (let from = after; ; ) {
      const page = await this.#from.log.read(this.#from.partition, from, {
        limit: pageEvents,
        // One event past the limit shows that the package is full.
        maxBytes: Math.max(maxBytes - bytes + 1, aheadBytes),
        filter: { clientId: this.#clientId, ...filter },
      });
      for (const event of page.events) {
        const aged = this.#aged(event);
        events.push(aged);
        bytes += aged.bytes;
      }
      if (bytes > maxBytes) {
        this.#ahead = { filter, after, events };
        return { events: untilFull(events, maxBytes) ?? events, end };
      }
      if (page.atEnd) return { events, end };
      from = page.events.at(-1)?.offset ?? from;
    }
  }

  /** Undefined: not a full package of it was read already. */
  #takeAhead(after: number, filter: Filter, maxBytes: number): readonly RingEvent[] | undefined {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead?.filter !== filter || after < ahead.after) return undefined;
    const events = ahead.events.filter(({ offset }) => offset > after);
    const full = untilFull(events, maxBytes);
    if (full) this.#ahead = { filter, after, events };
    return full;
  }

  /** An event from the database was seen when it was appended, as far as `delay` is concerned. */
  #aged(event: LogEvent): RingEvent {
    const { clock } = this.#from;
    const ageMs = Math.max(0, clock.wallMs() - event.appendedAt.getTime());
    return toRingEvent(event, clock.monotonicMs() - ageMs);
  }

  /** The events of a cut: those just read, else from the ring, else from the log. */
  async eventsOf(cut: Cut): Promise<readonly RingEvent[]> {
    const read = this.#kept;
    this.#kept = undefined;
    // A late answer to an older look may have brought other events between the same ends: it had another filter.
    if (
      read?.filter === cut.filter &&
      read.events[0]?.offset === cut.first &&
      read.events.at(-1)?.offset === cut.last
    ) {
      return read.events;
    }
    const { ring, log, partition } = this.#from;
    const events: RingEvent[] = [];
    // A page of the log may have shown what the tail has not read yet.
    if (ring.covers(cut.first - 1) && cut.last <= ring.end) {
      for (const event of ring.after(this.#clientId, cut.first - 1)) {
        if (event.offset > cut.last) break;
        if (matches({ type: cut.filter.type, exclude_type: cut.filter.excludeType }, event.type)) events.push(event);
      }
      return events;
    }
    for (let from = cut.first - 1; ; ) {
      const page = await log.read(partition, from, {
        limit: pageEvents,
        maxBytes: pageBytes,
        upTo: cut.last,
        filter: { clientId: this.#clientId, ...cut.filter },
      });
      events.push(...page.events.map((event) => this.#aged(event)));
      if (page.atEnd) break;
      from = page.events.at(-1)?.offset ?? from;
    }
    return events;
  }
}

/** Up to the first event that shows that nothing more fits; undefined when all of them fit. */
function untilFull(events: readonly RingEvent[], maxBytes: number): readonly RingEvent[] | undefined {
  let bytes = 0;
  const last = events.findIndex((event) => {
    bytes += event.bytes;
    return bytes > maxBytes;
  });
  return last === -1 ? undefined : events.slice(0, last + 1);
}
