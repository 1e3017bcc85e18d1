// The ledger: what became of packages, written for all lanes of this process in group commits. Cursor moves, blocked
// packages, attempt rows and partition checkpoints go through one queue, in order.
//
// Fencing: every write names the epoch of the lease it was made under. The transaction first shares an advisory lock on
// its partitions, which a take-over takes exclusively (`leases.ts`), so an epoch cannot change between the check and the
// commit. A lane entry also names the webhook's `position_version`: after a replay or a skip, a late answer moves nothing.

import { GroupCommit } from '../log/group-commit.ts';
import type { Observer } from '../observe/observer.ts';
import type { Database, Queryable } from '../store/database.ts';
import { DatabaseError } from '../store/database.ts';
import type { Pending } from './lane.ts';
import type { Outcome } from './outcome.ts';

/** First key of the two-key advisory locks on partitions; the second is the partition. */
export const partitionLockClass = 4_027_316;

export interface AttemptRow {
  readonly id: string;
  readonly webhookId: string;
  readonly clientId: string;
  readonly partition: number;
  readonly kind: 'delivery' | 'test';
  readonly packageId: string;
  readonly attempt: number;
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
  readonly eventCount: number;
  readonly bytes: number;
  readonly url: string;
  readonly outcome: Outcome;
}

interface Fence {
  readonly partition: number;
  readonly epoch: number;
}

/** A lane's new standing, with the attempt that led to it. */
export interface LaneEntry extends Fence {
  readonly kind: 'lane';
  readonly webhookId: string;
  readonly positionVersion: number;
  readonly cursor: number;
  /** Null: nothing is pending, the webhook is not blocked. */
  readonly blocked: {
    readonly pending: Pending;
    readonly nextAttemptAt: Date;
    readonly since: Date;
    readonly reason: string;
    readonly status: number | undefined;
  } | null;
  readonly attempt: AttemptRow;
}

/** An attempt that moves nothing: a test trigger, or an answer that came too late. */
export interface AttemptEntry extends Fence {
  readonly kind: 'attempt';
  readonly attempt: AttemptRow;
}

export interface CheckpointEntry extends Fence {
  readonly kind: 'checkpoint';
  readonly offset: number;
  /** Caught-up webhooks that stand at the checkpoint from now on. */
  readonly settled: readonly { readonly webhookId: string; readonly positionVersion: number }[];
  /** Webhooks that hold undelivered events up to the checkpoint and stood at it until now. */
  readonly behind: readonly { readonly webhookId: string; readonly cursor: number }[];
}

export type LedgerEntry = LaneEntry | AttemptEntry | CheckpointEntry;

/**
 * - `written`: committed.
 * - `superseded`: the webhook was moved by a person or deleted meanwhile; its row was left alone.
 * - `fenced`: the partition belongs to another worker now; nothing was written.
 */
export type LedgerResult = 'written' | 'superseded' | 'fenced';

export interface Ledger {
  /** Rejects with `DatabaseError` when the database is away; the entry may then be added again. */
  add(entry: LedgerEntry): Promise<LedgerResult>;
  drained(): Promise<void>;
}

const maxEntriesPerCommit = 500;

/**
 * Which attempts get a row. `all`. `failed`: those that did not succeed, and tests. `sampled`: failed ones, tests and one in a
 * hundred of the others; the same package is kept or not on every worker.
 */
export type KeptAttempts = 'all' | 'failed' | 'sampled';

export interface LedgerOptions {
  readonly observer?: Pick<Observer, 'recorded'> | undefined;
  readonly attempts?: KeptAttempts | undefined;
}

export function createLedger(database: Database, options: LedgerOptions = {}): Ledger {
  const { observer, attempts = 'all' } = options;
  const queue = new GroupCommit<LedgerEntry, LedgerResult>({
    write: async (entries) => {
      const startedMs = performance.now();
      const results = await database.transaction((tx) => writeEntries(tx, entries, attempts));
      observer?.recorded(entries.length, performance.now() - startedMs);
      return results;
    },
    weigh: () => 1,
    maxWeight: maxEntriesPerCommit,
    isRefusal: (error) => error instanceof DatabaseError && error.code === 'rejected',
  });
  return { add: (entry) => queue.add(entry), drained: () => queue.drained() };
}

function isKept({ outcome, kind, packageId }: AttemptRow, attempts: KeptAttempts): boolean {
  if (attempts === 'all' || !outcome.ok || kind === 'test') return true;
  // The last digits of a package id are random.
  return attempts === 'sampled' && Number.parseInt(packageId.slice(-6), 16) % 100 === 0;
}

async function writeEntries(
  tx: Queryable,
  entries: readonly LedgerEntry[],
  kept: KeptAttempts,
): Promise<LedgerResult[]> {
  const partitions = [...new Set(entries.map((entry) => entry.partition))].sort((a, b) => a - b);
  // Of two entries of one lane the later one says where it stands.
  const lanes = new Map<string, LaneEntry>();
  const checkpoints = new Map<number, CheckpointEntry>();
  for (const entry of entries) {
    if (entry.kind === 'lane') lanes.set(entry.webhookId, entry);
    if (entry.kind === 'checkpoint') checkpoints.set(entry.partition, entry);
  }
  const attempts = entries.flatMap((entry) =>
    entry.kind !== 'checkpoint' && isKept(entry.attempt, kept) ? [{ entry, row: entry.attempt }] : [],
  );

  // Sent without waiting in between; each statement has a snapshot of its own, taken after the locks.
  const [, epochs, , moved] = await Promise.all([
    tx.query('select pg_advisory_xact_lock_shared($1, id) from unnest($2::integer[]) as id', [
      partitionLockClass,
      partitions,
    ]),
    tx.query<{ id: number; epoch: number }>('select id, epoch from partitions where id = any($1::integer[])', [
      partitions,
    ]),
    // Partition rows before webhook rows, as everywhere: two orders would deadlock.
    checkpoints.size > 0 ? tx.query(moveCheckpoints, [toJson([...checkpoints.values()].map(checkpointColumns))]) : [],
    lanes.size > 0 ? tx.query<{ id: string }>(moveLanes, [toJson([...lanes.values()].map(laneColumns))]) : [],
    attempts.length > 0
      ? tx.query(insertAttempts, [toJson(attempts.map(({ entry, row }) => attemptColumns(row, entry.epoch)))])
      : [],
    ...[...checkpoints.values()].flatMap((entry) => settle(tx, entry)),
  ]);

  const epochOf = new Map(epochs.map((row) => [row.id, row.epoch]));
  const written = new Set(moved.map((row) => row.id));
  return entries.map((entry) => {
    if (epochOf.get(entry.partition) !== entry.epoch) return 'fenced';
    return entry.kind !== 'lane' || written.has(entry.webhookId) ? 'written' : 'superseded';
  });
}

function settle(tx: Queryable, entry: CheckpointEntry): Promise<unknown>[] {
  const statements: Promise<unknown>[] = [];
  if (entry.settled.length > 0) {
    statements.push(
      tx.query(
        `update webhooks set cursor = null
         from json_to_recordset($1::text::json) as settled (id uuid, position_version bigint), partitions
         where webhooks.id = settled.id and webhooks.position_version = settled.position_version
           and enabled and cursor <= $2 and partitions.id = $3 and partitions.epoch = $4`,
        [
          toJson(
            entry.settled.map(({ webhookId, positionVersion }) => ({
              id: webhookId,
              position_version: positionVersion,
            })),
          ),
          entry.offset,
          entry.partition,
          entry.epoch,
        ],
      ),
    );
  }
  if (entry.behind.length > 0) {
    statements.push(
      tx.query(
        `update webhooks set cursor = behind.cursor
         from json_to_recordset($1::text::json) as behind (id uuid, cursor bigint), partitions
         where webhooks.id = behind.id and webhooks.cursor is null and partitions.id = $2 and partitions.epoch = $3`,
        [
          toJson(entry.behind.map(({ webhookId, cursor }) => ({ id: webhookId, cursor }))),
          entry.partition,
          entry.epoch,
        ],
      ),
    );
  }
  return statements;
}

const toJson = (rows: unknown): string => JSON.stringify(rows);

const moveCheckpoints = `
  update partitions set checkpoint = entry.checkpoint
  from json_to_recordset($1::text::json) as entry (partition integer, epoch bigint, checkpoint bigint)
  where partitions.id = entry.partition and partitions.epoch = entry.epoch and partitions.checkpoint < entry.checkpoint`;

const checkpointColumns = (entry: CheckpointEntry) => ({
  partition: entry.partition,
  epoch: entry.epoch,
  checkpoint: entry.offset,
});

const moveLanes = `
  update webhooks set
    cursor = entry.cursor, attempts = entry.attempts, next_attempt_at = entry.next_attempt_at,
    blocked_since = entry.blocked_since, blocked_reason = entry.blocked_reason, blocked_status = entry.blocked_status,
    pending_id = entry.pending_id, pending_first = entry.pending_first, pending_last = entry.pending_last,
    pending_version = entry.pending_version, pending_type = entry.pending_type,
    pending_exclude_type = entry.pending_exclude_type
  from json_to_recordset($1::text::json) as entry (
      id uuid, partition integer, epoch bigint, position_version bigint, cursor bigint, attempts integer,
      next_attempt_at timestamptz, blocked_since timestamptz, blocked_reason text, blocked_status integer,
      pending_id uuid, pending_first bigint, pending_last bigint, pending_version bigint, pending_type text[],
      pending_exclude_type text[]),
    partitions
  where webhooks.id = entry.id and webhooks.position_version = entry.position_version
    and partitions.id = entry.partition and partitions.epoch = entry.epoch
  returning webhooks.id`;

function laneColumns({ blocked, ...entry }: LaneEntry) {
  const pending = blocked?.pending;
  return {
    id: entry.webhookId,
    partition: entry.partition,
    epoch: entry.epoch,
    position_version: entry.positionVersion,
    cursor: entry.cursor,
    attempts: pending?.attempts ?? 0,
    next_attempt_at: blocked?.nextAttemptAt,
    blocked_since: blocked?.since,
    blocked_reason: blocked?.reason,
    blocked_status: blocked?.status,
    pending_id: pending?.packageId,
    pending_first: pending?.cut.first,
    pending_last: pending?.cut.last,
    pending_version: pending?.version,
    pending_type: pending?.cut.filter.type,
    pending_exclude_type: pending?.cut.filter.excludeType,
  };
}

const attemptTypes = `
  id uuid, webhook_id uuid, client_id uuid, partition integer, kind text, package_id uuid, attempt integer,
  first_offset bigint, last_offset bigint, event_count integer, bytes integer, url text, started_at timestamptz,
  duration_ms integer, ok boolean, reason text, status integer, request_headers jsonb, response_headers jsonb,
  response_excerpt text`;
const attemptNames = attemptTypes.replace(/(\w+) \w+(,|$)/g, '$1$2');

/** An entry whose commit was not answered comes again: its row may be there. */
const insertAttempts = `
  insert into attempts (${attemptNames})
  select ${attemptNames.replace(/(\w+)/g, 'entry.$1')}
  from json_to_recordset($1::text::json) as entry (epoch bigint, ${attemptTypes})
  join partitions on partitions.id = entry.partition and partitions.epoch = entry.epoch
  on conflict (id) do nothing`;

/** Failed attempts keep what was sent and what came back; of the others the numbers are enough. */
export function attemptColumns(row: AttemptRow, epoch: number) {
  const { outcome } = row;
  return {
    epoch,
    id: row.id,
    webhook_id: row.webhookId,
    client_id: row.clientId,
    partition: row.partition,
    kind: row.kind,
    package_id: row.packageId,
    attempt: row.attempt,
    first_offset: row.firstOffset,
    last_offset: row.lastOffset,
    event_count: row.eventCount,
    bytes: row.bytes,
    url: row.url,
    started_at: outcome.startedAt,
    duration_ms: Math.round(outcome.durationMs),
    ok: outcome.ok,
    reason: outcome.ok ? null : outcome.reason,
    status: outcome.status,
    ...(outcome.ok && row.kind === 'delivery'
      ? {}
      : {
          request_headers: outcome.requestHeaders,
          response_headers: outcome.responseHeaders,
          // PostgreSQL text holds no NUL.
          response_excerpt: outcome.responseExcerpt?.replaceAll('\0', '\ufffd'),
        }),
  };
}

/** For attempts outside any lane: the test trigger of a process that owns no partition. */
export async function insertAttempt(database: Database, row: AttemptRow): Promise<void> {
  const { epoch: _, ...columns } = attemptColumns(row, 0);
  await database.query(
    `insert into attempts (${attemptNames}) select ${attemptNames} from json_to_recordset($1::text::json) as entry (${attemptTypes})`,
    [toJson([columns])],
  );
}
