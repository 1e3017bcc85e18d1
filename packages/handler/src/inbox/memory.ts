// The inbox in memory: for tests, demos and prototypes. What was acknowledged and not processed is lost with the process, so
// production takes a durable one. Bounded: it refuses packages (the sender repeats them) rather than grow without end, and
// remembers the ids of closed events, and fewer of the events themselves, up to a number.
//
// Structure: one lane per key, a linked list of open items whose head is the one to run. A lane is in exactly one of: ready
// (claimable), delayed (its head failed and waits), running.
import type { WebhookEvent } from '@bellhop/events';
import { comparableInstant } from './comparable-instant.ts';
import { matches } from './filter.ts';
import type { BlockedKey, Inbox, InboxEvent, InboxFilter, InboxItem, InboxState, Job } from './inbox.ts';

export interface MemoryInboxOptions {
  /** Open and parked events; beyond it `store` refuses. Default 100,000. */
  readonly maxOpen?: number;
  /** Ids of closed events that are remembered for deduplication. Default 100,000. */
  readonly maxRemembered?: number;
  /** Closed events that are kept whole, for `list` and `replay`. Default 1,000. */
  readonly maxKept?: number;
}

/** The inbox has no room; the package is refused and the sender repeats it. */
export class InboxFullError extends Error {
  readonly code: 'inbox_full' = 'inbox_full';
  override readonly name = 'InboxFullError';
}

interface Item extends InboxEvent {
  seq: number;
  state: InboxState;
  attempts: number;
  replay: boolean;
  note: string | null;
  dueAtMs: number;
  failedAtMs: number | undefined;
  closedAtMs: number;
  lease: string | undefined;
  next: Item | undefined;
}

interface Lane {
  readonly name: string;
  head: Item;
  tail: Item;
}

export function memoryInbox(options: MemoryInboxOptions = {}): Inbox<undefined> {
  const { maxOpen = 100_000, maxRemembered = 100_000, maxKept = 1_000 } = options;
  for (const limit of [maxOpen, maxRemembered, maxKept]) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new TypeError('Limits of the inbox are positive integers');
  }
  const open = new Map<string, Item>();
  const parked = new Map<string, Item>();
  const closed = new Map<string, Item>();
  const done = new Set<string>();
  const lanes = new Map<string, Lane>();
  const ready = new Set<Lane>();
  const delayed = new Map<Lane, number>();
  const instants = new Map<string, string>();
  let leases = 0;
  let lastSeq = 0;

  /** The prefix keeps a key apart from an event without one whose id looks the same. */
  const laneName = ({ key, event }: InboxEvent): string => (key === null ? `event ${event.id}` : `key ${key}`);

  function append(item: Item): void {
    lastSeq += 1;
    item.seq = lastSeq;
    open.set(item.event.id, item);
    const name = laneName(item);
    const lane = lanes.get(name);
    if (lane === undefined) {
      const created = { name, head: item, tail: item };
      lanes.set(name, created);
      ready.add(created);
    } else {
      lane.tail.next = item;
      lane.tail = item;
    }
  }

  function reopen(item: Item, replay: boolean): void {
    append(Object.assign(item, { ...fresh, replay, next: undefined }));
  }

  function claimed(job: Job): { lane: Lane; item: Item } | undefined {
    const item = open.get(job.event.id);
    const lane = item === undefined ? undefined : lanes.get(laneName(item));
    if (item === undefined || lane === undefined || item.lease !== job.lease) return undefined;
    return { lane, item };
  }

  /** Takes an item out of its lane, wherever it stands. */
  function leave(lane: Lane, item: Item): void {
    open.delete(item.event.id);
    if (lane.head !== item) {
      let before = lane.head;
      while (before.next !== undefined && before.next !== item) before = before.next;
      before.next = item.next;
      if (lane.tail === item) lane.tail = before;
    } else {
      delayed.delete(lane);
      ready.delete(lane);
      if (item.next === undefined) lanes.delete(lane.name);
      else {
        lane.head = item.next;
        ready.add(lane);
      }
    }
    item.next = undefined;
    item.lease = undefined;
  }

  function close(item: Item, state: 'done' | 'ignored' | 'skipped'): void {
    const { id } = item.event;
    item.state = state;
    item.closedAtMs = Date.now();
    closed.set(id, item);
    if (closed.size > maxKept) for (const oldest of closed.keys()) if (closed.delete(oldest)) break;
    done.add(id);
    if (done.size > maxRemembered) for (const oldest of done.keys()) if (done.delete(oldest)) break;
  }

  function allMatching(filter: InboxFilter, ...from: Map<string, Item>[]): Item[] {
    const found = from.flatMap((items) => [...items.values()]).filter((item) => matches(item, filter));
    return found.sort((a, b) => a.seq - b.seq);
  }

  return {
    durable: false,

    async store(events) {
      const given = new Map<string, InboxEvent>();
      for (const entry of events) {
        const { id } = entry.event;
        if (!open.has(id) && !parked.has(id) && !done.has(id) && !given.has(id)) given.set(id, entry);
      }
      const held = open.size + parked.size;
      if (held + given.size > maxOpen) throw new InboxFullError(`The inbox is full: ${held} events are in it`);
      for (const { event: received, key, receivedAt } of given.values()) {
        // A copy, so that nobody outside can change what was stored.
        const event = structuredClone(received);
        append({ ...fresh, event, key, receivedAt, seq: 0, replay: false, closedAtMs: 0, next: undefined });
      }
      return { stored: given.size, duplicates: events.length - given.size };
    },

    async claim({ limit, now }) {
      let nextDueMs = Number.POSITIVE_INFINITY;
      for (const [lane, dueMs] of delayed) {
        if (dueMs > now.getTime()) nextDueMs = Math.min(nextDueMs, dueMs);
        else {
          delayed.delete(lane);
          ready.add(lane);
        }
      }
      const jobs: Job[] = [];
      for (const lane of ready) {
        if (jobs.length >= limit) break;
        ready.delete(lane);
        const item = lane.head;
        leases += 1;
        const lease = String(leases);
        item.lease = lease;
        item.state = 'running';
        item.attempts += 1;
        const { key, receivedAt, attempts, replay } = item;
        // Another copy: a listener that changes its event must not change that of its next attempt.
        jobs.push({ event: structuredClone(item.event), key, receivedAt, attempt: attempts, replay, lease });
      }
      return { jobs, nextDueAt: Number.isFinite(nextDueMs) ? new Date(nextDueMs) : null };
    },

    async complete(job, work) {
      if (claimed(job) === undefined) return false;
      const advanced = new Map<string, string>();
      const outcome = await work(undefined, {
        async advance(name, instant) {
          const given = comparableInstant(instant);
          if (given < (advanced.get(name) ?? instants.get(name) ?? '')) return false;
          advanced.set(name, given);
          return true;
        },
      });
      const held = claimed(job);
      if (held === undefined) return false;
      leave(held.lane, held.item);
      close(held.item, outcome);
      for (const [name, instant] of advanced) {
        instants.delete(name);
        instants.set(name, instant);
      }
      while (instants.size > maxRemembered) for (const oldest of instants.keys()) if (instants.delete(oldest)) break;
      return true;
    },

    async fail(job, { error, retryAt }) {
      const held = claimed(job);
      if (held === undefined) return;
      const { lane, item } = held;
      item.lease = undefined;
      item.state = 'retrying';
      item.note = error;
      item.dueAtMs = retryAt.getTime();
      item.failedAtMs ??= Date.now();
      delayed.set(lane, item.dueAtMs);
    },

    async park(job, { error }) {
      const held = claimed(job);
      if (held === undefined) return;
      leave(held.lane, held.item);
      held.item.state = 'parked';
      held.item.note = error;
      parked.set(held.item.event.id, held.item);
    },

    async release(job) {
      const held = claimed(job);
      if (held === undefined) return;
      held.item.lease = undefined;
      held.item.state = 'waiting';
      held.item.attempts -= 1;
      ready.add(held.lane);
    },

    async stats(now) {
      const states = { waiting: 0, running: 0, retrying: 0 };
      const blocked = new Set<string>();
      let oldestMs = 0;
      for (const { state, key, failedAtMs, receivedAt } of open.values()) {
        if (state === 'waiting' || state === 'running' || state === 'retrying') states[state] += 1;
        if (failedAtMs !== undefined && key !== null) blocked.add(key);
        oldestMs = Math.max(oldestMs, now.getTime() - receivedAt.getTime());
      }
      return { ...states, parked: parked.size, blockedKeys: blocked.size, oldestMs };
    },

    async list({ states, limit = 100, after, ...filter }) {
      const position = after === undefined ? 0 : Number(after);
      if (!Number.isSafeInteger(position) || position < 0) throw new TypeError('after is no position of a list');
      const found = allMatching(filter, open, parked, closed).filter(
        ({ seq, state }) => seq > position && (states === undefined || states.includes(state)),
      );
      const items = found.slice(0, limit);
      const last = items.at(-1);
      const page = { items: items.map(shown) };
      return found.length > limit && last !== undefined ? { ...page, after: String(last.seq) } : page;
    },

    async blockedKeys(limit) {
      const blocked: BlockedKey[] = [];
      for (const { head } of lanes.values()) {
        if (head.key === null || head.failedAtMs === undefined) continue;
        let waiting = 0;
        for (let item = head.next; item !== undefined; item = item.next) waiting += 1;
        const { key, event, note, attempts, failedAtMs, dueAtMs } = head;
        const { id, type } = event;
        const times = { blockedSince: new Date(failedAtMs), retryAt: new Date(dueAtMs) };
        blocked.push({ key, id, type, note: note ?? '', attempts, ...times, waiting });
      }
      return blocked.sort((a, b) => a.blockedSince.getTime() - b.blockedSince.getTime()).slice(0, limit);
    },

    async retry(filter, now, { dryRun = false }) {
      const retrying = allMatching(filter, open).filter((item) => item.state === 'retrying');
      const givenUp = allMatching(filter, parked);
      if (!dryRun) {
        for (const item of retrying) {
          const lane = lanes.get(laneName(item));
          if (lane !== undefined) delayed.set(lane, now.getTime());
          item.dueAtMs = now.getTime();
        }
        for (const item of givenUp) {
          parked.delete(item.event.id);
          reopen(item, false);
        }
      }
      return { count: retrying.length + givenUp.length };
    },

    async replay(filter, _now, { dryRun = false }) {
      const found = allMatching(filter, closed);
      if (!dryRun) {
        for (const item of found) {
          closed.delete(item.event.id);
          done.delete(item.event.id);
          reopen(item, true);
        }
      }
      return { count: found.length };
    },

    async skip(id, reason) {
      const item = open.get(id) ?? parked.get(id);
      if (item === undefined || item.state === 'running') return false;
      const lane = parked.delete(id) ? undefined : lanes.get(laneName(item));
      if (lane !== undefined) leave(lane, item);
      item.note = reason;
      close(item, 'skipped');
      return true;
    },

    async purge(doneBefore, { dryRun = false }) {
      const found = [...closed.values()].filter((item) => item.closedAtMs < doneBefore.getTime());
      if (!dryRun) {
        for (const { event } of found) {
          closed.delete(event.id);
          done.delete(event.id);
        }
      }
      return { count: found.length };
    },
  };
}

/** An item that has not run yet. */
const fresh = {
  state: 'waiting',
  attempts: 0,
  note: null,
  dueAtMs: 0,
  failedAtMs: undefined,
  lease: undefined,
} as const;

function shown({ event, key, state, receivedAt, attempts, note, dueAtMs }: Item): InboxItem {
  const copy: WebhookEvent = structuredClone(event);
  const retryAt = state === 'retrying' ? new Date(dueAtMs) : null;
  return { event: copy, key, state, receivedAt, attempts, note, retryAt };
}
