// Reads the events of a lane: from the ring where it reaches back far enough, else from what lanes that catch up read
// together. What was read to cut a package is kept until the package is built, so that it is not looked for twice.

import { matches } from '@bellhop/events';
import type { EventLog } from '../log/event-log.ts';
import type { Clock } from './clock.ts';
import type { Cut, Filter } from './package.ts';
import { agedEvent, type Ring, type RingEvent } from './ring.ts';
import type { ReadKey, SharedReads } from './shared-reads.ts';

const pageEvents = 500;
const pageBytes = 2 * 1024 * 1024;

/** Matching events, and up to where all of them were seen. */
export interface Read {
  readonly events: readonly RingEvent[];
  readonly end: number;
}

export interface ReadFrom {
  readonly partition: number;
  readonly ring: Ring;
  readonly log: Pick<EventLog, 'read'>;
  readonly sharedReads: SharedReads;
  readonly clock: Clock;
}

export class LaneReader {
  readonly #clientId: string;
  readonly #from: ReadFrom;
  #kept: { readonly filter: Filter; readonly events: readonly RingEvent[] } | undefined;

  constructor(clientId: string, from: ReadFrom) {
    this.#clientId = clientId;
    this.#from = from;
  }

  keep(filter: Filter, events: readonly RingEvent[]): void {
    this.#kept = { filter, events };
  }

  forget(): void {
    this.#kept = undefined;
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

  /** Catching up. Without enough for a full package, the log was read up to `end` at least. */
  async older(after: number, filter: Filter, maxBytes: number): Promise<Read> {
    const { ring, sharedReads } = this.#from;
    const end = ring.end;
    const events: RingEvent[] = [];
    let bytes = 0;
    for (let from = after; from < end; ) {
      const next = await sharedReads.next(this.#key(filter), from, maxBytes - bytes + 1, end);
      for (const event of next.events) {
        events.push(event);
        bytes += event.bytes;
        if (bytes > maxBytes) return { events, end };
      }
      from = next.upTo;
    }
    return { events, end };
  }

  #key(filter: Filter): ReadKey {
    return { partition: this.#from.partition, clientId: this.#clientId, filter };
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
    const { ring, log, sharedReads, partition, clock } = this.#from;
    const events: RingEvent[] = [];
    // A page of the log may have shown what the tail has not read yet.
    if (ring.covers(cut.first - 1) && cut.last <= ring.end) {
      for (const event of ring.after(this.#clientId, cut.first - 1)) {
        if (event.offset > cut.last) break;
        if (matches({ type: cut.filter.type, exclude_type: cut.filter.excludeType }, event.type)) events.push(event);
      }
      return events;
    }
    const held = sharedReads.held(this.#key(cut.filter), cut.first, cut.last);
    if (held) return held;
    for (let from = cut.first - 1; ; ) {
      const page = await log.read(partition, from, {
        limit: pageEvents,
        maxBytes: pageBytes,
        upTo: cut.last,
        filter: { clientId: this.#clientId, ...cut.filter },
      });
      events.push(...page.events.map((event) => agedEvent(event, clock)));
      if (page.atEnd) break;
      from = page.events.at(-1)?.offset ?? from;
    }
    return events;
  }
}
