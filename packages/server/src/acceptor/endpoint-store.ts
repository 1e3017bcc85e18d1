// Acceptor endpoints and what waits at them, in the database: several API processes serve the same endpoint, and a restart
// loses nothing. Positions are assigned under the endpoint's row lock, so they become visible in their order. What waits
// at one endpoint is bounded in number and bytes; an endpoint without room refuses, and whoever sends tries again.

import type { Database, Queryable } from '../store/database.ts';

export interface Delivery {
  readonly position: number;
  readonly receivedAt: Date;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly payload: string;
}

export interface QueueLimits {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
}

/** One answer to a poller holds at most this much, and one delivery at least. */
const pageLimits = { deliveries: 200, bytes: 2 * 1024 * 1024 };

export async function insertEndpoint(
  tx: Queryable,
  endpoint: { id: string; clientId: string; tokenHash: Uint8Array; maxPerTenant: number; now: Date },
): Promise<'made' | 'too_many' | 'no_tenant'> {
  const { id, clientId, tokenHash, maxPerTenant, now } = endpoint;
  // The lock makes concurrent calls of one tenant count each other.
  const tenants = await tx.query('select 1 from tenants where client_id = $1 for no key update', [clientId]);
  if (tenants.length === 0) return 'no_tenant';
  const made = await tx.query(
    `insert into acceptor_endpoints (id, client_id, token_hash, created_at, polled_at)
     select $1, $2, $3, $4, $4 where (select count(*) from acceptor_endpoints where client_id = $2) < $5
     returning id`,
    [id, clientId, tokenHash, now, maxPerTenant],
  );
  return made.length === 0 ? 'too_many' : 'made';
}

export async function findEndpoint(db: Queryable, clientId: string, id: string): Promise<{ head: number } | undefined> {
  const [row] = await db.query<{ head: number }>(
    'select head from acceptor_endpoints where id = $1 and client_id = $2',
    [id, clientId],
  );
  return row;
}

export async function deleteEndpoint(db: Queryable, clientId: string, id: string): Promise<boolean> {
  const sql = 'delete from acceptor_endpoints where id = $1 and client_id = $2 returning id';
  return (await db.query(sql, [id, clientId])).length > 0;
}

export async function deleteAbandonedEndpoints(db: Queryable, polledBefore: Date): Promise<void> {
  await db.query('delete from acceptor_endpoints where polled_at < $1', [polledBefore]);
}

export interface Room {
  readonly id: string;
  readonly clientId: string;
  readonly hasRoom: boolean;
}

/** Undefined when there is no such endpoint. */
export async function roomAt(db: Queryable, tokenHash: Uint8Array, limits: QueueLimits): Promise<Room | undefined> {
  const [row] = await db.query<{ id: string; client_id: string; queued: number; queued_bytes: number }>(
    'select id, client_id, queued, queued_bytes from acceptor_endpoints where token_hash = $1',
    [tokenHash],
  );
  if (!row) return undefined;
  const hasRoom = row.queued < limits.maxQueued && row.queued_bytes < limits.maxQueuedBytes;
  return { id: row.id, clientId: row.client_id, hasRoom };
}

/** The endpoint's id, or undefined when there is no room (or no endpoint). An empty queue takes any one delivery. */
export async function insertDelivery(
  db: Queryable,
  delivery: { tokenHash: Uint8Array; headers: string; payload: Uint8Array; bytes: number; now: Date },
  limits: QueueLimits,
): Promise<string | undefined> {
  const { tokenHash, headers, payload, bytes, now } = delivery;
  const [row] = await db.query<{ endpoint_id: string }>(
    `with endpoint as (
       update acceptor_endpoints set head = head + 1, queued = queued + 1, queued_bytes = queued_bytes + $5::integer
       where token_hash = $1 and (queued = 0 or (queued < $6 and queued_bytes + $5::integer <= $7))
       returning id, head)
     insert into acceptor_deliveries (endpoint_id, position, received_at, headers, payload, bytes)
     select id, head, $2, $3, $4, $5::integer from endpoint returning endpoint_id`,
    [tokenHash, now, headers, payload, bytes, limits.maxQueued, limits.maxQueuedBytes],
  );
  return row?.endpoint_id;
}

export interface ReadOptions {
  readonly clientId: string;
  readonly id: string;
  /** Given: forgets what is at or before it, and reads on without forgetting. Absent: forgets what it reads. */
  readonly after: number | undefined;
  readonly now: Date;
  /** The poller is still there; when it is not, what would be forgotten with its answer stays. */
  readonly isWanted: () => boolean;
  /** Around what holds a connection and the endpoint's lock. */
  readonly inTurn: <T>(read: () => Promise<T>) => Promise<T>;
}

/** Oldest first; undefined when the endpoint is gone. */
export async function readDeliveries(database: Database, options: ReadOptions): Promise<Delivery[] | undefined> {
  const { clientId, id, after, now, isWanted, inTurn } = options;
  const [endpoint] = await database.query<{ queued: number; polled_at: Date }>(
    'select queued, polled_at from acceptor_endpoints where id = $1 and client_id = $2',
    [id, clientId],
  );
  if (!endpoint) return undefined;
  // Once a minute is enough to tell an endpoint in use from an abandoned one.
  if (now.getTime() - endpoint.polled_at.getTime() > 60_000) {
    await database.query('update acceptor_endpoints set polled_at = $2 where id = $1', [id, now]);
  }
  if (endpoint.queued === 0) return [];
  const read = async (tx: Queryable): Promise<Delivery[] | undefined> => {
    const locked = await tx.query('select 1 from acceptor_endpoints where id = $1 for update', [id]);
    if (locked.length === 0) return undefined;
    if (after !== undefined) await forget(tx, id, after);
    const page = await readPage(tx, id, after ?? 0);
    const last = page.at(-1);
    if (after !== undefined || !last) return page;
    if (!isWanted()) return [];
    await forget(tx, id, last.position);
    return page;
  };
  return inTurn(async () => (isWanted() ? database.transaction(read) : []));
}

async function forget(tx: Queryable, id: string, upTo: number): Promise<void> {
  await tx.query(
    `with gone as (delete from acceptor_deliveries where endpoint_id = $1 and position <= $2 returning bytes)
     update acceptor_endpoints set queued = queued - (select count(*) from gone),
       queued_bytes = queued_bytes - (select coalesce(sum(bytes), 0) from gone)
     where id = $1 and exists (select 1 from gone)`,
    [id, upTo],
  );
}

interface DeliveryRow {
  readonly position: number;
  readonly received_at: Date;
  readonly headers: string;
  readonly payload: Uint8Array;
}

async function readPage(tx: Queryable, id: string, after: number): Promise<Delivery[]> {
  const rows = await tx.query<DeliveryRow>(
    `select position, received_at, headers, payload from (
       select position, received_at, headers, payload, sum(bytes) over (order by position) - bytes as bytes_before
       from acceptor_deliveries where endpoint_id = $1 and position > $2 order by position limit $3) page
     where bytes_before < $4 order by position`,
    [id, after, pageLimits.deliveries, pageLimits.bytes],
  );
  return rows.map((row) => ({
    position: row.position,
    receivedAt: row.received_at,
    headers: JSON.parse(row.headers),
    payload: Buffer.from(row.payload).toString('utf8'),
  }));
}
