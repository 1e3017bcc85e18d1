import { describe, expect, it } from 'vitest';
import { GroupCommit } from './group-commit.ts';

function queue(write: (items: readonly number[]) => Promise<number[]>, maxWeight = 100) {
  return new GroupCommit<number, number>({
    write,
    weigh: (item) => Math.abs(item),
    maxWeight,
    isRefusal: (error) => error instanceof RangeError,
  });
}

describe('group commit', () => {
  it('writes what arrives during a write as the next batch, in order', async () => {
    const batches: (readonly number[])[] = [];
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const commit = queue(async (items) => {
      batches.push(items);
      if (batches.length === 1) await gate;
      return items.map((item) => item * 2);
    });
    const first = commit.add(1);
    await Promise.resolve();
    await Promise.resolve();
    const later = [commit.add(2), commit.add(3)];
    release();
    expect(await Promise.all([first, ...later])).toEqual([2, 4, 6]);
    expect(batches).toEqual([[1], [2, 3]]);
  });

  it('takes no more than its weight at once, but one heavy item alone', async () => {
    const batches: (readonly number[])[] = [];
    const commit = queue(async (items) => {
      batches.push(items);
      return [...items];
    }, 10);
    await Promise.all([4, 4, 4, 50, 1].map((item) => commit.add(item)));
    expect(batches).toEqual([[4, 4], [4], [50], [1]]);
  });

  it('rejects only the caller whose item is refused', async () => {
    const commit = queue(async (items) => {
      if (items.includes(-1)) throw new RangeError('refused');
      return [...items];
    });
    const results = await Promise.allSettled([1, -1, 2].map((item) => commit.add(item)));
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('tells every caller when the outcome of a batch is unknown, and goes on with the next', async () => {
    let away = true;
    const commit = queue(async (items) => {
      if (away) throw new Error('away');
      return [...items];
    });
    const results = await Promise.allSettled([1, 2].map((item) => commit.add(item)));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    away = false;
    expect(await commit.add(3)).toBe(3);
  });

  it('never leaves an item behind, whenever it is added', async () => {
    const commit = queue(async (items) => [...items]);
    let added = 0;
    const chain = async (left: number): Promise<void> => {
      if (left === 0) return;
      const item = commit.add(1);
      added += 1;
      await item;
      await chain(left - 1);
    };
    await Promise.all(Array.from({ length: 20 }, () => chain(50)));
    await commit.drained();
    expect(added).toBe(1000);
    expect(commit.depth).toBe(0);
  });
});
