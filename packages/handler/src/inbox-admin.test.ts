import { describe, expect, it } from 'vitest';
import { entry } from './inbox/inbox.contract.ts';
import type { InboxFilter } from './index.ts';
import { createHandler, memoryInbox } from './index.ts';

/** As a caller without types has it. */
const loose = (text: string): InboxFilter => JSON.parse(text);

describe('a filter', () => {
  it.each([
    ['{"id":"a"}', 'There is no criterion id: there are ids, type, key, since, until'],
    ['{"foo":1}', 'There is no criterion foo'],
    ['{"ids":"a"}', 'ids must be a list of event ids'],
    ['{"type":5}', 'type must be'],
    ['{"since":"2026-01-01"}', 'since must be a Date'],
  ])('that is misspelt or of a wrong type means nothing, not everything: %s', async (text, message) => {
    const inbox = memoryInbox();
    const handler = createHandler({ keys: { find: async () => undefined }, inbox }).on('*', () => undefined);
    await inbox.store([entry('a')]);
    await handler.drain();
    for (const options of [{}, { dryRun: true }]) {
      await expect(handler.inbox.replay(loose(text), options)).rejects.toThrow(message);
      await expect(handler.inbox.retry(loose(text), options)).rejects.toThrow(message);
    }
    await expect(handler.inbox.list(loose(text))).rejects.toThrow(
      message.replace('until', 'until, states, limit, after'),
    );
    expect(await handler.inbox.stats()).toMatchObject({ waiting: 0 });
  });
});
