// The recent end of a partition in memory, shared by its lanes. It holds every event above `start` up to `end`, kept per
// tenant so that a lane walks over its own tenant's events only. The tail alone adds. All rings of a process share one
// budget of bytes: when it is passed, the events that have been in memory longest leave, whichever ring they are in, so a
// busy partition uses what idle ones do not need. A lane whose position is below `start` reads the database instead.

import { categoryOf } from '@bellhop/events';
import type { LogEvent } from '../log/event-log.ts';
import type { Clock } from './clock.ts';
import type { CuttableEvent } from './package.ts';

export interface RingEvent extends CuttableEvent {
  readonly clientId: string;
  readonly type: string;
  readonly category: string;
  /** When this process first saw it, on the monotonic clock; `delay` counts from here. */
  readonly seenAtMs: number;
}

export function toRingEvent(event: LogEvent, seenAtMs: number): RingEvent {
  const type = ownCopy(event.type);
  return {
    offset: event.offset,
    clientId: ownCopy(event.clientId),
    type,
    category: categoryOf(type),
    body: event.body,
    bytes: Buffer.byteLength(event.body),
    seenAtMs,
  };
}

const copies = new Map<string, string>();
const maxCopies = 20_000;

/**
 * The same text, sharing no memory with the one it was cut out of: V8 keeps the whole text alive for a slice of it, and one
 * client id kept the whole publish call in memory for as long as an event of it was in the ring, which doubled the ring.
 */
function ownCopy(text: string): string {
  const known = copies.get(text);
  if (known !== undefined) return known;
  if (copies.size >= maxCopies) copies.clear();
  const copy = Buffer.from(text).toString();
  copies.set(copy, copy);
  return copy;
}

/** An event from the database was seen when it was appended, as far as `delay` is concerned. */
export function agedEvent(event: LogEvent, clock: Clock): RingEvent {
  const ageMs = Math.max(0, clock.wallMs() - event.appendedAt.getTime());
  return toRingEvent(event, clock.monotonicMs() - ageMs);
}

/** Bytes that the rings of a process may hold together. */
export class RingBudget {
  readonly #maxBytes: number;
  readonly #rings = new Set<Ring>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  join(ring: Ring): void {
    this.#rings.add(ring);
  }

  leave(ring: Ring): void {
    if (this.#rings.delete(ring)) this.#bytes -= ring.bytes;
  }

  charge(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) {
      let oldest: Ring | undefined;
      for (const ring of this.#rings) if (ring.oldestSeenAtMs < (oldest?.oldestSeenAtMs ?? Infinity)) oldest = ring;
      if (!oldest) return;
      this.#bytes -= oldest.evict();
    }
  }
}

/** Keys, strings and array slots around a body, roughly. */
export const eventOverheadBytes = 200;

export class Ring {
  readonly #budget: RingBudget;
  readonly #byTenant = new Map<string, TenantQueue>();
  /** Tenants in the order of their events, for eviction. */
  readonly #order: Fifo<RingEvent> = new Fifo();
  #bytes = 0;
  #start: number;
  #end: number;

  constructor(startAfter: number, budget: RingBudget) {
    this.#start = startAfter;
    this.#end = startAfter;
    this.#budget = budget;
    budget.join(this);
  }

  /** When its oldest event came in; Infinity when it is empty. */
  get oldestSeenAtMs(): number {
    return this.#order.at(0)?.seenAtMs ?? Infinity;
  }

  /** Its partition is run no more: gives its share of the budget back. */
  close(): void {
    this.#budget.leave(this);
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Events above `after` are all here. */
  covers(after: number): boolean {
    return after >= this.#start;
  }

  push(event: RingEvent): void {
    if (event.offset <= this.#end)
      throw new TypeError(`Offset ${event.offset} is not above the ring's end ${this.#end}.`);
    let queue = this.#byTenant.get(event.clientId);
    if (!queue) {
      queue = new Fifo();
      this.#byTenant.set(event.clientId, queue);
    }
    queue.push(event);
    this.#order.push(event);
    this.#end = event.offset;
    this.#bytes += event.bytes + eventOverheadBytes;
    this.#budget.charge(event.bytes + eventOverheadBytes);
  }

  /** One tenant's events above `after`, in order. */
  *after(clientId: string, after: number): Generator<RingEvent> {
    const queue = this.#byTenant.get(clientId);
    if (!queue) return;
    for (let index = queue.firstIndexAbove(after); ; index += 1) {
      const event = queue.at(index);
      if (!event) return;
      yield event;
    }
  }

  /** For the budget: drops the oldest event and answers the bytes it took. */
  evict(): number {
    const oldest = this.#order.shift();
    if (!oldest) return 0;
    const queue = this.#byTenant.get(oldest.clientId);
    queue?.shift();
    if (queue?.size === 0) this.#byTenant.delete(oldest.clientId);
    this.#start = oldest.offset;
    const bytes = oldest.bytes + eventOverheadBytes;
    this.#bytes -= bytes;
    return bytes;
  }
}

type TenantQueue = Fifo<RingEvent>;

/** An array with a moving front: Array.shift copies all that is left. */
class Fifo<Item extends { readonly offset: number }> {
  #items: (Item | undefined)[] = [];
  #front = 0;

  get size(): number {
    return this.#items.length - this.#front;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    const item = this.#items[this.#front];
    if (item === undefined) return undefined;
    this.#items[this.#front] = undefined;
    this.#front += 1;
    if (this.#front > 1024 && this.#front * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return item;
  }

  at(index: number): Item | undefined {
    return this.#items[this.#front + index];
  }

  firstIndexAbove(offset: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.at(middle)?.offset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
