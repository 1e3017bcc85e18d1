// What lanes that catch up read of the log, kept a moment for the others: when the webhooks of a tenant fall behind the ring
// together, or start together after a stop, each stretch of the log is read once and not once for each of them. It is also
// what a lane reads ahead: small packages share a read.
//
// Bounded in bytes; what was used longest ago leaves first. Nothing in it can be outdated: the log is only appended to.

import type { EventLog } from '../log/event-log.ts';
import type { Clock } from './clock.ts';
import type { Filter } from './package.ts';
import { agedEvent, eventOverheadBytes, type RingEvent } from './ring.ts';

/** Whose events, and which of them. */
export interface ReadKey {
  readonly partition: number;
  readonly clientId: string;
  readonly filter: Filter;
}

/** All matching events above `after`, up to `upTo`. */
interface Stretch {
  readonly key: string;
  readonly after: number;
  readonly upTo: number;
  readonly events: readonly RingEvent[];
  readonly bytes: number;
}

interface Reading {
  readonly after: number;
  readonly done: Promise<Stretch>;
}

export interface SharedReadsOptions {
  readonly log: Pick<EventLog, 'read'>;
  readonly clock: Clock;
  readonly maxBytes: number;
}

const pageEvents = 500;
/** A read of the log brings this much, also for a smaller package: as much as there is room for everybody who reads. */
const minPageBytes = 16 * 1024;
const maxPageBytes = 256 * 1024;

export class SharedReads {
  readonly #options: SharedReadsOptions;
  readonly #stretches = new Map<string, Stretch[]>();
  readonly #readings = new Map<string, Reading[]>();
  /** Longest unused first. */
  readonly #used = new Set<Stretch>();
  #bytes = 0;

  constructor(options: SharedReadsOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The next matching events above `after`: `wantedBytes` of them, or fewer when somebody read fewer, or none; all that there
   * are up to `upTo`, which is above `after`. `end`: no offset up to it is still to come, and `after` is below it.
   */
  async next(
    key: ReadKey,
    after: number,
    wantedBytes: number,
    end: number,
  ): Promise<{ readonly events: readonly RingEvent[]; readonly upTo: number }> {
    const name = nameOf(key);
    let stretch = this.#find(name, after);
    // What somebody reads right now may turn out to be of use.
    const near = stretch ? undefined : this.#nearReading(name, after);
    if (near) {
      const read = await near.done;
      stretch = read.upTo > after ? read : this.#find(name, after);
    }
    stretch ??= await this.#read(name, key, after, wantedBytes, end);
    return { events: eventsAbove(stretch, after), upTo: stretch.upTo };
  }

  /** Exactly these, when all of them are held. */
  held(key: ReadKey, first: number, last: number): readonly RingEvent[] | undefined {
    const name = nameOf(key);
    const events: RingEvent[] = [];
    for (let after = first - 1; after < last; ) {
      const stretch = this.#find(name, after);
      if (!stretch) return undefined;
      for (const event of eventsAbove(stretch, after)) if (event.offset <= last) events.push(event);
      after = stretch.upTo;
    }
    return events;
  }

  #find(name: string, after: number): Stretch | undefined {
    const stretch = this.#stretches.get(name)?.findLast((each) => each.after <= after && after < each.upTo);
    if (!stretch) return undefined;
    this.#used.delete(stretch);
    this.#used.add(stretch);
    return stretch;
  }

  #nearReading(name: string, after: number): Reading | undefined {
    return this.#readings.get(name)?.find((each) => each.after <= after && after < each.after + pageEvents);
  }

  async #read(name: string, key: ReadKey, after: number, wantedBytes: number, end: number): Promise<Stretch> {
    const readings = this.#readings.get(name) ?? [];
    this.#readings.set(name, readings);
    const reading = { after, done: this.#load(name, key, after, wantedBytes, end) };
    readings.push(reading);
    try {
      return await reading.done;
    } finally {
      readings.splice(readings.indexOf(reading), 1);
      if (readings.length === 0) this.#readings.delete(name);
    }
  }

  async #load(name: string, key: ReadKey, after: number, wantedBytes: number, end: number): Promise<Stretch> {
    const { log, clock, maxBytes } = this.#options;
    const shareBytes = Math.floor(maxBytes / (2 * this.#stretches.size + 1));
    const { partition, clientId, filter } = key;
    const page = await log.read(partition, after, {
      limit: pageEvents,
      maxBytes: Math.max(wantedBytes, minPageBytes, Math.min(maxPageBytes, shareBytes)),
      filter: { clientId, ...filter },
    });
    const events = page.events.map((event) => agedEvent(event, clock));
    const last = events.at(-1)?.offset ?? after;
    const upTo = page.atEnd ? Math.max(last, end) : last;
    const bytes = events.reduce((sum, event) => sum + event.bytes + eventOverheadBytes, eventOverheadBytes);
    const stretch: Stretch = { key: name, after, upTo, events, bytes };
    this.#keep(stretch);
    return stretch;
  }

  #keep(stretch: Stretch): void {
    const list = this.#stretches.get(stretch.key);
    if (list) list.push(stretch);
    else this.#stretches.set(stretch.key, [stretch]);
    this.#used.add(stretch);
    this.#bytes += stretch.bytes;
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#options.maxBytes) return;
      this.#drop(oldest);
    }
  }

  #drop(stretch: Stretch): void {
    this.#used.delete(stretch);
    this.#bytes -= stretch.bytes;
    const list = this.#stretches.get(stretch.key) ?? [];
    list.splice(list.indexOf(stretch), 1);
    if (list.length === 0) this.#stretches.delete(stretch.key);
  }
}

function nameOf({ partition, clientId, filter }: ReadKey): string {
  return `${partition} ${clientId} ${filter.type.join()} ${filter.excludeType?.join() ?? ''}`;
}

function eventsAbove({ events }: Stretch, after: number): readonly RingEvent[] {
  const first = events.findIndex(({ offset }) => offset > after);
  if (first === 0) return events;
  return first === -1 ? [] : events.slice(first);
}
