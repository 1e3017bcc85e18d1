// Group commit: one write is in flight at a time and whatever arrives meanwhile is the next batch. No timer: an idle queue
// writes at once, a busy one writes the largest batches it is allowed to.
//
// If a batch is refused, its callers are written one by one, so that one bad caller cannot reject the others; if its
// outcome is unknown (the database is away), every caller of it gets that error. Order of arrival is order of writing.

export interface GroupCommitOptions<Item, Result> {
  /** Writes one batch; resolves with one result per item, in order. All or nothing. */
  readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** What an item counts towards `maxWeight`. An item heavier than that is written alone. */
  readonly weigh: (item: Item) => number;
  readonly maxWeight: number;
  /** True when the batch was refused and nothing of it stored, so that its items may be tried alone. */
  readonly isRefusal: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #running: Promise<void> | undefined;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that wait for a batch, not counting the one being written. */
  get depth(): number {
    return this.#waiting.length;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // Callers of the same tick go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#writeBatch(this.#take());
    // In the same tick as the last look at the queue: an item added later starts a new run.
    this.#running = undefined;
  }

  #take(): Waiting<Item, Result>[] {
    let weight = 0;
    let count = 0;
    for (const { item } of this.#waiting) {
      weight += this.#options.weigh(item);
      if (count > 0 && weight > this.#options.maxWeight) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #writeBatch(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.write(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (batch.length === 1 || !this.#options.isRefusal(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      for (const caller of batch) await this.#writeBatch([caller]);
    }
  }
}
