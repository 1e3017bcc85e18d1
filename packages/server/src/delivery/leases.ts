// Leases on partitions: a worker runs the lanes of the partitions whose rows name it. A lease lasts 5 s and all of a
// worker's leases are renewed in one UPDATE a second; one that ran out may be taken by anybody, with a higher epoch.
// `ledger.ts` refuses writes made under an older epoch. (Session advisory locks were considered: a stopped process keeps
// them, poolers break them, and they do not fence.)
//
// Workers say that they live in `workers`; each takes its share of the partitions and gives back what is above it.

import type { Database } from '../store/database.ts';
import { partitionLockClass } from './ledger.ts';

const defaultLeaseMs = 5_000;

export interface OwnedPartition {
  readonly id: number;
  readonly epoch: number;
  readonly head: number;
  readonly checkpoint: number;
}

export interface Lease {
  readonly id: number;
  readonly epoch: number;
}

export class Leases {
  readonly #database: Database;
  readonly #worker: string;
  /** Workers that were not seen for that long count as gone: the same for all workers of a database. */
  readonly leaseMs: number;

  constructor(database: Database, workerId: string, leaseMs = defaultLeaseMs) {
    this.#database = database;
    this.#worker = workerId;
    this.leaseMs = leaseMs;
  }

  get #leaseEnd(): string {
    return `now() + ${this.leaseMs} * interval '1 millisecond'`;
  }

  /** Says that this worker lives; answers how many partitions are its share. */
  async share(): Promise<number> {
    await this.#database.query(
      'insert into workers (id, seen_at) values ($1, now()) on conflict (id) do update set seen_at = now()',
      [this.#worker],
    );
    const [row] = await this.#database.query<{ workers: number; partitions: number }>(
      `select (select count(*) from workers where seen_at > now() - ${this.leaseMs} * interval '1 millisecond') as workers,
        (select count(*) from partitions) as partitions`,
    );
    return row ? Math.ceil(row.partitions / Math.max(1, row.workers)) : 0;
  }

  /**
   * Takes up to `limit` partitions that nobody holds.
   * `alone`: no other process can be there (embedded database), so leases of a dead process need not run out first.
   */
  async acquire(limit: number, alone: boolean): Promise<OwnedPartition[]> {
    const free = `(owner is null or lease_until < now()${alone ? ' or owner <> $1' : ''})`;
    return this.#database.transaction(async (tx) => {
      const candidates = await tx.query<{ id: number }>(
        `select id from partitions where $1::uuid is not null and ${free} order by random() limit $2`,
        [this.#worker, limit],
      );
      if (candidates.length === 0) return [];
      // Waits for no one: a ledger write that shares the lock right now ends first, and the next round tries again.
      const locked = await tx.query<{ id: number }>(
        'select id from unnest($2::integer[]) as id where pg_try_advisory_xact_lock($1, id)',
        [partitionLockClass, candidates.map((row) => row.id)],
      );
      return tx.query<OwnedPartition & Record<string, unknown>>(
        `update partitions set owner = $1, epoch = epoch + 1, lease_until = ${this.#leaseEnd}
         where id = any($2::integer[]) and ${free} returning id, epoch, head, checkpoint`,
        [this.#worker, locked.map((row) => row.id)],
      );
    });
  }

  /** The given partitions that are still this worker's, with their heads; whatever is missing was lost. */
  async renew(held: readonly number[]): Promise<Map<number, { epoch: number; head: number }>> {
    const rows = await this.#database.query<{ id: number; epoch: number; head: number }>(
      `update partitions set lease_until = ${this.#leaseEnd}
       where owner = $1 and id = any($2::integer[]) returning id, epoch, head`,
      [this.#worker, held],
    );
    return new Map(rows.map(({ id, epoch, head }) => [id, { epoch, head }]));
  }

  /** Gives back, if it is still held under that epoch: the next worker need not wait for it to run out. */
  async release(leases: readonly Lease[]): Promise<void> {
    await this.#database.query(
      `update partitions set owner = null, lease_until = null
       from unnest($2::integer[], $3::bigint[]) as lease (id, epoch)
       where owner = $1 and partitions.id = lease.id and partitions.epoch = lease.epoch`,
      [this.#worker, leases.map(({ id }) => id), leases.map(({ epoch }) => epoch)],
    );
  }

  /** This worker takes no more part; also forgets those that died long ago. */
  async leave(): Promise<void> {
    await this.#database.query(`delete from workers where id = $1 or seen_at < now() - interval '1 hour'`, [
      this.#worker,
    ]);
  }
}
