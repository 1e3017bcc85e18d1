import { describe, expect, it } from 'vitest';
import type { HandlerOptions } from '../index.ts';
import { createHandler } from '../index.ts';
import { createSender, eventOf } from '../sender.fixture.ts';
import { upvest } from './upvest.ts';

describe('the Investment API as a sender', () => {
  it('takes both versions by default, and only those that were chosen', async () => {
    const sender = await createSender();
    const answers = async (options: HandlerOptions) => {
      const handler = createHandler(options);
      const statuses: number[] = [];
      for (const version of [6, 15] as const) {
        const delivery = await sender.prepare('/in', [eventOf('ORDER.FILLED')], { version });
        statuses.push((await handler.receive({ method: 'POST', url: '/in', ...delivery })).status);
      }
      return statuses;
    };
    expect(await answers({ keys: sender.keys })).toEqual([200, 200]);
    expect(await answers({ senders: [upvest({ keys: sender.keys, versions: [15] })] })).toEqual([401, 200]);
    expect(await answers({ senders: [upvest({ keys: sender.keys, versions: [6] })] })).toEqual([200, 401]);
  });
});
