import { describe, expect, it } from 'vitest';
import { groupCommit } from './group-commit.ts';

interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

function gate(): Gate {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

type Write = (items: readonly number[]) => Promise<readonly number[]>;

/** Doubles numbers; what it weighs is the number itself. Remembers the batches in the order of their beginning. */
function queue(write: Write, { maxWeight = 100, maxWrites = 1 } = {}) {
  const batches: (readonly number[])[] = [];
  const add = groupCommit<number, number>({
    write: (items) => {
      batches.push(items);
      return write(items);
    },
    weigh: Math.abs,
    maxWeight,
    maxWrites,
  });
  return { add, batches };
}

const doubled: Write = async (items) => items.map((item) => item * 2);

describe('group commit', () => {
  it('writes what comes in one turn together, and each caller gets its own result', async () => {
    const { add, batches } = queue(doubled);
    expect(await Promise.all([add(1), add(2), Promise.resolve().then(() => add(3))])).toEqual([2, 4, 6]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('writes what arrives during a write as the next batch, and tells nobody before', async () => {
    const first = gate();
    const { add, batches } = queue(async (items) => {
      if (items.includes(1)) await first.passed;
      return doubled(items);
    });
    const told: number[] = [];
    const tell = async (item: number): Promise<void> => void told.push(await add(item));
    const adding = [tell(1)];
    await expect.poll(() => batches).toEqual([[1]]);
    adding.push(tell(2), tell(3));
    // More turns than an unheld write takes.
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    expect([told, batches]).toEqual([[], [[1]]]);
    first.open();
    await Promise.all(adding);
    expect(told).toEqual([2, 4, 6]);
    expect(batches).toEqual([[1], [2, 3]]);
  });

  it('has as many writes at the same time as it may, and no more', async () => {
    const gates = [gate(), gate(), gate()];
    let running = 0;
    let most = 0;
    const { add, batches } = queue(
      async (items) => {
        running += 1;
        most = Math.max(most, running);
        await gates[(items[0] ?? 0) - 1]?.passed;
        running -= 1;
        return doubled(items);
      },
      { maxWeight: 1, maxWrites: 2 },
    );
    const results = Promise.all([1, 2, 3].map(add));
    await expect.poll(() => batches).toEqual([[1], [2]]);
    gates[1]?.open();
    await expect.poll(() => batches).toEqual([[1], [2], [3]]);
    for (const { open } of gates) open();
    expect(await results).toEqual([2, 4, 6]);
    expect(most).toBe(2);
  });

  it('takes no more than its weight at once, but one heavy item alone', async () => {
    const { add, batches } = queue(doubled, { maxWeight: 10 });
    await Promise.all([4, 4, 4, 50, 1].map(add));
    expect(batches).toEqual([[4, 4], [4], [50], [1]]);
  });

  it('rejects only the caller whose item fails, when a batch fails', async () => {
    const { add, batches } = queue(async (items) => {
      if (items.includes(2)) throw new Error('no');
      return doubled(items);
    });
    expect(await Promise.allSettled([1, 2, 3].map(add))).toMatchObject([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected', reason: { message: 'no' } },
      { status: 'fulfilled', value: 6 },
    ]);
    expect(batches).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  it('rejects everybody while nothing can be written, and goes on when it can', async () => {
    let isAway = true;
    const { add } = queue(async (items) => {
      if (isAway) throw new Error('away');
      return doubled(items);
    });
    const results = await Promise.allSettled([1, 2].map(add));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isAway = false;
    expect(await add(3)).toBe(6);
  });

  it('leaves no item behind, whenever it is added', async () => {
    const { add } = queue(doubled, { maxWeight: 7, maxWrites: 2 });
    const chain = async (left: number): Promise<number> => (left === 0 ? 0 : (await add(1)) + (await chain(left - 1)));
    const sums = await Promise.all(Array.from({ length: 20 }, () => chain(50)));
    expect(sums).toEqual(Array.from({ length: 20 }, () => 100));
  });
});
