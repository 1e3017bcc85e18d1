import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../store/database.ts';
import { ensurePartitions, migrate } from '../store/migrate.ts';
import { openPglite } from '../store/pglite.ts';
import { createLedger, type KeptAttempts } from './ledger.ts';
import type { Outcome } from './outcome.ts';

describe('the attempts that the ledger keeps', () => {
  let database: Database;
  beforeAll(async () => {
    database = await openPglite();
    await migrate(database);
    await ensurePartitions(database, 1);
  });
  afterAll(() => database.close());

  const record = { startedAt: new Date(), durationMs: 1, requestHeaders: {} };
  const fine: Outcome = { ok: true, status: 200, ...record };
  const failed: Outcome = { ok: false, reason: 'dns', detail: 'gone', ...record };

  async function kept(attempts: KeptAttempts, outcomes: readonly Outcome[], kind: 'delivery' | 'test' = 'delivery') {
    const ledger = createLedger(database, { attempts });
    const webhookId = uuidv7();
    const results = await Promise.all(
      outcomes.map((outcome) =>
        ledger.add({
          kind: 'attempt',
          partition: 0,
          epoch: 0,
          attempt: {
            ...{ id: uuidv7(), webhookId, clientId: webhookId, partition: 0, kind, packageId: uuidv7(), attempt: 1 },
            ...{ firstOffset: 1, lastOffset: 1, eventCount: 1, bytes: 1, url: 'https://tenant.tld/', outcome },
          },
        }),
      ),
    );
    expect(new Set(results)).toEqual(new Set(['written']));
    return (await database.query('select 1 as one from attempts where webhook_id = $1', [webhookId])).length;
  }

  it('are all of them, the failed ones, or a sample besides those; tests always', async () => {
    expect(await kept('all', [fine, fine, failed])).toBe(3);
    expect(await kept('failed', [fine, fine, failed])).toBe(1);
    expect(await kept('failed', [fine], 'test')).toBe(1);
    const many = [...Array.from({ length: 3_000 }, () => fine), failed];
    const sampled = await kept('sampled', many);
    // One in a hundred of 3,000: outside these bounds about once in a million runs.
    expect(sampled).toBeGreaterThan(1 + 5);
    expect(sampled).toBeLessThan(1 + 75);
  });
});
