// Group commit: a few writes at a time, and whatever arrives meanwhile is the next batch, so that many callers share one
// transaction and one wait for the disk. No timer: an idle inbox writes at once, a busy one writes large batches.
//
// A caller hears of its own item when the batch it was in is written, and not before. A batch that fails stored nothing; its
// items are then written alone, so that what is wrong with one rejects no other. `write` must bear an item twice: a batch
// whose outcome is unknown may have been stored.

export interface GroupCommitOptions<Item, Result> {
  /** Writes one batch, all or nothing; resolves with one result per item, in order. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** What an item counts towards `maxWeight`. A heavier one is written alone. */
  readonly weigh: (item: Item) => number;
  readonly maxWeight: number;
  /** At the same time. */
  readonly maxWrites: number;
}

interface Caller<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Returns the function that writes an item. */
export function groupCommit<Item, Result>(options: GroupCommitOptions<Item, Result>): (item: Item) => Promise<Result> {
  const { weigh, maxWeight, maxWrites } = options;
  const waiting: Caller<Item, Result>[] = [];
  let writes = 0;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || waiting.length === 0 || writes >= maxWrites) return;
    isScheduled = true;
    // Not now: what the event loop has ready beside this (signatures checked while a commit blocked it) goes along.
    setImmediate(() => {
      isScheduled = false;
      writes += 1;
      void write(take()).then(() => {
        writes -= 1;
        schedule();
      });
      schedule();
    });
  }

  function take(): Caller<Item, Result>[] {
    let weight = 0;
    let count = 0;
    for (const { item } of waiting) {
      weight += weigh(item);
      if (count > 0 && weight > maxWeight) break;
      count += 1;
    }
    return waiting.splice(0, count);
  }

  async function write(callers: readonly Caller<Item, Result>[]): Promise<void> {
    try {
      const results = await options.write(callers.map(({ item }) => item));
      for (const [index, result] of results.entries()) callers[index]?.resolve(result);
    } catch (error) {
      const [caller, ...others] = callers;
      if (others.length === 0) caller?.reject(error);
      else await Promise.all(callers.map((each) => write([each])));
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      schedule();
    });
}
