// Load: one publisher per tenant that sends batch after batch, each again and again with the same ids until it is answered
// 202, over whichever API processes there are. Only then its events count as accepted. Any answer but 202 and a 503 with
// `retry-after` is kept as a fault of the service.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from './seed.ts';
import { operatorToken } from './serve-process.ts';

export interface Publishers {
  /** Ids answered 202, by tenant. */
  readonly accepted: ReadonlyMap<string, ReadonlySet<string>>;
  readonly count: number;
  /** Answers that are neither 202 nor a 503 that says when to come again. */
  readonly unexpected: readonly string[];
  /** Batches that were sent more than once. */
  readonly resent: number;
  /** 503 answers. */
  readonly refused: number;
  pause(): Promise<void>;
  resume(): void;
  /** Resolves when so many more events were accepted. */
  more(events: number): Promise<void>;
  stop(): Promise<void>;
}

const types = ['ORDER.FILLED', 'ORDER.CANCELLED', 'USER.CREATED', 'ACCOUNT.CREATED', 'EXECUTION.FILLED'];
/** One instant for all: inside a package events then stand in the order of the log, which the check relies on. */
const createdAt = '2026-01-01T00:00:00Z';
const answerTimeoutMs = 15_000;

export interface PublisherOptions {
  readonly tenants: readonly string[];
  /** Addresses of the API processes that are up. */
  readonly urls: () => readonly string[];
  readonly chance: Chance;
  readonly pauseMs: number;
  /** Throws when waiting has no more sense. */
  readonly check: () => void;
}

export function startPublishers({ tenants, urls, chance, pauseMs, check }: PublisherOptions): Publishers {
  const accepted = new Map(tenants.map((tenant) => [tenant, new Set<string>()]));
  const unexpected: string[] = [];
  const stopping = new AbortController();
  let paused: { wait: Promise<void>; resume: () => void } | undefined;
  let count = 0;
  let resent = 0;
  let refused = 0;
  let busy = 0;

  async function send(tenant: string, events: readonly object[], asLines: boolean): Promise<number | undefined> {
    const url = urls().length === 0 ? undefined : chance.pick(urls());
    if (url === undefined) return undefined;
    const body = asLines
      ? events.map((event) => JSON.stringify({ client_id: tenant, ...event })).join('\n')
      : JSON.stringify({ client_id: tenant, events });
    try {
      const response = await fetch(`${url}/operator/events`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${operatorToken}`,
          'content-type': asLines ? 'application/x-ndjson' : 'application/json',
        },
        body,
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      const text = await response.text();
      if (response.status === 503 && response.headers.get('retry-after')) refused += 1;
      else if (response.status !== 202) unexpected.push(`${response.status} ${text}`);
      return response.status;
    } catch {
      // No answer: the outcome is unknown, which is what the ids are for.
      return undefined;
    }
  }

  async function publish(tenant: string): Promise<void> {
    while (!stopping.signal.aborted) {
      await paused?.wait;
      const asLines = chance.next() < 0.3;
      const events = Array.from({ length: chance.between(1, 20) }, () => ({
        id: randomUUID(),
        created_at: createdAt,
        type: chance.pick(types),
        object: { id: randomUUID(), pad: 'x'.repeat(chance.between(0, 200)) },
      }));
      busy += 1;
      for (let tries = 0; (await send(tenant, events, asLines)) !== 202; tries += 1) {
        if (tries === 0) resent += 1;
        await sleep(50);
      }
      for (const { id } of events) accepted.get(tenant)?.add(id);
      count += events.length;
      busy -= 1;
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const running = tenants.map(publish);
  const resume = () => {
    paused?.resume();
    paused = undefined;
  };
  return {
    accepted,
    unexpected,
    get count() {
      return count;
    },
    get resent() {
      return resent;
    },
    get refused() {
      return refused;
    },
    async pause() {
      if (!paused) {
        let release = () => {};
        const wait = new Promise<void>((resolve) => {
          release = resolve;
        });
        paused = { wait, resume: release };
      }
      // What was begun is sent until it is accepted.
      while (busy > 0) {
        check();
        await sleep(20);
      }
    },
    resume,
    async more(events) {
      const goal = count + events;
      while (count < goal) {
        check();
        await sleep(20);
      }
    },
    async stop() {
      stopping.abort();
      resume();
      await Promise.all(running);
    },
  };
}
