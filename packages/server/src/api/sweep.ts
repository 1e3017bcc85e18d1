// Takes away what has run out: nonces, tokens, kept answers, acceptor endpoints that nobody polls. Correctness does not wait for it (every read looks at the
// time itself); it keeps the tables small.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { acceptorLimits } from '../acceptor/acceptor.ts';
import { deleteAbandonedEndpoints } from '../acceptor/endpoint-store.ts';
import { deleteOldRollups } from '../observe/rollups.ts';
import { deleteOldRefusedCalls } from '../observe/usage.ts';
import type { Database } from '../store/database.ts';
import { deleteOldKeys, deleteSurplusKeys } from '../store/idempotency.ts';
import { deleteExpiredNonces } from '../store/nonces.ts';
import { deleteExpiredOperatorSessions } from '../store/operator-access.ts';
import { deleteExpiredTenantLinks } from '../store/tenant-links.ts';
import { deleteExpiredTokens } from '../store/tokens.ts';

/** The charts show a day; what is kept longer is for questions by SQL. */
const rollupDays = 30;

/** The page of a tenant shows 24. */
const refusedHours = 48;

export interface SweepOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly now: () => number;
  readonly everyMs?: number;
}

export async function sweepOnce({ database, now }: Pick<SweepOptions, 'database' | 'now'>): Promise<void> {
  const at = new Date(now());
  await deleteExpiredNonces(database, at);
  await deleteExpiredTokens(database, at);
  await deleteOldKeys(database, at);
  await deleteExpiredOperatorSessions(database, at);
  await deleteExpiredTenantLinks(database, at);
  await deleteOldRollups(database, new Date(at.getTime() - rollupDays * 86_400_000));
  await deleteOldRefusedCalls(database, new Date(at.getTime() - refusedHours * 3_600_000));
  await deleteAbandonedEndpoints(database, new Date(now() - acceptorLimits.abandonedAfterMs));
  await deleteSurplusKeys(database);
}

/** Resolves when the signal aborts; a failed round is logged and the next one tries again. */
export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<void> {
  const { logger, everyMs = 60_000 } = options;
  while (!signal.aborted) {
    try {
      await sweepOnce(options);
    } catch (error) {
      logger.warn({ err: error }, 'sweeping nonces, tokens and kept answers failed');
    }
    // An abort ends the pause early; the loop's condition sees it.
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
