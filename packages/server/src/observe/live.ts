// The live view: what an operator looks at, read once for all who look and only while somebody does. It asks the database
// at most once a second, and so seldom that reading takes no more than a twentieth of the time, but every four seconds:
// a reader that hears nothing for five calls its numbers old.

import type { Database } from '../store/database.ts';
import { type BlockedRow, readBlocked, readStanding, type Standing } from './overview.ts';
import { type Rollups, readRollups } from './rollups.ts';

export interface Live {
  readonly at: Date;
  readonly standing: Standing;
  readonly blocked: readonly BlockedRow[];
  /** Per second, over the last `overSeconds`. */
  readonly rates: {
    readonly overSeconds: number;
    readonly published: number;
    readonly delivered: number;
    readonly failedAttempts: number;
  };
}

export interface LiveView {
  /** What is known, at most `everyMs` old. */
  current(): Promise<Live>;
  /** Called at once and then about once a second, until the returned function is called. */
  watch(listener: (live: Live) => void, onError: (error: unknown) => void): () => void;
  standing(): Promise<Standing>;
  close(): void;
}

const everyMs = 1_000;
const atLeastEveryMs = 4_000;
const shareOfTime = 20;
const rateSeconds = 10;

interface Sample {
  readonly atMs: number;
  readonly published: number;
  readonly delivered: number;
  readonly failed: number;
}

export function createLiveView(options: {
  readonly database: Database;
  readonly rollups: Rollups;
  /** Whether this process alone publishes and delivers: then its own counters are the rates of the service. */
  readonly isAlone: () => Promise<boolean>;
  readonly now: () => number;
}): LiveView {
  const { database, rollups, isAlone, now } = options;
  const watchers = new Set<{ listener: (live: Live) => void; onError: (error: unknown) => void }>();
  let known: { live: Live; readonly goodUntilMs: number } | undefined;
  let reading: Promise<Live> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let samples: Sample[] = [];

  // Without this the first seconds of a look would have no rate.
  const sampler = setInterval(sample, everyMs);
  sampler.unref();

  function sample(): void {
    const { publishedEvents: published, deliveredEvents: delivered, failedAttempts: failed } = rollups.totals;
    samples.push({ atMs: performance.now(), published, delivered, failed });
    if (samples.length > rateSeconds + 1) samples = samples.slice(-rateSeconds - 1);
  }

  async function readRates(): Promise<Live['rates']> {
    if (await isAlone()) {
      const [first] = samples;
      const { publishedEvents, deliveredEvents, failedAttempts } = rollups.totals;
      const seconds = first ? (performance.now() - first.atMs) / 1_000 : 0;
      const per = (count: number) => (seconds > 0 ? count / seconds : 0);
      return {
        overSeconds: rateSeconds,
        published: per(publishedEvents - (first?.published ?? 0)),
        delivered: per(deliveredEvents - (first?.delivered ?? 0)),
        failedAttempts: per(failedAttempts - (first?.failed ?? 0)),
      };
    }
    // Others' counts arrive every ten seconds: the last whole minute is the newest that is complete.
    const minute = Math.floor(now() / 60_000) * 60_000;
    const [row] = (await readRollups(database, new Date(minute - 60_000))).filter(
      (each) => each.minute.getTime() < minute,
    );
    return {
      overSeconds: 60,
      published: (row?.published_events ?? 0) / 60,
      delivered: (row?.delivered_events ?? 0) / 60,
      failedAttempts: (row?.failed_attempts ?? 0) / 60,
    };
  }

  async function read(): Promise<Live> {
    const startedMs = performance.now();
    const standing = await readStanding(database);
    const blocked = standing.blocked > 0 ? await readBlocked(database) : [];
    const rates = await readRates();
    const live: Live = { at: new Date(now()), standing, blocked, rates };
    const tookMs = performance.now() - startedMs;
    const goodMs = Math.min(atLeastEveryMs, Math.max(everyMs - 50, tookMs * shareOfTime));
    known = { live, goodUntilMs: startedMs + goodMs };
    return live;
  }

  function current(): Promise<Live> {
    if (known && performance.now() < known.goodUntilMs) return Promise.resolve(known.live);
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  async function tell(): Promise<void> {
    try {
      const live = await current();
      for (const { listener } of watchers) listener(live);
    } catch (error) {
      for (const { onError } of watchers) onError(error);
    }
    if (watchers.size === 0) return;
    const waitMs = Math.max(everyMs, (known?.goodUntilMs ?? 0) - performance.now());
    timer = setTimeout(() => void tell(), waitMs);
    timer.unref();
  }

  return {
    current,
    async standing() {
      return (await current()).standing;
    },
    watch(listener, onError) {
      const watcher = { listener, onError };
      watchers.add(watcher);
      if (watchers.size === 1) {
        clearTimeout(timer);
        void tell();
      } else {
        current().then(listener, onError);
      }
      return () => {
        watchers.delete(watcher);
        if (watchers.size === 0) clearTimeout(timer);
      };
    },
    close() {
      clearInterval(sampler);
      clearTimeout(timer);
      watchers.clear();
    },
  };
}
