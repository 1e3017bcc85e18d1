import { describe, expect, it } from 'vitest';
import { entry, inboxContract } from './inbox.contract.ts';
import { InboxFullError, memoryInbox } from './memory.ts';

describe('the inbox in memory', () => {
  inboxContract(async () => memoryInbox());

  it('refuses a package that does not fit, whole', async () => {
    const inbox = memoryInbox({ maxOpen: 2 });
    await inbox.store([entry('a')]);
    await expect(inbox.store([entry('b'), entry('c')])).rejects.toBeInstanceOf(InboxFullError);
    expect(await inbox.store([entry('a'), entry('b')])).toEqual({ stored: 1, duplicates: 1 });
  });

  it('forgets the oldest done ids first when it may not remember more', async () => {
    const inbox = memoryInbox({ maxRemembered: 2 });
    const now = new Date();
    for (const id of ['a', 'b', 'c']) {
      await inbox.store([entry(id)]);
      for (const job of (await inbox.claim({ limit: 1, now })).jobs) await inbox.complete(job, async () => 'done');
    }
    expect(await inbox.store([entry('b'), entry('c')])).toEqual({ stored: 0, duplicates: 2 });
    expect(await inbox.store([entry('a')])).toEqual({ stored: 1, duplicates: 0 });
  });

  it('takes no senseless limits', () => {
    expect(() => memoryInbox({ maxOpen: 0 })).toThrow(TypeError);
    expect(() => memoryInbox({ maxRemembered: 1.5 })).toThrow(TypeError);
  });
});
