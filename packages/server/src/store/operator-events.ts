// Events of the log as an operator sees them. Searching is in `event-search.ts`.

import type { Queryable } from './database.ts';

export interface EventRow {
  readonly partition: number;
  readonly event_offset: number;
  readonly client_id: string;
  readonly id: string;
  readonly type: string;
  /** The first characters of the body: enough for `created_at`. */
  readonly beginning: string;
  readonly bytes: number;
  readonly appended_at: Date;
}

export async function partitionsOf(db: Queryable, clientId: string | undefined): Promise<number[]> {
  const rows =
    clientId === undefined
      ? await db.query<{ id: number }>('select id from partitions order by id')
      : await db.query<{ id: number }>('select partition as id from tenants where client_id = $1', [clientId]);
  return rows.map(({ id }) => id);
}

export interface FullEventRow extends Omit<EventRow, 'beginning' | 'bytes'> {
  readonly body: string;
}

/** Tenants choose ids: the same one may occur once per tenant. One index look-up a tenant. */
export async function findEvents(db: Queryable, id: string, clientId: string | undefined): Promise<FullEventRow[]> {
  return db.query<FullEventRow>(
    `select e.partition, e.event_offset, e.client_id, e.id, e.type, e.body, e.appended_at
     from tenants t cross join lateral (select * from events where client_id = t.client_id and id = $1 limit 1) e
     where $2::uuid is null or t.client_id = $2
     limit 2`,
    [id, clientId ?? null],
  );
}
