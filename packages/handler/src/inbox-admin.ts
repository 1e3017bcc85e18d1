// What an operator asks of the inbox and does to it, from code: `webhooks.inbox`, or by itself where no handler runs (a script,
// `bellhop inbox`). What changes many events has a `dryRun` that counts first.
import type {
  BlockedKey,
  Counted,
  Inbox,
  InboxFilter,
  InboxPage,
  InboxStats,
  ListOptions,
  Rehearsal,
} from './inbox/inbox.ts';

export interface InboxAdmin {
  stats(): Promise<InboxStats>;
  /** In the order of storing. */
  list(options?: ListOptions): Promise<InboxPage>;
  /** Which keys are blocked, by what, since when, and how many events wait behind; longest first, 100 by default. */
  blockedKeys(options?: { readonly limit?: number }): Promise<readonly BlockedKey[]>;
  /** Runs failed events now, and opens parked ones again, at the end of their key. */
  retry(filter: InboxFilter, options?: Rehearsal): Promise<Counted>;
  /** Processes done, ignored and skipped events once more. Wants at least one criterion: nobody replays all by mistake. */
  replay(filter: InboxFilter, options?: Rehearsal): Promise<Counted>;
  /** Gives an event up for good; false when it is unknown, running or closed already. */
  skip(id: string, reason: string): Promise<boolean>;
  /** Forgets closed events before their time is over; their ids are then no longer known. */
  purge(filter: { readonly doneBefore: Date }, options?: Rehearsal): Promise<Counted>;
}

/** What each criterion must be. */
const criteria: Readonly<Record<keyof InboxFilter, readonly [(value: unknown) => boolean, string]>> = {
  ids: [(value) => Array.isArray(value) && value.every(isText), 'a list of event ids'],
  type: [isText, 'a type, or a category and .*'],
  key: [isText, 'a text'],
  since: [isDate, 'a Date'],
  until: [isDate, 'a Date'],
};

type Administered = Omit<Inbox<unknown>, 'complete'>;

/** Processes that run listeners look once a second for what was opened again. */
export function inboxAdmin(
  inbox: Administered,
  now: () => number = Date.now,
  wake: () => void = () => undefined,
): InboxAdmin {
  const at = (): Date => new Date(now());
  return {
    stats: () => inbox.stats(at()),
    async list(options = {}) {
      assertLimit(options.limit);
      assertFilter(options, ['states', 'limit', 'after']);
      return inbox.list(options);
    },
    blockedKeys({ limit = 100 } = {}) {
      assertLimit(limit);
      return inbox.blockedKeys(limit);
    },
    async retry(filter, options = {}) {
      assertFilter(filter);
      const counted = await inbox.retry(filter, at(), options);
      wake();
      return counted;
    },
    async replay(filter, options = {}) {
      assertFilter(filter);
      if (Object.values(filter).every((criterion) => criterion === undefined)) {
        throw new TypeError('replay() needs ids, a type, a key, since or until');
      }
      const counted = await inbox.replay(filter, at(), options);
      wake();
      return counted;
    },
    async skip(id, reason) {
      if (typeof reason !== 'string' || reason === '') throw new TypeError('skip() needs a reason');
      const isSkipped = await inbox.skip(id, reason);
      wake();
      return isSkipped;
    },
    purge: ({ doneBefore }, options = {}) => inbox.purge(doneBefore, options),
  };
}

/** For callers without types: a misspelt criterion would be none, and mean everything. */
function assertFilter(filter: InboxFilter, others: readonly string[] = []): void {
  for (const [name, value] of Object.entries(filter)) {
    if (others.includes(name) || value === undefined) continue;
    const [, [isRight, what] = []] = Object.entries(criteria).find(([criterion]) => criterion === name) ?? [];
    if (isRight === undefined) {
      throw new TypeError(
        `There is no criterion ${name}: there are ${[...Object.keys(criteria), ...others].join(', ')}`,
      );
    }
    if (!isRight(value)) throw new TypeError(`${name} must be ${what}`);
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isDate(value: unknown): boolean {
  return value instanceof Date && !Number.isNaN(value.getTime());
}

function assertLimit(limit = 1): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 10_000) throw new TypeError('limit is 1 to 10,000');
}
